/** A NodeService over real gRPC on a free port, with the owners of engines and devices faked. */
import { noInputs } from '../../../src/engine/engine-inputs.js';
import { planForNode } from '../../../src/engine/plan/plan-for-node.js';
import type { DriverControl, FaultDesk } from '../../../src/node/health-calls.js';
import { Registry } from 'prom-client';
import { afterEach } from 'vitest';
import type { DeathRecord } from '../../../src/domain/engine-death.js';
import { InfernodeError } from '../../../src/domain/error-codes.js';
import type { NodeStateUpdate } from '../../../src/domain/node-state.js';
import { NodeMetrics } from '../../../src/node/node-metrics.js';
import type { EngineControl } from '../../../src/node/engine-calls.js';
import type { DeviceControl } from '../../../src/node/node-service.js';
import { ReportedWork } from '../../../src/node/reported-work.js';
import { NodeStatePublisher } from '../../../src/node/publish-node-state.js';
import type { RpcServer } from '../../../src/rpc/create-rpc-server.js';
import { NodeServiceClient } from '../../../src/rpc/node-service-client.js';
import { formatAddress } from '../../../src/config/listen-address.js';
import { ManualClock } from '../../support/manual-clock.js';
import { aDeviceStatus, anEngineStatus } from '../../support/node-fixtures.js';
import { serveNodeService } from './serve-node-service.js';

export const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface NodeServiceBench {
  clock: ManualClock;
  metrics: NodeMetrics;
  publisher: NodeStatePublisher;
  work: ReportedWork;
  server: RpcServer;
  client: NodeServiceClient;
}

export async function setUp(): Promise<NodeServiceBench> {
  const clock = new ManualClock();
  const metrics = new NodeMetrics(new Registry());
  const publisher = new NodeStatePublisher({
    node: 'gpu-a',
    machineId: 'machine',
    agentVersion: '1.2.3',
    clock,
    metrics,
    epoch: 'e1',
    allWork: () => work.all(),
  });
  const work = new ReportedWork({
    clock,
    metrics,
    onFold: (folded) => publisher.publishWork(folded),
  });
  work.setEngines([anEngineStatus()]);
  publisher.publish({ devices: [aDeviceStatus(0)], engines: [anEngineStatus()] });
  const engines: EngineControl = {
    // The planner itself, for a node of eight H100s without a vllm.
    planEngine: async (wish) =>
      planForNode(
        {
          devices: Array.from({ length: 8 }, (_, index) => {
            const device = aDeviceStatus(index);
            return { ...device, identity: { ...device.identity, name: 'NVIDIA H100 80GB HBM3' } };
          }),
          program: { version: null, flags: null, unknown: 'none' },
          ...{ batchSizeCounts: null, inputs: noInputs },
        },
        wish,
      ),
    startEngine: async ({ engineId }) => anEngineStatus(engineId, { state: 'starting', load: null }),
    stopEngine: async (id) => {
      if (id !== 'chat-0') throw new InfernodeError('engine-unknown', `no engine "${id}"`);
      return anEngineStatus(id, { state: 'stopped' });
    },
    drainEngine: async (id, deadlineMs) =>
      anEngineStatus(id, { state: 'draining', reason: String(deadlineMs) }),
    restartEngine: async (id, deadlineMs) =>
      anEngineStatus(id, { state: 'draining', reason: `restart ${deadlineMs}` }),
    sleepEngine: async (id, level) => anEngineStatus(id, { state: 'draining', reason: `sleep ${level}` }),
    wakeEngine: async (id) => anEngineStatus(id, { state: 'starting' }),
    archive: {
      explain: async (_id, limit) => (limit === 1 ? [aDeath] : []),
      async *tail({ engineId, follow }, signal) {
        if (engineId !== 'chat-0') throw new InfernodeError('engine-unknown', `no engine "${engineId}"`);
        yield 'line 1\n';
        yield 'line 2\n';
        if (follow) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
    },
  };
  const devices: DeviceControl = {
    cordonDevice: async (_device, holder, reason) =>
      aDeviceStatus(0, { cordons: [{ holder, reason, sinceMs: 5 }] }),
    uncordonDevice: async () => {
      throw new Error('a bug');
    },
  };
  const faults: FaultDesk = {
    acknowledge: () => undefined,
    incident: () => null,
    explain: () => {
      throw new InfernodeError('device-unknown', 'no such device');
    },
    unsupportedNodeChecks: () => [],
    entriesAfter: () => [],
    onEntry: () => () => undefined,
  };
  const driver: DriverControl = {
    releaseDriver: async (deadlineMs) => ({ state: 'released', reason: String(deadlineMs) }),
    acquireDriver: async () => {
      throw new InfernodeError('driver-busy', 'a reset is under way');
    },
  };
  const server = await serveNodeService({
    publisher,
    engines,
    devices,
    work,
    faults,
    driver,
    metrics,
  });
  const client = new NodeServiceClient({ address: formatAddress(server.address) });
  closers.push(async () => {
    client.close();
    publisher.close();
    await server.close();
  });
  return { clock, metrics, publisher, work, server, client };
}

export const aDeath: DeathRecord = {
  incarnation: '3',
  cause: 'out-of-memory',
  reason: 'exited with code 0: CUDA out of memory',
  atMs: 1_700_000_000_000,
  lostWork: ['c/1'],
  suspectedPoison: ['c/r'],
  exit: { code: 0, signal: null },
  readyForMs: 1234,
  stop: {
    outcome: 'device-stuck',
    detail: '',
    tookMs: 900,
    steps: [{ step: 'memory-free', proven: false, detail: 'held', tookMs: 800 }],
  },
};

/** Collects a watch's updates and lets a test wait for the next one that it is interested in. */
export function collect(client: NodeServiceClient): {
  updates: NodeStateUpdate[];
  until: (found: (update: NodeStateUpdate) => boolean) => Promise<NodeStateUpdate>;
  ended: Promise<InfernodeError | null>;
} {
  const updates: NodeStateUpdate[] = [];
  let wake = (): void => undefined;
  const ended = new Promise<InfernodeError | null>((resolve) => {
    const watch = client.watchNode({
      onUpdate: (update) => {
        updates.push(update);
        wake();
      },
      onEnd: resolve,
    });
    closers.push(() => watch.cancel());
  });
  const until = async (found: (update: NodeStateUpdate) => boolean): Promise<NodeStateUpdate> => {
    for (;;) {
      const update = updates.find(found);
      if (update) return update;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return { updates, until, ended };
}
