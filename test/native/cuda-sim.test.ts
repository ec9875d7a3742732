// The CUDA layer over the simulated driver, without a GPU: its own test program, as built and, where CMake is at hand, with
// AddressSanitizer and UndefinedBehaviorSanitizer.
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { buildWithSanitizers, canSanitize } from '../support/sanitizer-build.js';
import { runOverSimulatedCuda } from '../support/simulated-cuda-program.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = 'infernode-cuda-sim-test';

// node-gyp, the fallback where CMake is absent, does not build the test program.
test(
  'opening, ordering, capture, replay and injected errors, as built',
  () => expect(runOverSimulatedCuda(program, `${root}build/Release`)).toBe('0 failures\n'),
  150_000,
);

describe.runIf(canSanitize)('with sanitizers (needs CMake)', () => {
  test('the same', () => {
    expect(runOverSimulatedCuda(program, buildWithSanitizers('cuda_sim', 'cuda_sim_test'))).toBe(
      '0 failures\n',
    );
  }, 600_000);
});
