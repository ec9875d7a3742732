/** What health is told of host and engines, from the fleet's list and the newest sample. */
import { expect, it } from 'vitest';
import { HostWatch } from '../../../src/agent-host.js';
import { emptyDriverReadings, nothingRead } from '../../../src/domain/device-details.js';
import { emptyReading, type NodeSample } from '../../../src/domain/device.js';
import type { HostReadings } from '../../../src/domain/host-readings.js';
import type { Workload } from '../../../src/domain/workload.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { ManualClock } from '../../support/manual-clock.js';
import { aDeviceStatus, anEngineStatus } from '../../support/node-fixtures.js';

const stranger = process.pid;

function sample(): NodeSample {
  return {
    driver: { state: 'ok', driverVersion: '580.65.06', nvmlVersion: '13' },
    devices: [
      {
        ...nothingRead,
        identity: aDeviceStatus(0).identity,
        reading: emptyReading,
        processes: [
          { pid: 4712, memoryBytes: 1 },
          { pid: stranger, memoryBytes: 1 },
        ],
        error: null,
        ageMs: 0,
      },
    ],
    readings: emptyDriverReadings,
    stuck: [],
    takenAtMs: 0,
  };
}

async function told(
  engine: ReturnType<typeof anEngineStatus>,
): Promise<{ host: HostReadings; workload: Workload }> {
  const heard: { host?: HostReadings; workload?: Workload } = {};
  const watch = new HostWatch({
    clock: new ManualClock(),
    logger: silentLogger(),
    health: {
      handleHost: (host) => void (heard.host = host),
      handleWorkload: (workload) => void (heard.workload = workload),
    },
    fleet: {
      list: () => [engine],
      engineOf: (pid) => (pid === 4712 ? { engineId: 'chat-0', deviceUuids: [] } : null),
      stillForMs: () => 61_000,
    },
    latestSample: sample,
    probes: () => new Map(),
    diskPaths: ['/'],
  });
  await watch.look();
  return { host: heard.host!, workload: heard.workload! };
}

it('workers count to their engine, a stranger is named by its program, and the host is read', async () => {
  const { host, workload } = await told(anEngineStatus('chat-0'));
  expect(workload.engines).toMatchObject([
    { engineId: 'chat-0', pids: [4712, 4711], running: 1, tokenAgeMs: 61_000, cudaError: null },
  ]);
  expect([...workload.commands.keys()]).toEqual([stranger]);
  expect(workload.commands.get(stranger)).not.toBe('');
  expect(host.disks[0]?.freeRatio).toBeGreaterThan(0);
  expect(host.memoryAvailableRatio).toBeGreaterThan(0);
});

it.each([
  ['CUDA error 719: unspecified launch failure', 719],
  ['RuntimeError: CUDA error: an illegal memory access was encountered', 700],
  ['CUDA error: uncorrectable ECC error encountered', 214],
  ['something about CUDA', 999],
])('a death by "%s" is CUDA error %i until the engine is well again', async (reason, code) => {
  const lastDeath = {
    incarnation: '1',
    cause: 'cuda-error',
    reason,
    atMs: 0,
    lostWork: [],
    suspectedPoison: [],
  };
  const dead = await told(anEngineStatus('chat-0', { state: 'failed', lastDeath }));
  expect(dead.workload.engines[0]?.cudaError?.code).toBe(code);
  const well = await told(anEngineStatus('chat-0', { state: 'ready', lastDeath }));
  expect(well.workload.engines[0]?.cudaError).toBeNull();
});
