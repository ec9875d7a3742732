/** Native test programs with AddressSanitizer and UndefinedBehaviorSanitizer: one build directory, one builder at a time. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const build = `${root}build/sanitize`;

export const canSanitize = ['cmake', 'flock'].every(
  (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0,
);

// Skipped on a machine without the tools, and said so by the runner; CI must not pass by skipping.
if (!canSanitize && process.env['CI'] !== undefined)
  throw new Error('CI is set, but cmake or flock is missing: the sanitizer tests would be skipped');

/** Builds CMake targets; gives the directory of the programs. Two test files may ask at the same time. */
export function buildWithSanitizers(...targets: string[]): string {
  mkdirSync(build, { recursive: true });
  const cmake = (...args: string[]): void =>
    void execFileSync('flock', [`${build}/lock`, 'cmake', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 590_000,
    });
  cmake('-S', `${root}native`, '-B', build, '-DINFERNODE_SANITIZE=ON');
  cmake('--build', build, '--target', ...targets, '--parallel', String(Math.min(2, cpus().length)));
  return `${build}/Release`;
}
