/** Two tests per health check, named by its id: `<id> fires` and `<id> clears`; the contract test counts on the names. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Condition } from '../../src/domain/health.js';
import { SimulatedHealth, type SimulatedHealthOptions } from './simulated-health.js';

type Settings = Parameters<SimulatedHealth['set']>[0];
type Step = (sim: SimulatedHealth) => Promise<void>;

const open: SimulatedHealth[] = [];
afterEach(async () => {
  for (const sim of open.splice(0)) await sim.close();
});

export function simulated(options: SimulatedHealthOptions = {}): SimulatedHealth {
  const sim = new SimulatedHealth(options);
  open.push(sim);
  return sim;
}

/** `fires` leaves the check firing; `clears` goes on from there and leaves it clear. */
export function check(id: string, fires: Step, clears: Step, options: SimulatedHealthOptions = {}): void {
  describe(id, () => {
    it(`${id} fires`, async () => {
      const sim = simulated(options);
      await sim.samples(options.warmUp ?? 1, 1);
      sim.expectClear(id);
      await fires(sim);
      expect(sim.conditions(id).length, `${id} fires`).toBeGreaterThan(0);
    });
    it(`${id} clears`, async () => {
      const sim = simulated(options);
      await sim.samples(options.warmUp ?? 1, 1);
      await fires(sim);
      expect(sim.conditions(id).length, `${id} fires`).toBeGreaterThan(0);
      await clears(sim);
      expect(sim.conditions(id), `${id} is clear`).toEqual([]);
    });
  });
}

/** For rules that say "never": good readings change nothing; an acknowledgement and another part do. */
export function checkThatStays(
  id: string,
  bad: Settings,
  good: Settings,
  expected: Partial<Condition>,
  options: SimulatedHealthOptions = {},
): void {
  check(
    id,
    async (sim) => {
      await sim.set(bad);
      sim.expectFiring(id, expected);
    },
    async (sim) => {
      await sim.set(good, { seconds: 48 * 3600 });
      await sim.samples(3, 60);
      sim.expectFiring(id, expected);
      sim.tracker.uncordonDevice('0', `health:${id}`);
      await sim.sample();
      expect(sim.conditions(id), 'acknowledged').toEqual([]);
      await sim.set(bad);
      await sim.set(good);
      sim.expectFiring(id, expected);
      await sim.replacePart();
    },
    options,
  );
}
