// libinfernode_kv on a device as an engine's worker uses it, from plain C (C11, warnings are errors) over the shared library and the simulated
// driver: runs on the engine's own stream and the graph runner, in both directions, bit for bit the scalar path; captures of the engine
// beside them; two threads with one workspace; lost devices; every bad argument; handles closed twice and used after it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { buildWithSanitizers, canSanitize } from '../support/sanitizer-build.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'infernode-kv-device-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function runDeviceTest(release: string): string {
  const { status, stdout, stderr } = spawnSync(
    `${release}/infernode-kv-device-test`,
    [`${release}/libinfernode_cuda_sim.so`, join(scratch, 'scenario')],
    { encoding: 'utf8', timeout: 120_000, env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' } },
  );
  return status === 0 ? stdout : `status ${status}\n${stdout}\n${stderr}`;
}

test('as built', () => expect(runDeviceTest(`${root}build/Release`)).toBe('0 failures\n'), 150_000);

describe.runIf(canSanitize)('with sanitizers (needs CMake)', () => {
  test('the same', () => {
    expect(runDeviceTest(buildWithSanitizers('cuda_sim', 'kv_device_test'))).toBe('0 failures\n');
  }, 600_000);
});
