import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Runs a native test program of the folder `release` over the simulated driver built beside it: what it printed, or how it failed. It
 * writes its own scenario.
 */
export function runOverSimulatedCuda(program: string, release: string): string {
  const scratch = mkdtempSync(join(tmpdir(), `${program}-`));
  try {
    const { status, stdout, stderr } = spawnSync(
      join(release, program),
      [join(release, 'libinfernode_cuda_sim.so'), join(scratch, 'scenario')],
      { encoding: 'utf8', timeout: 120_000, env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' } },
    );
    return status === 0 ? stdout : `status ${status}\n${stdout}\n${stderr}`;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
