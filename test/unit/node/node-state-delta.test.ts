/** Whoever applies the snapshot and then every delta, however slowly, holds the same state as the node. */
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import type { NodeState, NodeStateUpdate } from '../../../src/domain/node-state.js';
import { NodeMetrics } from '../../../src/node/node-metrics.js';
import { NodeStatePublisher } from '../../../src/node/publish-node-state.js';
import { ManualClock } from '../../support/manual-clock.js';
import { aDeviceStatus, anEngineStatus } from '../../support/node-fixtures.js';

const step = fc.record({
  devices: fc.uniqueArray(fc.nat(3)),
  engines: fc.uniqueArray(fc.constantFrom('a', 'b', 'c')),
  restarts: fc.nat(2),
  /** What the reader's `write` answers from now on; `null` lets it drain. */
  accepts: fc.option(fc.boolean()),
});

function apply(state: NodeState | null, update: NodeStateUpdate): NodeState | null {
  if (update.kind === 'snapshot') return update.state;
  if (update.kind !== 'delta' || !state) return state;
  const { delta } = update;
  expect(delta.epoch).toBe(state.epoch);
  expect(delta.revision).toBeGreaterThan(state.revision);
  const devices = new Map(state.devices.map((d) => [d.identity.uuid, d]));
  for (const uuid of delta.removedDevices) devices.delete(uuid);
  for (const device of delta.devices) devices.set(device.identity.uuid, device);
  const engines = new Map(state.engines.map((e) => [e.id, e]));
  for (const id of delta.removedEngines) engines.delete(id);
  for (const engine of delta.engines) engines.set(engine.id, engine);
  return {
    ...state,
    revision: delta.revision,
    devices: [...devices.values()],
    engines: [...engines.values()],
  };
}

const byKey = (state: NodeState | null) => ({
  revision: state?.revision,
  devices: [...(state?.devices ?? [])].sort((a, b) => a.identity.index - b.identity.index),
  engines: [...(state?.engines ?? [])].sort((a, b) => a.id.localeCompare(b.id)),
});

it('holds for any sequence of changes and any slow reader', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const publisher = new NodeStatePublisher({
        node: 'n',
        machineId: 'm',
        agentVersion: '0',
        clock: new ManualClock(),
        metrics: new NodeMetrics(new Registry()),
      });
      let held: NodeState | null = null;
      let accepts = true;
      const subscription = publisher.subscribe({
        write: (update) => {
          held = apply(held, update);
          return accepts;
        },
        end: () => undefined,
      });
      for (const { devices, engines, restarts, accepts: next } of steps) {
        if (next === null) subscription.drained();
        else accepts = next;
        publisher.publish({
          devices: devices.map((index) => aDeviceStatus(index, { sampleAgeMs: restarts })),
          engines: engines.map((id) => anEngineStatus(id, { restarts })),
        });
      }
      accepts = true;
      subscription.drained();
      expect(byKey(held)).toEqual(byKey(publisher.state));
      publisher.close();
    }),
    { numRuns: 500 },
  );
});
