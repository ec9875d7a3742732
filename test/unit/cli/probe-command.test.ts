// `infernode probe` over the simulated CUDA driver: what is printed, the exit codes, and that a simulated device says so.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SimulatedCuda } from '../../support/simulated-cuda.js';

const main = fileURLToPath(new URL('../../../dist/main.js', import.meta.url));
let cuda: SimulatedCuda;
beforeAll(() => {
  cuda = new SimulatedCuda();
});
afterAll(() => cuda.remove());

function run(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const env = { ...process.env, ...cuda.env };
  return new Promise((resolve) => {
    execFile(process.execPath, [main, 'probe', ...args], { env }, (error, stdout, stderr) =>
      resolve({ status: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}
const simulated = (): string[] => [
  '--set', `health.probe.library=${cuda.library}`, '--set', 'health.probe.memoryMiB=2', '--set', 'health.probe.timeLimitMs=60000',
]; // prettier-ignore

test('a device that passes, and is named as simulated', async () => {
  cuda.scenario();
  const { status, stdout } = await run('0', ...simulated());
  expect(status).toBe(0);
  expect(stdout).toMatch(/^GPU 0: infernode simulated GPU \(no hardware\), GPU-/);
  expect(stdout).toMatch(/ {2}memory {3}pass .* bytes 2 MiB/);
  expect(stdout).toMatch(/\npass\n$/);
});

test('a device that fails', async () => {
  cuda.scenario('corrupt launch:infernode_probe_fill');
  const { status, stdout } = await run('0', '--json', ...simulated());
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ verdict: 'fail', code: 'INFERNODE_WRONG_ANSWER' });
});

test('no driver', async () => {
  const { status, stdout } = await run('0', '--set', 'health.probe.library=/nowhere/libcuda.so.1');
  expect(status).toBe(3);
  expect(stdout).toMatch(/^GPU 0: not opened\n[^]*\nunavailable: library-absent/);
});

test.each(['first', '-1', 'GPU-', '99999'])('%s is no GPU', async (gpu) => {
  const { status, stderr } = await run('--', gpu);
  expect(status).toBe(2);
  expect(stderr).toMatch(/^infernode: gpu: expected an index or a GPU-\.\.\. UUID, got/);
});
