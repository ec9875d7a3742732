// What one start teaches the next: a failed capture takes the graphs one step down, that step is kept over the agent's
// restart, and only a new configuration undoes it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { TemplateConfig } from '../../../src/config/agent-config.js';
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
import { systemClock } from '../../../src/runtime/clock.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { aTemplate, keeperPath } from '../../support/engine-fleet.js';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'infernode-starts-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** The starts of one engine as the next agent process has them. */
function nextAgent(): EngineStarts {
  const context: EngineContext = {
    ...{ clock: systemClock, logger: silentLogger(), keeperPath: keeperPath() },
    metrics: new EngineMetrics(new Registry(), 'node-a'),
    devicesReleased: async () => true,
    ...{ ports: new PortReservation(), faults: new RecentFaults(), poison: new PoisonBook() },
    ...{ turns: new ProfilingTurns(), caches: new CompileCaches(directory), inputs: noInputs },
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
