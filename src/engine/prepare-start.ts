/**
 * What precedes each launch of one engine, and what is learned from how it went: the program's version, the gate of its
 * devices, the compile cache and the step of the graph ladder. The supervisor asks it before a launch and tells it the end.
 * Kept in `starts.json` by configuration (model, version, GPU, flags): a new configuration begins with a clean slate.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { TemplateConfig } from '../config/agent-config.js';
import type { CudaGraphs, StartProgress } from '../domain/engine.js';
import { messageOf } from '../domain/error-codes.js';
import { readStateFile, saveStateFile } from '../runtime/state-file.js';
import { BatchSizes } from './batch-sizes.js';
import { graphArgs } from './choose-graphs.js';
import type { CompileKey } from './compile-caches.js';
import { adapterOf } from './engine-adapters.js';
import type { EngineContext } from './engine-context.js';
import type { EngineStore } from './engine-record.js';
import type { EngineRun } from './engine-run.js';
import type { CauseClass, ExitCause } from './explain-exit.js';
import { describeStep, isGraphFailure, nextStep, type FailedStart } from './graph-ladder.js';
import type { LiveRun } from './live-run.js';
import { passPreflight, passStartGate } from './start-gate.js';
import { startEngine, type StartRequest } from './start-engine.js';
import { isMeasured, type StartLog } from './start-log.js';
import { valuesOf } from './vllm-flags.js';

/** What one start is made with. */
export interface StartMeans {
  version: string | null;
  compileCacheDir: string | null;
  extraArgs: readonly string[];
  /** Step of the graph ladder. */
  step: number;
}

/** What is remembered of one configuration. */
interface Experience {
  step: number;
  /** What was being captured when it failed. */
  failedPart: string;
  lastFailure: string;
  sameFailures: number;
  /** Since the last start that served. */
  cacheCleared: boolean;
  graphs: CudaGraphs | null;
}

const schema = 1;
const maxConfigurations = 16;
/** A cold cache cures none of these. */
const cacheIsInnocent: readonly CauseClass[] = ['model-not-found', 'port-in-use', 'out-of-memory', 'killed'];

export class EngineStarts {
  readonly batchSizes: BatchSizes;
  readonly #id: string;
  readonly #context: EngineContext;
  readonly #store: EngineStore;
  readonly #experiences: Map<string, Experience>;
  #present: { key: string; means: StartMeans; template: TemplateConfig } | null = null;
  #saving: Promise<void> = Promise.resolve();
  #revoke = new AbortController();

