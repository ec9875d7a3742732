// libinfernode_kv on a device as an engine's worker uses it, from plain C (C11, warnings are errors) over the shared library and the simulated
// driver: runs on the engine's own stream and the graph runner, in both directions, bit for bit the scalar path; captures of the engine
// beside them; two threads with one workspace; lost devices; every bad argument; handles closed twice and used after it.
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { buildWithSanitizers, canSanitize } from '../support/sanitizer-build.js';
import { runOverSimulatedCuda } from '../support/simulated-cuda-program.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = 'infernode-kv-device-test';

test(
  'as built',
  () => expect(runOverSimulatedCuda(program, `${root}build/Release`)).toBe('0 failures\n'),
  150_000,
);

describe.runIf(canSanitize)('with sanitizers (needs CMake)', () => {
  test('the same', () => {
    expect(runOverSimulatedCuda(program, buildWithSanitizers('cuda_sim', 'kv_device_test'))).toBe(
      '0 failures\n',
    );
  }, 600_000);
});
