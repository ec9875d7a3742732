// `infernode doctor` as a user runs it: no driver, a simulated driver in order, one with a lost GPU, one that hangs. It
// always ends, and each finding that is not in order has a remedy.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { hangCall, loseDevice } from '../../src/sim/gpu-edits.js';
import { createSimulatedNode, editScenario } from '../../src/sim/gpu-scenario.js';
import { mainFile } from '../support/running-up.js';

const root = mkdtempSync(join(tmpdir(), 'infernode-doctor-test-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Finding {
  check: string;
  level: 'ok' | 'info' | 'warn' | 'fail';
  found: string;
  remedy: string;
}

function doctor(library: string): Promise<{ code: number | null; findings: Finding[] }> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [mainFile, 'doctor', '--json', '--set', `nvml.library=${library}`, '--set', `stateDir=${root}/state`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let stdout = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    child.once('close', (code) => resolve({ code, findings: JSON.parse(stdout) as Finding[] }));
  });
}

const about = (findings: Finding[], check: string) => findings.filter((finding) => finding.check === check);

test('without a driver it says so, and is content', async () => {
  const { code, findings } = await doctor(join(root, 'libnvidia-ml-absent.so.1'));
  expect(code).toBe(0);
  expect(about(findings, 'driver')[0]).toMatchObject({ level: 'info' });
  expect(about(findings, 'driver')[0]?.found).toMatch(/no NVIDIA driver/);
  for (const { level, remedy, check } of findings)
    if (level === 'warn' || level === 'fail') expect(remedy, check).not.toBe('');
});

test('a driver in order is named with its GPUs; a lost GPU fails with the call that told', async () => {
  const { libraryPath } = createSimulatedNode(join(root, 'node'), { gpus: 2, profile: 'L4', seed: 7 });
  const good = await doctor(libraryPath);
  expect(good.code).toBe(0);
  expect(about(good.findings, 'driver')[0]).toMatchObject({ level: 'ok' });
  expect(about(good.findings, 'GPU 1')[0]?.found).toMatch(/L4 GPU-/);

  editScenario(join(root, 'node'), (scenario) => loseDevice(scenario, 1));
  const lost = await doctor(libraryPath);
  expect(lost.code).toBe(1);
  expect(JSON.stringify(lost.findings)).toMatch(/NVML_ERROR_GPU_IS_LOST|vanished|GPU_IS_LOST/);
});

test('a driver call that never returns is the finding, and the doctor still ends', async () => {
  const directory = join(root, 'hung');
  const { libraryPath } = createSimulatedNode(directory, { gpus: 1, profile: 'L4', seed: 8 });
  editScenario(directory, (scenario) => hangCall(scenario, 'nvmlDeviceGetMemoryInfo_v2', 0));
  const { code, findings } = await doctor(libraryPath);
  expect(code).toBe(1);
  expect(findings.find(({ level }) => level === 'fail')?.found).toMatch(
    /hangs: .*nvmlDeviceGetMemoryInfo_v2 on GPU 0|hangs/,
  );
});
