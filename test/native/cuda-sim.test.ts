// The CUDA layer over the simulated driver, without a GPU: its own test program, as built and, where CMake is at hand, with
// AddressSanitizer and UndefinedBehaviorSanitizer.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { buildWithSanitizers, canSanitize } from '../support/sanitizer-build.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'infernode-cuda-sim-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function runSimTest(release: string): string {
  const { status, stdout, stderr } = spawnSync(
    `${release}/infernode-cuda-sim-test`,
    [`${release}/libinfernode_cuda_sim.so`, join(scratch, 'scenario')],
    { encoding: 'utf8', timeout: 120_000, env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' } },
  );
  return status === 0 ? stdout : `status ${status}\n${stdout}\n${stderr}`;
}

// node-gyp, the fallback where CMake is absent, does not build the test program.
test(
  'opening, ordering, capture, replay and injected errors, as built',
  () => expect(runSimTest(`${root}build/Release`)).toBe('0 failures\n'),
  150_000,
);

describe.runIf(canSanitize)('with sanitizers (needs CMake)', () => {
  test('the same', () => {
    expect(runSimTest(buildWithSanitizers('cuda_sim', 'cuda_sim_test'))).toBe('0 failures\n');
  }, 600_000);
});
