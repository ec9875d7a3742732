/**
 * Every check of the data is there: registered, and with a test named `<id> fires` and one named `<id> clears`. Tests are found
 * in the sources, so that none can be forgotten by forgetting to run it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { deviceChecks } from '../../src/health/checks/check-registry.js';
import { hostChecks } from '../../src/health/checks/host-checks.js';
import { checkRows } from '../../src/health/health-data.js';

const folders = ['test/unit/health', 'test/native/checks', 'test/unit/node'];
const sources = folders
  .flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`))
  .filter((path) => path.endsWith('.test.ts'))
  .map((path) => readFileSync(path, 'utf8'))
  .join('\n');

/** These come from the kernel log or from the driver's events, and no reading says them. */
const firedByEvents = new Set([
  'xid',
  'xid_app_repeat',
  'xid_after_reset',
  'kmsg_overrun',
  'event_set_broken',
  'fallen_off_log',
  'sxid',
  'rm_init_failed',
  'gsp_timeout_storm',
  'pcie_aer',
  'hung_task',
  'oom_kill',
]);

/** `check('<id>', ...)` and its kin write both names; a test may also carry one itself. */
function isTested(id: string, what: 'fires' | 'clears'): boolean {
  return new RegExp(`\\b\\w*[cC]heck\\w*\\(\\s*'${id}'|['"\`]${id} ${what}\\b`).test(sources);
}

it.each([...checkRows.keys()])('%s is registered, and has a fire and a clear test', (id) => {
  const evaluated = deviceChecks.has(id) || hostChecks.some((check) => check.id === id);
  expect(evaluated || firedByEvents.has(id), 'a check is evaluated, or fired by an event').toBe(true);
  expect(isTested(id, 'fires'), `add a test named "${id} fires"`).toBe(true);
  expect(isTested(id, 'clears'), `add a test named "${id} clears"`).toBe(true);
});

it('there are 84 checks, and none is left out', () => {
  expect(checkRows.size).toBe(84);
});

it('every registered check is a row of the data', () => {
  expect([...deviceChecks.keys()].filter((id) => !checkRows.has(id))).toEqual([]);
});

it('the look for tests sees what it must see', () => {
  expect(isTested('no_such_check', 'fires')).toBe(false);
});