  constructor(id: string, context: EngineContext, store: EngineStore) {
    this.#id = id;
    this.#context = context;
    this.#store = store;
    this.batchSizes = new BatchSizes(store.directory, store.bootId, context.clock);
    const read = readStateFile(this.#path, schema, isExperiences);
    if (read.kind === 'bad') context.metrics.stateFileSetAside('unreadable');
    this.#experiences = new Map(read.kind === 'found' ? Object.entries(read.document.data) : []);
  }

  /** Rejects with one sentence when the engine cannot start like this; returns early when the signal aborts. */
  async prepare(
    template: TemplateConfig,
    deviceUuids: readonly string[],
    signal: AbortSignal,
    say: (waiting: string) => void,
  ): Promise<StartMeans> {
    const { turns } = this.#context;
    const adapter = adapterOf(template);
    const version = await adapter.learn(template, process.env);
    const means = this.#choose(template, deviceUuids, version);
    const need = adapter.memoryNeed(template, version);
    await turns.take(this.#id, deviceUuids, signal, say);
    await passPreflight(this.#context, deviceUuids, signal, say);
    await passStartGate(this.#context, { engineDir: this.#store.directory, deviceUuids, need, signal, say });
    return means;
  }

  /** One launch, or `null` when it was revoked before the engine ran. Throws StartRefused, or one sentence. */
  async launch(
    request: Omit<StartRequest, 'context' | 'store' | 'means'>,
    say: (waiting: string) => void,
  ): Promise<EngineRun | null> {
    this.#revoke = new AbortController();
    const { signal } = this.#revoke;
    let run: EngineRun | null = null;
    try {
      const means = await this.prepare(request.template, request.deviceUuids, signal, say);
      if (!signal.aborted)
        run = await startEngine({ ...request, means, context: this.#context, store: this.#store });
      return run;
    } finally {
      if (!run) this.measured();
    }
  }

  /** What precedes a launch is broken off; a launch itself goes on. */
  revoke(): void {
    this.#revoke.abort();
  }

  /** News of a start under way. */
  progressed(progress: StartProgress): void {
    if (isMeasured(progress)) this.measured();
  }

  /** Its memory is measured, or it is gone: the next engine may measure. */
  measured(): void {
    this.#context.turns.release(this.#id);
  }

  /** It serves. What became of its graphs, or `null` where the log does not tell. */
  served(log: StartLog): CudaGraphs | null {
    this.measured();
    const present = this.#present;
    const told = log.graphs ?? (log.isVllm && !log.isPartial ? noWord : null);
    const experience = present && this.#experiences.get(present.key);
    // The log of an engine that was taken over may have lost its beginning.
    if (!experience) return told && { ...told, degradeStep: 0 };
    const graphs = told ? { ...told, degradeStep: present.means.step } : experience.graphs;
    Object.assign(experience, { graphs, lastFailure: '', sameFailures: 0, cacheCleared: false });
    this.#save();
    return graphs;
  }

  /** What an operator should know of the graphs of an engine that serves; empty when all is as configured. */
  noticeOf(graphs: CudaGraphs | null): string {
    if (graphs === null || this.isEagerOnPurpose) return '';
    if (graphs.degradeStep > 0) return describeStep(graphs.degradeStep);
    return graphs.state === 'eager' ? `eager fallback: ${graphs.reason}` : '';
  }

  /** True when the template itself asks for no graphs. */
  get isEagerOnPurpose(): boolean {
    return this.#present !== null && valuesOf(this.#present.template.args, '--enforce-eager') !== null;
  }

  /** Draws the lessons; answers what the next start does differently, or an empty text. */
  failed(failure: FailedStart): string {
    this.measured();
    const present = this.#present;
    const experience = present && this.#experiences.get(present.key);
    if (!present || !experience) return '';
    const lessons: string[] = [];
    if (failure.phase !== 'serving') lessons.push(...this.#judgeCache(experience, failure));
    if (isGraphFailure(failure) && present.template.adapter === 'vllm' && !this.isEagerOnPurpose) {
      const step = nextStep(experience.step, present.means.version);
      if (step !== experience.step) lessons.push(describeStep(step));
      Object.assign(experience, { step, failedPart: failure.part });
    }
    this.#save();
    if (lessons.length > 0)
      this.#context.logger.warn({ engine: this.#id, lessons }, 'the next start is made differently');
    return lessons.join('; ');
  }

  /** The failure with what the next start does differently. */
  learnFrom(
    failure: ExitCause,
    { startLog, readyForMs }: Pick<LiveRun, 'startLog' | 'readyForMs'>,
  ): ExitCause {
    const { phase, part } = startLog.progress;
    const lesson = this.failed({ cause: failure, phase: readyForMs === null ? phase : 'serving', part });
    return lesson === '' ? failure : { ...failure, text: `${failure.text}; ${lesson}` };
  }

  async flush(): Promise<void> {
    await Promise.all([this.#saving, this.batchSizes.flush()]);
  }

  /** After an adoption: what the run was started with is what the template says now, or close to it. */
  resume(template: TemplateConfig, deviceUuids: readonly string[]): void {
    adapterOf(template)
      .learn(template, process.env)
      .then((version) => this.#choose(template, deviceUuids, version))
      .catch(() => undefined);
  }

  #choose(template: TemplateConfig, deviceUuids: readonly string[], version: string | null): StartMeans {
    const { inputs } = this.#context;
    const gpu = [...new Set(deviceUuids.map((uuid) => inputs.deviceName(uuid) ?? ''))].join(', ');
    const key: CompileKey = { model: template.model, version, gpu, flags: template.args };
    const hash = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16);
    const experience = this.#experiences.get(hash) ?? { ...inexperienced };
    // Behind all others: the first of the map is the one that was not used for the longest time.
    this.#experiences.delete(hash);
    this.#experiences.set(hash, experience);
    const [oldest] = this.#experiences.keys();
    if (this.#experiences.size > maxConfigurations && oldest !== undefined) this.#experiences.delete(oldest);
    const sizes = deviceUuids.flatMap((uuid) => inputs.reading(uuid)?.memoryTotalBytes ?? []);
    const deviceBytes = sizes.length > 0 ? Math.min(...sizes) : null;
    const { step } = experience;
    const choice = { ...experience, template, batchSizes: this.batchSizes, deviceBytes };
    const means: StartMeans = {
      version,
      compileCacheDir: template.adapter === 'vllm' ? this.#cacheFor(template, key) : null,
      extraArgs: template.adapter === 'vllm' ? graphArgs(choice) : [],
      step,
    };
    this.#present = { key: hash, means, template };
    return means;
  }

  /** A template that names its own cache keeps it; a disk that does not take one leaves it to the engine. */
  #cacheFor({ env }: TemplateConfig, key: CompileKey): string | null {
    if (env['VLLM_CACHE_ROOT'] !== undefined) return null;
    try {
      return this.#context.caches.directory(key);
    } catch (error) {
      this.#context.logger.warn(
        { engine: this.#id, reason: messageOf(error) },
        'no compile cache of its own',
      );
      return null;
    }
  }

  /** A compile error, or the same failure twice, may lie in the cache: it is cleared once, until a start has served. */
  #judgeCache(experience: Experience, { cause }: FailedStart): string[] {
    const text = cause.text.replace(/\d+/g, 'N');
    experience.sameFailures = text === experience.lastFailure ? experience.sameFailures + 1 : 1;
    experience.lastFailure = text;
    const directory = this.#present?.means.compileCacheDir ?? null;
    const suspect = cause.class === 'compile-error' || experience.sameFailures >= 2;
    if (!suspect || experience.cacheCleared || directory === null || cacheIsInnocent.includes(cause.class))
      return [];
    experience.cacheCleared = true;
    try {
      this.#context.caches.clear(directory);
    } catch (error) {
      return [`the compile cache could not be cleared: ${messageOf(error)}`];
    }
    this.#context.metrics.compileCacheCleared(this.#id);
    return ['the compile cache was cleared'];
  }

  get #path(): string {
    return join(this.#store.directory, 'starts.json');
  }

  #save(): void {
    const data = Object.fromEntries(this.#experiences);
    this.#saving = this.#saving
      .then(() => saveStateFile(this.#path, { schema, bootId: this.#store.bootId, data }))
      .catch((error: unknown) =>
        this.#context.logger.error({ engine: this.#id, err: error }, 'starts.json could not be written'),
      );
  }
}

const inexperienced: Experience = {
  step: 0,
  failedPart: '',
  lastFailure: '',
  sameFailures: 0,
  cacheCleared: false,
  graphs: null,
};

/** Graphs that were captured leave a line; its absence in a whole log is an answer too. */
const noWord: Omit<CudaGraphs, 'degradeStep'> = {
  state: 'eager',
  count: 0,
  seconds: 0,
  memoryBytes: 0,
  mode: 'NONE',
  reason: 'the log tells of no captured graphs',
};

function isExperiences(data: unknown): data is Record<string, Experience> {
  return (
    typeof data === 'object' &&
    data !== null &&
    Object.values(data).every(
      (one: Partial<Experience> | null) =>
        typeof one === 'object' &&
        one !== null &&
        Number.isSafeInteger(one.step) &&
        typeof one.failedPart === 'string' &&
        typeof one.lastFailure === 'string' &&
        Number.isSafeInteger(one.sameFailures),
    )
  );
}
