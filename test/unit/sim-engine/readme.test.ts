// The fault table of the README and the faults of the program are the same, both ways.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runningFaults } from '../../../src/sim/engine/fault-controller.js';
import { startCauses } from '../../../src/sim/engine/start-causes.js';
import { startFaults } from '../../../src/sim/engine/start-faults.js';

const readme = readFileSync(new URL('../../../src/sim/engine/README.md', import.meta.url), 'utf8');

test('faults of a running engine', () => {
  const table = readme.slice(readme.indexOf('| Fault |'), readme.indexOf('Only at start'));
  const listed = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell]) =>
    [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name),
  );
  expect(listed.sort()).toEqual(Object.keys(runningFaults).sort());
});

test('faults and causes of a start', () => {
  const text = readme.slice(readme.indexOf('Only at start')).replace(/\s+/g, ' ');
  for (const name of startFaults) expect(text).toContain(`\`${name}\``);
  expect(text).toContain(`\`cause\`: ${Object.keys(startCauses).join(', ')}`);
});
