/**
 * Every check of the data is there: registered, and with a test named `<id> fires` and one named `<id> clears`. Tests are found
 * in the sources, so that none can be forgotten by forgetting to run it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { deviceChecks } from '../../src/health/checks/check-registry.js';
import { checkRows } from '../../src/health/health-data.js';

const folders = ['test/unit/health', 'test/native/checks', 'test/unit/node'];
const sources = folders
  .flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`))
  .filter((path) => path.endsWith('.test.ts'))
  .map((path) => readFileSync(path, 'utf8'))
  .join('\n');

/** `check('<id>', ...)` and its kin write both names; a test may also carry one itself. */
function isTested(id: string, what: 'fires' | 'clears'): boolean {
  return new RegExp(`\\b\\w*[cC]heck\\w*\\(\\s*'${id}'|['"\`]${id} ${what}\\b`).test(sources);
}

it.each([...checkRows.keys()].filter((id) => deviceChecks.has(id)))(
  '%s has a fire and a clear test',
  (id) => {
    expect(isTested(id, 'fires'), `add a test named "${id} fires"`).toBe(true);
    expect(isTested(id, 'clears'), `add a test named "${id} clears"`).toBe(true);
  },
);

it('every registered check is a row of the data', () => {
  expect([...deviceChecks.keys()].filter((id) => !checkRows.has(id))).toEqual([]);
});

it('the look for tests sees what it must see', () => {
  expect(isTested('no_such_check', 'fires')).toBe(false);
});
