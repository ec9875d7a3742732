// What one start teaches the next: a failed capture takes the graphs one step down, that step is kept over the agent's
// restart, and only a new configuration undoes it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TemplateConfig } from '../../../src/config/agent-config.js';
import type { DeviceReading } from '../../../src/domain/device.js';
import { CompileCaches } from '../../../src/engine/compile-caches.js';
import { defaultEngineSettings, type EngineContext } from '../../../src/engine/engine-context.js';
import { noInputs } from '../../../src/engine/engine-inputs.js';
import { EngineMetrics } from '../../../src/engine/engine-metrics.js';
import { EngineStore } from '../../../src/engine/engine-record.js';
import { PoisonBook } from '../../../src/engine/poison-book.js';
import { PortReservation } from '../../../src/engine/port-reservation.js';
import { EngineStarts, type StartMeans } from '../../../src/engine/prepare-start.js';
import { ProfilingTurns } from '../../../src/engine/profiling-turns.js';
import { RecentFaults } from '../../../src/engine/recent-faults.js';
import { SharedMemoryNews } from '../../../src/engine/shared-memory-news.js';
import { StartLog } from '../../../src/engine/start-log.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { aTemplate, keeperPath } from '../../support/engine-fleet.js';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'infernode-starts-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** The starts of one engine as the next agent process has them. */
function nextAgent(inputs = noInputs): EngineStarts {
  const context: EngineContext = {
    ...{ clock: systemClock, logger: silentLogger(), keeperPath: keeperPath() },
    metrics: new EngineMetrics(new Registry(), 'node-a'),
    devicesReleased: async () => true,
    sharedMemory: new SharedMemoryNews(systemClock, silentLogger()),
    ...{ ports: new PortReservation(), faults: new RecentFaults(), poison: new PoisonBook() },
    ...{ turns: new ProfilingTurns(), caches: new CompileCaches(directory), inputs },
    settings: defaultEngineSettings,
  };
  return new EngineStarts('chat-0', context, new EngineStore(directory, 'chat-0', 'boot', silentLogger()));
}

const prepare = (starts: EngineStarts, template: TemplateConfig): Promise<StartMeans> =>
  starts.prepare(template, [], new AbortController().signal, () => undefined);

const captureFailed = {
  cause: { class: 'out-of-memory', text: 'CUDA out of memory' },
  phase: 'graphs',
  part: 'decode, FULL',
} as const;

it('takes graphs one step down for each failed capture, and a new configuration begins anew', async () => {
  const template = aTemplate();
  let starts = nextAgent();
  expect(await prepare(starts, template)).toMatchObject({ step: 0, extraArgs: [] });
  expect(starts.failed(captureFailed)).toBe('CUDA graphs: fewer sizes (step 1 of 3)');
  await starts.flush();

  starts = nextAgent();
  expect(await prepare(starts, template)).toMatchObject({
    step: 1,
    extraArgs: ['--cudagraph-capture-sizes', '1', '2', '4', '8', '16', '32', '64', '128'],
  });
  starts.failed(captureFailed);
  const second = await prepare(starts, template);
  expect(second.step).toBe(2);
  expect(second.extraArgs.at(-1)).toBe('{"cudagraph_mode":"PIECEWISE"}');

  const changed = { ...template, args: ['--gpu-memory-utilization', '0.8'] };
  expect(await prepare(starts, changed)).toMatchObject({ step: 0, extraArgs: [] });
  // Going back to what failed is not a new configuration.
  expect((await prepare(starts, template)).step).toBe(2);
  await starts.flush();
});

describe('sizes that were seen', () => {
  const template = aTemplate({}, { captureSizes: 'seen' });
  const sizesOf = ({ extraArgs }: StartMeans): number[] => extraArgs.slice(1).map(Number);

  async function haveRun(counts: Record<number, number>): Promise<void> {
    const starts = nextAgent();
    for (const [size, looks] of Object.entries(counts)) starts.batchSizes.counts[Number(size)] = looks;
    await starts.flush();
  }

  it('are captured once there are enough, and none above twice the most sequences', async () => {
    await haveRun({ 3: 599 });
    expect((await prepare(nextAgent(), template)).extraArgs).toEqual([]);
    await haveRun({ 3: 600, 20: 100, 100: 5 });
    const { extraArgs } = await prepare(nextAgent(), template);
    expect(extraArgs).toEqual(['--cudagraph-capture-sizes', '4', '24', '104']);
    const few = { ...template, args: ['--max-num-seqs', '32'] };
    expect(sizesOf(await prepare(nextAgent(), few))).toEqual([4, 24, 64]);
    expect((await prepare(nextAgent(), { ...template, captureSizes: 'engine' })).extraArgs).toEqual([]);
  });

  it('are no more than a twentieth of the smallest device holds, by what a size took last time', async () => {
    await haveRun(Object.fromEntries(Array.from({ length: 64 }, (_, i) => [i + 1, 100])));
    const starts = nextAgent({
      ...noInputs,
      reading: () => ({ memoryTotalBytes: 20 * 1024 ** 3 }) as DeviceReading,
    });
    const withDevice = () =>
      starts.prepare(template, ['GPU-0'], new AbortController().signal, () => undefined);
    const first = sizesOf(await withDevice());
    expect(first.length).toBeGreaterThan(8);
    const log = new StartLog();
    const capture = (kind: string) => `Capturing CUDA graphs (${kind}): 100%|##| 11/11 [00:05<00:00]\n`;
    log.feed(
      `INFO vLLM server version 0.26.0\n${capture('PIECEWISE')}${capture('FULL')}INFO Graph capturing finished in 9 secs, took 2.75 GiB\n`,
    );
    expect(starts.served(log)).toMatchObject({ count: 22 });
    // 256 MiB each: four in the gibibyte.
    expect(sizesOf(await withDevice())).toHaveLength(4);
    expect(sizesOf(await withDevice()).at(-1)).toBe(64);
    await starts.flush();
  });
});

it('stays where it is after a failure that fewer graphs would not have helped', async () => {
  const template = aTemplate();
  const starts = nextAgent();
  await prepare(starts, template);
  starts.failed(captureFailed);
  expect((await prepare(starts, template)).step).toBe(1);
  starts.failed({ ...captureFailed, cause: { class: 'config', text: 'bad flag' }, phase: 'arguments' });
  expect((await prepare(starts, template)).step).toBe(1);
  await starts.flush();
});
