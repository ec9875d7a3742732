// What is done to engines: which one wakes, starts or goes, by whom, and what is left alone. Agents are a list of what they were asked.
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, test } from 'vitest';
import { AutoscalingMetrics } from '../../../src/autoscaling/autoscaling-metrics.js';
import { maxActsPerRound, planActs, type ActorView } from '../../../src/autoscaling/plan-acts.js';
import { ScalingActuator, type ScalingActuatorOptions } from '../../../src/autoscaling/scaling-actuator.js';
import type { ModelScaling } from '../../../src/autoscaling/scaling-loop.js';
import { InfernodeError } from '../../../src/domain/error-codes.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { ManualClock } from '../../support/manual-clock.js';

const engine = (id: string, state = 'ready', over: Partial<ActorView> = {}): ActorView => ({
  id,
  state,
  supervised: true,
  free: true,
  inFlight: 0,
  unprefilledTokens: 0,
  cachedBlocks: 0,
  ...over,
});
const plan = (desired: number, next: number, engines: ActorView[], underWay = new Map()) =>
  planActs({ desired, next }, engines, underWay as Map<string, 'wake'>).map(({ act, id }) => `${act} ${id}`);

describe('the plan', () => {
  test('the sleeping wake before the stopped start', () => {
    const engines = [engine('a'), engine('b', 'stopped'), engine('c', 'asleep'), engine('d', 'failed')];
    expect(plan(2, 2, engines)).toEqual(['wake c']);
    expect(plan(5, 5, engines)).toEqual(['wake c', 'start b']);
  });

  test('the victim has the least work, then the coldest cache', () => {
    const engines = [
      engine('a', 'ready', { inFlight: 2 }),
      engine('b', 'ready', { cachedBlocks: 900 }),
      engine('c', 'ready', { cachedBlocks: 10 }),
      engine('d', 'ready', { unprefilledTokens: 5 }),
    ];
    expect(plan(3, 3, engines)).toEqual(['release c']);
    expect(plan(1, 1, engines)).toEqual(['release c', 'release b', 'release d']);
  });

  test('who is held back, attached or under way already is left alone', () => {
    const engines = [
      engine('a', 'asleep', { free: false }),
      engine('b', 'stopped', { supervised: false }),
      engine('c', 'asleep'),
    ];
    expect(plan(3, 3, engines, new Map([['c', 'wake']]))).toEqual([]);
    expect(plan(0, 0, [engine('x', 'ready', { supervised: false })])).toEqual([]);
  });

  test('replicas that failed are no reason to release others: desired stays above what is there', () => {
    expect(
      plan(
        8,
        4,
        [...'abcd'].map((id) => engine(id)),
      ),
    ).toEqual([]);
  });

  test('a round is bounded', () => {
    const many = Array.from({ length: 30 }, (_, i) => engine(`e${i}`, 'stopped'));
    expect(plan(30, 30, many)).toHaveLength(maxActsPerRound);
  });
});

describe('the actuator', () => {
  let clock: ManualClock;
  let engines: ActorView[];
  let asked: string[];
  let refuse: (call: string) => InfernodeError | undefined;
  let round: () => void;
  let scaling: ModelScaling;
  let leading: boolean;
  const tick = () => new Promise((resolve) => setImmediate(resolve));
  const decide = (desired: number, undecided = '') => {
    scaling = {
      signals: { model: 'm' },
      decision: { desired, next: desired, reason: 'backlog' },
      undecided,
    } as ModelScaling;
    round();
    return tick();
  };
  const create = (mode: ScalingActuatorOptions['mode'] = 'on') => {
    const call = (name: string) => (id: string) => {
      asked.push(`${name} ${id}`);
      const error = refuse(`${name} ${id}`);
      return error ? Promise.reject(error) : Promise.resolve();
    };
    return new ScalingActuator({
      mode,
      loop: {
        all: () => [scaling],
        onRound: (listener) => {
          round = listener;
          return () => (round = () => undefined);
        },
      },
      engines: () => engines,
      acts: { wake: call('wake'), start: call('start'), sleep: call('sleep'), drain: call('drain') },
      election: {
        get leading() {
          return leading;
        },
        close: () => Promise.resolve(),
      },
      clock,
      logger: silentLogger(),
      metrics: new AutoscalingMetrics(new Registry()),
    });
  };

  beforeEach(() => {
    clock = new ManualClock();
    engines = [engine('a'), engine('b', 'asleep')];
    asked = [];
    refuse = () => undefined;
    round = () => undefined;
    leading = true;
  });

  test('wakes once, and does not ask again while the state has not changed', async () => {
    create();
    await decide(2);
    await decide(2);
    expect(asked).toEqual(['wake b']);
    engines = [engine('a'), engine('b', 'starting')];
    await decide(2);
    expect(asked).toEqual(['wake b']);
  });

  test('an engine that cannot sleep is drained instead', async () => {
    create();
    refuse = (call) =>
      call.startsWith('sleep') ? new InfernodeError('engine-wrong-state', 'no sleep') : undefined;
    await decide(0);
    expect(asked).toEqual(['sleep a', 'drain a']);
  });

  test('an agent that cannot be reached is left alone for a minute, and nothing else is released in its place', async () => {
    create();
    refuse = () => new InfernodeError('node-unreachable', 'gone');
    engines = [engine('a'), engine('c', 'ready', { inFlight: 9 })];
    await decide(1);
    expect(asked).toEqual(['sleep a']);
    await decide(2);
    clock.advance(61_000);
    refuse = () => undefined;
    await decide(1);
    expect(asked).toEqual(['sleep a', 'sleep a']);
  });

  test('only the owner acts, only on a decision of this round, and a closed one not at all', async () => {
    const actuator = create();
    leading = false;
    await decide(2);
    leading = true;
    await decide(2, '1 of 2 agents have not been heard yet');
    expect(asked).toEqual([]);
    await actuator.close();
    await decide(2);
    expect(asked).toEqual([]);
  });

  test('a rehearsal asks nobody; off does not even listen', async () => {
    create('dry-run');
    await decide(2);
    create('off');
    await decide(2);
    expect(asked).toEqual([]);
  });

  test('requests that wait wake one engine in every mode, once', async () => {
    const actuator = create('off');
    engines = [engine('b', 'asleep'), engine('c', 'asleep')];
    expect(actuator.wake('m')).toBe(true);
    expect(actuator.wake('m')).toBe(true);
    await tick();
    expect(asked).toEqual(['wake b']);
    engines = [engine('b', 'starting'), engine('c', 'asleep')];
    expect(actuator.wake('m')).toBe(true);
    expect(asked).toEqual(['wake b']);
    engines = [engine('b', 'failed')];
    expect(actuator.wake('m')).toBe(false);
  });
});
