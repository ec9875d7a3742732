// Which standby takes the place of which lost engine, and when it goes back. Pure rule, hand-made members.
import { beforeEach, expect, it } from 'vitest';
import type { EngineState } from '../../../src/domain/engine.js';
import { StandbyRule, type StandbyMember } from '../../../src/engine/standby.js';
import { ManualClock } from '../../support/manual-clock.js';

interface Member extends StandbyMember {
  become(state: EngineState): void;
}

let clock: ManualClock;
let members: Member[];
let rule: StandbyRule;
let log: string[];

function aMember(id: string, standby: 'warm' | 'cold' | null, state: EngineState, template = 'chat'): Member {
  const status = { state, evicting: false, template };
  const record: StandbyMember['record'] = { wanted: 'running', standby };
  return {
    id,
    status,
    record,
    rest: {
      promote(promoted) {
        record.promoted = promoted;
        status.state = promoted ? 'starting' : standby === 'warm' ? 'draining' : 'stopped';
      },
    },
    become(next) {
      status.state = next;
      rule.apply();
    },
  };
}

beforeEach(() => {
  clock = new ManualClock();
  log = [];
  members = [
    aMember('a', null, 'starting'),
    aMember('b', null, 'starting'),
    aMember('cold', 'cold', 'stopped'),
    aMember('warm', 'warm', 'asleep'),
    aMember('other', 'warm', 'asleep', 'another'),
  ];
  rule = new StandbyRule({
    members: () => members,
    clock,
    returnMs: 1000,
    onPromoted: (id, promoted) => log.push(`${promoted ? '+' : '-'}${id}`),
  });
  rule.apply();
});

const become = (id: string, state: EngineState): void => members.find((m) => m.id === id)!.become(state);

it('an engine that has not served yet is not lost', () => {
  become('a', 'failed');
  expect(log).toEqual([]);
});

it('a lost engine is replaced once, by a warm one first, of its own template', () => {
  become('a', 'ready');
  become('b', 'ready');
  become('a', 'failed');
  become('a', 'starting');
  expect(log).toEqual(['+warm']);
  become('b', 'draining');
  expect(log).toEqual(['+warm', '+cold']);
});

it('what an operator stops is not lost', () => {
  become('a', 'ready');
  members[0]!.record.wanted = 'stopped';
  become('a', 'stopped');
  expect(log).toEqual([]);
});

it('it goes back when the lost one has served for a while, and not when it falls again', () => {
  become('a', 'ready');
  become('a', 'failed');
  become('warm', 'ready');
  become('a', 'ready');
  clock.advance(900);
  become('a', 'failed');
  clock.advance(5000);
  expect(log).toEqual(['+warm']);
  become('a', 'ready');
  clock.advance(1000);
  expect(log).toEqual(['+warm', '-warm']);
});
