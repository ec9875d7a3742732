/**
 * An append-only journal on disk (design decision 14): one JSON object a line, rotated by size, the present file and its
 * predecessor. Written in order and behind the caller's back: a full or slow disk costs entries, which are counted, and
 * never the caller. A line that is truncated or no JSON is skipped by the reader.
 */
import { appendFile, mkdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface JournalOptions {
  path: string;
  /** Of one file; the journal takes at most twice that. */
  maxBytes: number;
}

/** Entries that wait for the disk. */
const maxWaiting = 256;

export class Journal<T> {
  readonly #path: string;
  readonly #maxBytes: number;
  #writing: Promise<void> = Promise.resolve();
  #waiting = 0;
  #dropped = 0;

  constructor({ path, maxBytes }: JournalOptions) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  /** Entries that could not be written. */
  get dropped(): number {
    return this.#dropped;
  }

  append(entry: T): void {
    if (this.#waiting >= maxWaiting) {
      this.#dropped += 1;
      return;
    }
    this.#waiting += 1;
    this.#writing = this.#writing
      .then(() => this.#write(`${JSON.stringify(entry)}\n`))
      .catch(() => void (this.#dropped += 1))
      .then(() => void (this.#waiting -= 1));
  }

  async flush(): Promise<void> {
    await this.#writing;
  }

  /** The newest entries, newest first. `isEntry` looks at the shape: a file may be of another version. */
  async read(limit: number, isEntry: (value: unknown) => value is T): Promise<T[]> {
    await this.flush();
    const entries: T[] = [];
    for (const path of [this.#path, `${this.#path}.1`]) {
      const text = await readFile(path, 'utf8').catch(() => '');
      for (const line of text.split('\n').reverse()) {
        if (entries.length >= limit) return entries;
        const entry = parse(line);
        if (isEntry(entry)) entries.push(entry);
      }
    }
    return entries;
  }

  async #write(line: string): Promise<void> {
    const size = await stat(this.#path).then(
      (found) => found.size,
      () => 0,
    );
    if (size > 0 && size + line.length > this.#maxBytes) await rename(this.#path, `${this.#path}.1`);
    if (size === 0) await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    await appendFile(this.#path, line, { mode: 0o600 });
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
