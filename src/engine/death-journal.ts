/** The bounded history of an engine's bad ends, in `engines/<id>/deaths.jsonl`. */
import { join } from 'node:path';
import type { DeathRecord } from '../domain/engine-death.js';
import { Journal } from '../runtime/journal.js';

/** One death takes about 1 kB, so this holds some hundred of them. */
const maxBytes = 256 * 1024;

export class DeathJournal extends Journal<DeathRecord> {
  constructor(engineDirectory: string) {
    super({ path: join(engineDirectory, 'deaths.jsonl'), maxBytes });
  }

  /** Newest first. */
  latest(limit: number): Promise<DeathRecord[]> {
    return this.read(limit, isDeathRecord);
  }
}

function isDeathRecord(value: unknown): value is DeathRecord {
  const entry = value as Partial<DeathRecord> | null;
  return (
    typeof entry === 'object' &&
    entry !== null &&
    typeof entry.incarnation === 'string' &&
    typeof entry.cause === 'string' &&
    typeof entry.reason === 'string' &&
    typeof entry.atMs === 'number' &&
    Array.isArray(entry.lostWork) &&
    Array.isArray(entry.suspectedPoison)
  );
}
