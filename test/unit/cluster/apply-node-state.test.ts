/** When a message of an agent changes what is known of its node, and when it asks for a new snapshot. */
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { applyNodeState } from '../../../src/cluster/apply-node-state.js';
import type { NodeState, NodeStateDelta } from '../../../src/domain/node-state.js';
import { NodeMetrics } from '../../../src/node/node-metrics.js';
import { NodeStatePublisher } from '../../../src/node/publish-node-state.js';
import { aNodeState } from '../../support/fake-agent.js';
import { ManualClock } from '../../support/manual-clock.js';
import { aDeviceStatus, anEngineStatus, deviceUuid } from '../../support/node-fixtures.js';

const state = aNodeState({
  revision: 7,
  devices: [aDeviceStatus(0), aDeviceStatus(1)],
  engines: [anEngineStatus('a'), anEngineStatus('b')],
});

function delta(change: Partial<NodeStateDelta> = {}): NodeStateDelta {
  return {
    epoch: 'e1',
    baseRevision: 7,
    revision: 8,
    driver: null,
    cordons: null,
    conditions: null,
    unsupportedChecks: null,
    devices: [],
    removedDevices: [],
    engines: [],
    removedEngines: [],
    ...change,
  };
}

it('a snapshot replaces and never merges', () => {
  const next = aNodeState({ epoch: 'e2', revision: 1, engines: [anEngineStatus('c')] });
  expect(applyNodeState(state, { kind: 'snapshot', state: next, agentVersion: '' })).toEqual({
    state: next,
    changed: true,
    missed: null,
  });
});

it('a delta replaces whole objects, adds new ones last and takes out the removed', () => {
  const applied = applyNodeState(state, {
    kind: 'delta',
    delta: delta({
      devices: [aDeviceStatus(0, { health: 'unhealthy' })],
      removedDevices: [deviceUuid(1)],
      engines: [anEngineStatus('c'), anEngineStatus('b', { state: 'draining' })],
      removedEngines: ['a'],
      cordons: [{ holder: 'operator:ann', reason: '', sinceMs: 0 }],
    }),
  });
  expect(applied).toMatchObject({ changed: true, missed: null });
  expect(applied.state).toMatchObject({
    revision: 8,
    driver: { state: 'ok' },
    cordons: [{ holder: 'operator:ann' }],
    devices: [{ health: 'unhealthy' }],
    engines: [
      { id: 'b', state: 'draining' },
      { id: 'c', state: 'ready' },
    ],
  });
  expect(state.engines.map(({ id }) => id)).toEqual(['a', 'b']);
});

it('a delta that was merged for a slow reader may jump ahead', () => {
  const { state: next, missed } = applyNodeState(state, { kind: 'delta', delta: delta({ revision: 100 }) });
  expect([next?.revision, missed]).toEqual([100, null]);
});

it.each<[string, NodeState | null, Partial<NodeStateDelta>]>([
  ['a gap', state, { baseRevision: 8, revision: 9 }],
  ['a repetition', state, { baseRevision: 6, revision: 7 }],
  ['another epoch', state, { epoch: 'e2' }],
  ['no snapshot yet', null, {}],
])('%s leaves the state and asks for a new snapshot', (_name, before, change) => {
  const applied = applyNodeState(before, { kind: 'delta', delta: delta(change) });
  expect(applied).toMatchObject({ state: before, changed: false });
  expect(applied.missed).not.toBeNull();
});

it('a heartbeat of the known revision changes nothing; any other one tells of a loss', () => {
  const beat = (epoch: string, revision: number) =>
    applyNodeState(state, { kind: 'heartbeat', epoch, revision });
  expect(beat('e1', 7)).toEqual({ state, changed: false, missed: null });
  expect(beat('e1', 8).missed).toMatch(/revision 8 was missed/);
  expect(beat('e2', 7).missed).toMatch(/epoch e2/);
});

it('whoever follows a publisher, slowly or not, knows its state', () => {
  const step = fc.record({
    devices: fc.uniqueArray(fc.integer({ min: 0, max: 3 })),
    engines: fc.uniqueArray(fc.integer({ min: 0, max: 3 })),
    restarts: fc.nat(2),
    reads: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const publisher = new NodeStatePublisher({
        node: 'gpu-a',
        machineId: 'm',
        agentVersion: '',
        clock: new ManualClock(),
        metrics: new NodeMetrics(new Registry()),
      });
      let known: NodeState | null = null;
      let reads = true;
      const subscription = publisher.subscribe({
        write: (update) => {
          const applied = applyNodeState(known, update);
          expect(applied.missed).toBeNull();
          known = applied.state;
          return reads;
        },
        end: () => undefined,
      });
      for (const { devices, engines, restarts, reads: now } of steps) {
        reads = now;
        publisher.publish({
          devices: devices.map((index) => aDeviceStatus(index, { sampleAgeMs: restarts })),
          engines: engines.map((index) => anEngineStatus(`engine-${index}`, { restarts })),
        });
        if (reads) subscription.drained();
      }
      reads = true;
      subscription.drained();
      publisher.close();
      const sorted = ({ devices, engines, ...rest }: NodeState): unknown => ({
        ...rest,
        devices: [...devices].sort((a, b) => a.identity.index - b.identity.index),
        engines: [...engines].sort((a, b) => (a.id < b.id ? -1 : 1)),
      });
      expect(sorted(known!)).toEqual(sorted(publisher.state));
    }),
  );
});
