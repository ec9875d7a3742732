/**
 * What the agent keeps of one engine in `engines/<id>/engine.json`: the start counter, what the operator wants, and the
 * facts of the current run that only the agent knows. Written before each launch, so that a run is never without them.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Cordon } from '../domain/cordon.js';
import type { StandbyKind } from '../domain/engine.js';
import type { Logger } from '../runtime/logger.js';
import { readStateFile, saveStateFile } from '../runtime/state-file.js';
import type { EngineMetrics } from './engine-metrics.js';

export interface EngineRecord {
  template: string;
  /** UUIDs or indices as configured; empty is "any free". */
  devices: string[];
  /** Started through the API and not in the configuration. */
  dynamic: boolean;
  wanted: 'running' | 'stopped';
  /** Grows by one with each launch; never reused, for it is part of the endpoint's identity. */
  incarnation: number;
  restarts: number;
  cordons: Cordon[];
  /** Sleep level while it rests; absent while it serves. */
  asleep?: 1 | 2;
  standby?: StandbyKind | null;
  /** A standby that serves in the place of a lost engine. */
  promoted?: boolean;
  /** Of the template's degradation steps the first so many are in force. */
  degradeSteps?: number;
  run: RunFacts | null;
}

export interface RunFacts {
  incarnation: number;
  port: number;
  url: string;
  /** Of an engine beyond loopback; the file is its owner's alone. */
  apiKey?: string;
  deviceUuids: string[];
  argvHash: string;
  /** Boot under which it was launched; in another boot it does not exist. */
  bootId: string;
}

const schema = 1;
/** Logs of this many runs are kept for people. */
const keptRuns = 3;

export class EngineStore {
  readonly directory: string;
  readonly #bootId: string;
  readonly #logger: Logger;
  #saving: Promise<void> = Promise.resolve();

  constructor(stateDir: string, id: string, bootId: string, logger: Logger) {
    this.directory = join(stateDir, 'engines', id);
    this.#bootId = bootId;
    this.#logger = logger;
  }

  get bootId(): string {
    return this.#bootId;
  }

  runDir(incarnation: number): string {
    return join(this.directory, 'runs', String(incarnation));
  }

  /** `null` when there is none or it could not be used; the start counter then goes on behind the run directories. */
  read(metrics: EngineMetrics): EngineRecord | null {
    const path = join(this.directory, 'engine.json');
    const read = readStateFile(path, schema, isEngineRecord);
    if (read.kind === 'found') return read.document.data;
    if (read.kind === 'bad') {
      metrics.stateFileSetAside('unreadable');
      this.#logger.warn({ path, reason: read.reason, setAsideAs: read.setAsideAs }, 'state file set aside');
    }
    return null;
  }

  /** Rejects with the file system's error. Calls are written in order. */
  save(record: EngineRecord): Promise<void> {
    const data = structuredClone(record);
    const path = join(this.directory, 'engine.json');
    const saved = this.#saving.then(() => saveStateFile(path, { schema, bootId: this.#bootId, data }));
    this.#saving = saved.catch(() => undefined);
    return saved;
  }

  /** For changes whose loss costs little: a failure is logged. */
  saveSoon(record: EngineRecord): void {
    this.save(record).catch((error: unknown) =>
      this.#logger.error({ err: error, directory: this.directory }, 'engine.json could not be written'),
    );
  }

  async flush(): Promise<void> {
    await this.#saving;
  }

  /** Incarnations with a directory, newest first. */
  runs(): number[] {
    try {
      return readdirSync(join(this.directory, 'runs'))
        .filter((name) => /^[1-9]\d{0,14}$/.test(name))
        .map(Number)
        .sort((a, b) => b - a);
    } catch {
      return [];
    }
  }

  makeRunDir(incarnation: number): string {
    const directory = this.runDir(incarnation);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const old of this.runs().slice(keptRuns)) rmSync(this.runDir(old), { recursive: true, force: true });
    return directory;
  }

  async remove(): Promise<void> {
    await this.#saving;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function isEngineRecord(data: unknown): data is EngineRecord {
  const record = data as Partial<EngineRecord> | null;
  return (
    typeof record === 'object' &&
    record !== null &&
    typeof record.template === 'string' &&
    Array.isArray(record.devices) &&
    typeof record.dynamic === 'boolean' &&
    (record.wanted === 'running' || record.wanted === 'stopped') &&
    Number.isSafeInteger(record.incarnation) &&
    Number.isSafeInteger(record.restarts) &&
    Array.isArray(record.cordons) &&
    (record.run === null || isRunFacts(record.run))
  );
}

function isRunFacts(data: unknown): data is RunFacts {
  const run = data as Partial<RunFacts> | null | undefined;
  return (
    typeof run === 'object' &&
    run !== null &&
    Number.isSafeInteger(run.incarnation) &&
    Number.isSafeInteger(run.port) &&
    typeof run.url === 'string' &&
    Array.isArray(run.deviceUuids) &&
    typeof run.argvHash === 'string' &&
    typeof run.bootId === 'string'
  );
}
