/**
 * The compile caches of the node's engines, one directory per model, version, GPU and flags: a cache that another
 * configuration wrote is a cause of odd starts, and an operator cannot tell which part of a shared one is to be thrown away.
 */
import { mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

export interface CompileKey {
  model: string;
  version: string | null;
  gpu: string;
  flags: readonly string[];
}

/** Directories that are kept; the longest unused goes first. One takes 0.1 to 2 GiB. */
const maxCaches = 16;
const about = 'about.json';

export class CompileCaches {
  readonly #root: string;

  constructor(stateDir: string) {
    this.#root = join(stateDir, 'compile-cache');
  }

  /** Made when it is not there. Throws the file system's error. */
  directory(key: CompileKey): string {
    const hash = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16);
    const directory = join(this.#root, hash);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    // For people: the name says nothing.
    writeFileSync(join(directory, about), `${JSON.stringify(key)}\n`);
    const now = new Date();
    utimesSync(directory, now, now);
    this.#dropOldest(hash);
    return directory;
  }

  /** The next start compiles anew. */
  clear(directory: string): void {
    for (const name of readdirSync(directory))
      if (name !== about) rmSync(join(directory, name), { recursive: true, force: true });
  }

  #dropOldest(used: string): void {
    const byUse = readdirSync(this.#root)
      .filter((name) => name !== used)
      .map((name) => ({ name, atMs: statSync(join(this.#root, name)).mtimeMs }))
      .sort((a, b) => b.atMs - a.atMs);
    for (const { name } of byUse.slice(maxCaches - 1))
      rmSync(join(this.#root, name), { recursive: true, force: true });
  }
}
