/** The bounded history of an engine's bad ends, in `engines/<id>/deaths.jsonl`. */
import { join } from 'node:path';
import type { EngineDeath } from '../domain/engine.js';
import { Journal } from '../runtime/journal.js';
import type { StopReport } from './stop-report.js';

export interface DeathEntry extends EngineDeath {
  exit: { code: number | null; signal: string | null } | null;
  /** `null`: it never served. */
  readyForMs: number | null;
  /** How it was brought to its proven end. */
  stop: StopReport | null;
}

/** One death takes about 1 kB, so this holds some hundred of them. */
const maxBytes = 256 * 1024;

export class DeathJournal extends Journal<DeathEntry> {
  constructor(engineDirectory: string) {
    super({ path: join(engineDirectory, 'deaths.jsonl'), maxBytes });
  }

  /** Newest first. */
  latest(limit: number): Promise<DeathEntry[]> {
    return this.read(limit, isDeathEntry);
  }
}

function isDeathEntry(value: unknown): value is DeathEntry {
  const entry = value as Partial<DeathEntry> | null;
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
