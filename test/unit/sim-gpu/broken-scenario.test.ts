/** A scenario that was broken by hand is refused with the command that brings the last good one back. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { readScenario } from '../../../src/sim/gpu-scenario.js';
import { SimulatedGpus } from '../../support/simulated-gpus.js';

const gpus = new SimulatedGpus(1);
afterEach(() => gpus.remove());

it('the error names the copy, and the copy is the last edit', () => {
  gpus.edit((scenario) => void (scenario.devices[0]!.lost = true));
  writeFileSync(join(gpus.directory, 'scenario.json'), '{ half');
  let message = '';
  try {
    readScenario(gpus.directory);
  } catch (error) {
    message = String(error);
  }
  const [, command = ''] = /take the last good one: (cp \S+ \S+)/.exec(message) ?? [];
  const [program = '', ...args] = command.split(' ');
  execFileSync(program, args);
  expect(readScenario(gpus.directory).devices[0]?.lost).toBe(true);
});
