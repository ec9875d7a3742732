// The start deadline moves with progress in the engine's log, and with nothing else.
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StartProgress } from '../../../src/domain/engine.js';
import { StartWatch } from '../../../src/engine/watch-start.js';
import { ManualClock } from '../../support/manual-clock.js';
import { eventually } from '../../support/running-up.js';

let runDir: string;
beforeEach(() => (runDir = mkdtempSync(join(tmpdir(), 'infernode-watch-'))));
afterEach(() => rmSync(runDir, { recursive: true, force: true }));

const write = (text: string): void => appendFileSync(join(runDir, 'engine.log'), `${text}\n`);

it('a step forward renews the deadline; chatter does not', async () => {
  const clock = new ManualClock();
  const seen: StartProgress[] = [];
  const stalled: StartProgress[] = [];
  const watch = new StartWatch({
    runDir,
    stallMs: 3_600_000,
    clock,
    onProgress: (progress) => seen.push(progress),
    onStalled: (progress) => stalled.push(progress),
  });
  watch.start();
  write('INFO x Starting to load model x');
  /** Lets the watch look until the condition holds; small steps cannot meet the deadline of an hour. */
  const until = (what: string, holds: () => boolean, stepMs = 250): Promise<unknown> =>
    eventually(what, () => {
      if (holds()) return true;
      clock.advance(stepMs);
      return undefined;
    });
  await until('it is loading', () => seen.at(-1)?.phase === 'weights');
  expect(stalled).toEqual([]);
  write('INFO x Available KV cache memory: 5 GiB');
  await until('it has measured its memory', () => seen.at(-1)?.phase === 'kv-cache');
  for (let i = 0; i < 50; i++) write('INFO x still here');
  await until('it is given up', () => stalled.length > 0, 600_000);
  expect(stalled).toMatchObject([{ phase: 'kv-cache' }]);
  expect(seen.map(({ phase }) => phase)).toEqual(['weights', 'kv-cache']);
  watch.stop();
});

it('the end of the log is read when the engine serves, and nothing is given up after that', async () => {
  const clock = new ManualClock();
  const stalled: StartProgress[] = [];
  const watch = new StartWatch({
    runDir,
    stallMs: 1000,
    clock,
    onProgress: () => undefined,
    onStalled: (progress) => stalled.push(progress),
  });
  watch.start();
  write('INFO x Graph capturing finished in 9 secs, took 0.58 GiB');
  expect((await watch.finish()).graphs).toMatchObject({ state: 'captured', seconds: 9 });
  clock.advance(100_000);
  expect(stalled).toEqual([]);
});
