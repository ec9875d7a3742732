/** Shows how changes become revisions and deltas, and that a reader who does not read costs one delta at most. */
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { NodeStateUpdate } from '../../../src/domain/node-state.js';
import { NodeMetrics } from '../../../src/node/node-metrics.js';
import { mergeDeltas } from '../../../src/node/node-state-delta.js';
import { NodeStatePublisher, type UpdateSink } from '../../../src/node/publish-node-state.js';
import { ManualClock } from '../../support/manual-clock.js';
import { aDeviceStatus, anEngineStatus, deviceUuid } from '../../support/node-fixtures.js';

class RecordingSink implements UpdateSink {
  updates: NodeStateUpdate[] = [];
  accepts = true;
  ended = false;
  write(update: NodeStateUpdate): boolean {
    this.updates.push(update);
    return this.accepts;
  }
  end(): void {
    this.ended = true;
  }
}

function setUp(options: { maxSubscribers?: number } = {}) {
  const clock = new ManualClock();
  const metrics = new NodeMetrics(new Registry());
  const publisher = new NodeStatePublisher({
    node: 'gpu-a',
    machineId: 'm',
    agentVersion: '0',
    clock,
    metrics,
    epoch: 'e1',
    ...options,
  });
  return { clock, metrics, publisher };
}

describe('NodeStatePublisher', () => {
  it('sends a snapshot first, then one delta per change with the next revision', () => {
    const { publisher } = setUp();
    publisher.publish({ devices: [aDeviceStatus(0), aDeviceStatus(1)] });
    const sink = new RecordingSink();
    publisher.subscribe(sink);
    publisher.publish({ devices: [aDeviceStatus(0), aDeviceStatus(1, { health: 'unhealthy' })] });
    expect(sink.updates[0]).toMatchObject({ kind: 'snapshot', state: { revision: 2, epoch: 'e1' } });
    expect(sink.updates[1]).toMatchObject({
      kind: 'delta',
      delta: { revision: 3, devices: [{ health: 'unhealthy' }], driver: null, cordons: null },
    });
    expect(sink.updates).toHaveLength(2);
  });

  it('says nothing and keeps the revision when nothing differs', () => {
    const { publisher } = setUp();
    const first = publisher.publish({ engines: [anEngineStatus()] });
    expect(publisher.publish({ engines: [anEngineStatus()] })).toBe(first);
  });

  it('tells which checks of the node have no source once, and again when that changes', () => {
    const { publisher } = setUp();
    const sink = new RecordingSink();
    publisher.subscribe(sink);
    publisher.publish({ unsupportedChecks: ['hung_task'] });
    publisher.publish({ unsupportedChecks: ['hung_task'] });
    publisher.publish({ unsupportedChecks: [] });
    expect(sink.updates.slice(1)).toMatchObject([
      { delta: { revision: 2, unsupportedChecks: ['hung_task'], conditions: null } },
      { delta: { revision: 3, unsupportedChecks: [] } },
    ]);
  });

  it('names what is gone', () => {
    const { publisher } = setUp();
    publisher.publish({ devices: [aDeviceStatus(0), aDeviceStatus(1)], engines: [anEngineStatus()] });
    const sink = new RecordingSink();
    publisher.subscribe(sink);
    publisher.publish({ devices: [aDeviceStatus(0)], engines: [] });
    expect(sink.updates[1]).toMatchObject({
      delta: { devices: [], removedDevices: [deviceUuid(1)], removedEngines: ['chat-0'] },
    });
  });

  it('beats each second with the current revision', () => {
    const { publisher, clock } = setUp();
    const sink = new RecordingSink();
    publisher.subscribe(sink);
    clock.advance(2000);
    expect(sink.updates.slice(1)).toEqual([
      { kind: 'heartbeat', epoch: 'e1', revision: 1 },
      { kind: 'heartbeat', epoch: 'e1', revision: 1 },
    ]);
  });

  it('merges everything that a slow reader missed into one delta', async () => {
    const { publisher, clock, metrics } = setUp();
    publisher.publish({ devices: [aDeviceStatus(0), aDeviceStatus(1)] });
    const sink = new RecordingSink();
    sink.accepts = false;
    const subscription = publisher.subscribe(sink);
    for (let restarts = 1; restarts <= 1000; restarts++)
      publisher.publish({ engines: [anEngineStatus('a', { restarts })], devices: [aDeviceStatus(0)] });
    clock.advance(5000);
    expect(sink.updates).toHaveLength(1);

    sink.accepts = true;
    subscription.drained();
    expect(sink.updates).toHaveLength(2);
    expect(sink.updates[1]).toMatchObject({
      delta: { revision: 1002, engines: [{ restarts: 1000 }], removedDevices: [deviceUuid(1)] },
    });
    expect((await metrics.coalescedDeltas.get()).values[0]?.value).toBe(999);
    expect((await metrics.skippedHeartbeats.get()).values[0]?.value).toBe(5);
  });

  it('forgets a removal when the object comes back before the reader reads', () => {
    const gone = { removedEngines: ['a'], engines: [] };
    const base = {
      epoch: 'e',
      driver: null,
      cordons: null,
      conditions: null,
      unsupportedChecks: null,
      devices: [],
      removedDevices: [],
    };
    const merged = mergeDeltas(
      { ...base, baseRevision: 1, revision: 2, ...gone },
      { ...base, baseRevision: 2, revision: 3, removedEngines: [], engines: [anEngineStatus('a')] },
    );
    expect(merged).toMatchObject({
      baseRevision: 1,
      revision: 3,
      removedEngines: [],
      engines: [{ id: 'a' }],
    });
  });

  it('refuses more streams than its limit and ends all when it closes', () => {
    const { publisher } = setUp({ maxSubscribers: 1 });
    const sink = new RecordingSink();
    const subscription = publisher.subscribe(sink);
    expect(() => publisher.subscribe(new RecordingSink())).toThrow(/at most 1/);
    publisher.close();
    expect(sink.ended).toBe(true);
    subscription.cancel();
    subscription.cancel();
  });
});
