/** The shared snapshot: what the addon refuses to read, and what the sampler does when nobody listens to its events. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadAddon } from '../../src/native/load-addon.js';
import { NativeClosedError, SnapshotUnusableError } from '../../src/native/native-errors.js';
import { nativePath } from '../../src/native/native-paths.js';
import { SnapshotFile } from '../../src/native/nvml.js';
import { takeSeq } from '../../src/sim/gpu-scenario.js';
import { eventually } from '../support/running-up.js';
import { SimulatedGpus } from '../support/simulated-gpus.js';

let gpus: SimulatedGpus;
beforeEach(() => void (gpus = new SimulatedGpus(2)));
afterEach(() => gpus.remove());

test.each([
  ['a missing file', null],
  ['an empty file', Buffer.alloc(0)],
  ['a short file', Buffer.alloc(100)],
])('%s is refused', (_name, content) => {
  const path = join(gpus.directory, 'snapshot');
  if (content) writeFileSync(path, content);
  expect(() => new SnapshotFile(path)).toThrow(SnapshotUnusableError);
});

test('wrong arguments are type errors', () => {
  const { openSnapshot } = loadAddon() as unknown as { openSnapshot: (path?: unknown) => unknown };
  expect(() => openSnapshot()).toThrow(TypeError);
  expect(() => openSnapshot(7)).toThrow(TypeError);
});

test('what has not changed is not decoded again, what has is', async () => {
  const path = join(gpus.directory, 'snapshot');
  const sampler = spawn(
    nativePath('infernode-sampler'),
    ['--library', gpus.libraryPath, '--snapshot', path, '--interval-ms', '200'],
    { stdio: ['pipe', 'ignore', 'inherit', 'ignore'] },
  );
  try {
    const file = await eventually('the snapshot', () => {
      try {
        return new SnapshotFile(path);
      } catch {
        return null;
      }
    });
    await eventually('a round', () => file.read().rounds > 1);
    await eventually('two looks within one round', () => {
      const [before, now] = [file.read().devices[0]!, file.read().devices[0]!];
      return before !== now && before.reading === now.reading && before.ageMs <= now.ageMs;
    });
    gpus.edit(({ devices }) => Object.assign(devices[0]!.set, { temperatureCelsius: 77 }));
    await eventually('the new reading', () => file.read().devices[0]!.reading.temperatureCelsius === 77);
    // Another one that has decoded nothing before says the same.
    await eventually('the same from scratch', () => {
      const [one, other] = [file.read(), new SnapshotFile(path).read()].map(({ rounds, devices }) =>
        JSON.stringify([rounds, devices.map((device) => ({ ...device, ageMs: 0 }))]),
      );
      return one === other;
    });
    file.close();
  } finally {
    sampler.kill('SIGKILL');
  }
});

test('a full event pipe drops and counts, the readings go on, and buffers that do not fit are refused', async () => {
  const path = join(gpus.directory, 'snapshot');
  gpus.edit((scenario) => (scenario.eventQueueLength = 4096));
  const sampler = spawn(
    nativePath('infernode-sampler'),
    ['--library', gpus.libraryPath, '--snapshot', path, '--interval-ms', '50'],
    { stdio: ['pipe', 'ignore', 'inherit', 'pipe'] },
  );
  try {
    await eventually('the snapshot', () => {
      try {
        return new SnapshotFile(path);
      } catch {
        return null;
      }
    });
    const file = new SnapshotFile(path);
    await eventually('a round', () => file.read().rounds > 1);
    await eventually('a dropped event', () => {
      gpus.edit((scenario) => {
        scenario.events = Array.from({ length: 1000 }, () => ({
          seq: takeSeq(scenario),
          device: 0,
          type: 'xid',
          code: 31,
        }));
      });
      return file.read().eventsDropped > 0;
    });
    const { rounds } = file.read();
    await eventually('more rounds', () => file.read().rounds > rounds + 2);
    expect(file.read().heartbeatAgeMs).toBeLessThan(5000);
    refusesBuffers(path);
    file.close();
    file.close();
    expect(() => file.read()).toThrow(NativeClosedError);
  } finally {
    sampler.kill('SIGKILL');
  }
});

/** The addon writes into the buffer: one that is too small or of another kind must not get that far. */
function refusesBuffers(path: string): void {
  const reader = loadAddon().openSnapshot(path);
  const { bufferLength } = loadAddon().snapshotLayout;
  for (const buffer of [new Float64Array(bufferLength - 1), new Float32Array(bufferLength), [], undefined])
    expect(() => reader.readSnapshot(buffer as Float64Array)).toThrow(TypeError);
  reader.close();
}

test('each environment has a state of its own, also when it is torn down with work under way', async () => {
  const script = `
    const { parentPort, workerData } = require('node:worker_threads');
    const session = require(workerData.addon).openNvml(workerData.library);
    session.snapshot().then(({ devices }) => { parentPort.postMessage(devices.length); session.snapshot(); });`;
  const workerData = { addon: nativePath('infernode.node'), library: gpus.libraryPath };
  const counts = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const worker = new Worker(script, { eval: true, workerData });
      const count = await new Promise((resolve, reject) =>
        worker.once('message', resolve).once('error', reject),
      );
      await worker.terminate();
      return count;
    }),
  );
  expect(counts).toEqual([2, 2, 2, 2]);
});
