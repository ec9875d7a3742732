/**
 * One agent per state directory. The lock is a file that names its owner by pid, start time and boot id, so that a lock
 * left by a crash never blocks, and a pid that was used again is not taken for the owner.
 *
 * Limit: two agents in different pid namespaces that share a directory cannot see each other's processes.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { startTimeOf } from '../runtime/process-identity.js';

interface LockOwner {
  pid: number;
  /** Field 22 of /proc/<pid>/stat. */
  startTime: string;
  bootId: string;
}

const maxAttempts = 3;

export class StateLock {
  #held = true;

  private constructor(
    readonly path: string,
    private readonly content: string,
  ) {}

  /** Throws `config-invalid` when another agent lives in the directory, or when it cannot be written. */
  static take(stateDir: string, bootId: string): StateLock {
    const path = join(stateDir, 'lock');
    const owner: LockOwner = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '', bootId };
    const content = JSON.stringify(owner);
    const own = `${path}.${process.pid}`;
    try {
      mkdirSync(stateDir, { recursive: true, mode: 0o700 });
      writeFileSync(own, content, { mode: 0o600 });
    } catch (error) {
      throw unusable(stateDir, error);
    }
    try {
      for (let attempt = 0; attempt < maxAttempts; attempt++) {
        if (tryLink(own, path)) return new StateLock(path, content);
        const stale = readText(path);
        refuseLiveOwner(stateDir, stale, bootId);
        removeStale(path, `${own}.stale`, stale);
      }
    } catch (error) {
      if (error instanceof InfernodeError) throw error;
      throw unusable(stateDir, error);
    } finally {
      rmSync(own, { force: true });
    }
    throw unusable(stateDir, new Error('others keep taking the lock'));
  }

  /** Idempotent; leaves a lock alone that is no longer ours. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    if (readText(this.path) === this.content) rmSync(this.path, { force: true });
  }
}

/** The link exists or not: unlike a write, it cannot be half done. */
function tryLink(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Takes the judged lock away, and no other: between the look and the rename another starter may have done so and put its own
 * there, which is then given back. A lock that is gone already is what was wanted.
 */
export function removeStale(path: string, aside: string, judged: string | null): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (readText(aside) !== judged) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function refuseLiveOwner(stateDir: string, text: string | null, bootId: string): void {
  const owner = parseOwner(text);
  const alive = owner?.bootId === bootId && startTimeOf(owner.pid) === owner.startTime;
  if (alive)
    throw new InfernodeError(
      'config-invalid',
      `stateDir "${stateDir}" is in use by another agent (pid ${owner.pid}); stop it, or give this one its own stateDir`,
    );
}

function parseOwner(text: string | null): LockOwner | null {
  try {
    const owner = JSON.parse(text ?? '') as Partial<LockOwner> | null;
    const whole =
      typeof owner?.pid === 'number' &&
      typeof owner.startTime === 'string' &&
      typeof owner.bootId === 'string';
    return whole ? (owner as LockOwner) : null;
  } catch {
    return null;
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function unusable(stateDir: string, cause: unknown): InfernodeError {
  return new InfernodeError(
    'config-invalid',
    `expected stateDir "${stateDir}" to be a directory that this user can write: ${messageOf(cause)}`,
    { cause },
  );
}
