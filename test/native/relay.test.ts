// The native relay of events without Node: its reader on mutated bytes, its pairs on real sockets; as built and, where CMake is at
// hand, with AddressSanitizer and UndefinedBehaviorSanitizer.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { buildWithSanitizers, canSanitize } from '../support/sanitizer-build.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = (directory: string, seed: number, inputs: number): string =>
  execFileSync(`${directory}/infernode-relay-test`, [`${seed}`, `${inputs}`], { encoding: 'utf8' });

// node-gyp, the fallback where CMake is absent, does not build the test program.
test('as built', () => {
  expect(run(`${root}build/Release`, 5, 500_000)).toMatch(/^500000 inputs, \d{4,} passed, 0 broken\n$/);
});

test.runIf(canSanitize)(
  'with sanitizers (needs CMake)',
  () => {
    expect(run(buildWithSanitizers('relay_test'), 6, 100_000)).toMatch(
      /^100000 inputs, \d{4,} passed, 0 broken\n$/,
    );
  },
  600_000,
);
