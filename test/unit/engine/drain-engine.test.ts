// A drain ends when neither the engine nor any coordinator knows of work, twice in a row; a load of zero alone is no proof.
import { expect, it } from 'vitest';
import { drainEngine, type DrainOutcome } from '../../../src/engine/drain-engine.js';
import { ManualClock } from '../../support/manual-clock.js';

const idle = { running: 0, waiting: 0, kvCacheUsageRatio: null, kvCacheBlocks: null, kvBlockTokens: null };

/** Lets what waits for promises run, then moves the clock, until the drain has ended. */
async function run(
  clock: ManualClock,
  drain: Promise<DrainOutcome>,
  eachStep: () => void,
): Promise<DrainOutcome> {
  let outcome: DrainOutcome | null = null;
  void drain.then((ended) => (outcome = ended));
  for (let step = 0; step < 1000 && outcome === null; step += 1) {
    eachStep();
    await new Promise<void>((resolve) => setImmediate(resolve));
    clock.advance(250);
  }
  return outcome ?? Promise.reject(new Error('the drain did not end'));
}

it('waits for requests that only coordinators know of, and says how many', async () => {
  const clock = new ManualClock();
  let [leases, steps] = [2, 0];
  const left: (number | null)[] = [];
  const drain = drainEngine({
    readLoad: async () => idle,
    inFlight: () => leases,
    deadlineMs: 60_000,
    onProgress: (count) => left.push(count),
    clock,
    signal: new AbortController().signal,
  });
  expect(await run(clock, drain, () => (leases = (steps += 1) > 5 ? 0 : 2))).toBe('idle');
  expect(left.slice(0, 4)).toEqual([2, 2, 2, 2]);
});

it('ends at its deadline when a coordinator never lets go', async () => {
  const clock = new ManualClock();
  const drain = drainEngine({
    readLoad: async () => idle,
    inFlight: () => 1,
    deadlineMs: 1_000,
    onProgress: () => undefined,
    clock,
    signal: new AbortController().signal,
  });
  expect(await run(clock, drain, () => undefined)).toBe('deadline');
});
