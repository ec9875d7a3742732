import { isDeepStrictEqual } from 'node:util';
import type { TemplateConfig } from '../config/agent-config.js';
import type { EngineState, EngineStatus, StartProgress } from '../domain/engine.js';
import type { Clock } from '../runtime/clock.js';
import type { EngineRecord } from './engine-record.js';
import type { EngineRun } from './engine-run.js';
import type { ExitCause } from './explain-exit.js';
import { describeProgress } from './start-log.js';

/** The status of one engine as others see it. Says so when it changes, in the same turn, and only then. */
export class EngineView {
  readonly #clock: Clock;
  readonly #onChange: (status: EngineStatus) => void;
  #status: EngineStatus;

  constructor(status: EngineStatus, clock: Clock, onChange: (status: EngineStatus) => void) {
    this.#status = status;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  get status(): EngineStatus {
    return this.#status;
  }

  show(state: EngineState, reason: string, changes: Partial<EngineStatus> = {}): void {
    const stateSinceMs = state === this.#status.state ? this.#status.stateSinceMs : this.#clock.wallMs();
    this.update({ ...changes, state, reason, stateSinceMs });
  }

  launching(record: EngineRecord, template: TemplateConfig, models: string[], deviceUuids: string[]): void {
    this.show('starting', 'launching', {
      incarnation: String(record.incarnation),
      restarts: record.restarts,
      servedModels: models,
      maxConcurrentRequests: template.maxConcurrentRequests,
      template: record.template,
      deviceUuids,
      evicting: false,
      load: null,
      progress: null,
      graphs: null,
      pid: null,
    });
  }

  /** A run is there, launched or taken over, and is not known to serve yet. */
  runs({ url, apiKey, leaderPid: pid, incarnation, deviceUuids }: EngineRun, reason: string): void {
    const changes = { url, apiKey, pid, deviceUuids: [...deviceUuids], incarnation: String(incarnation) };
    this.show('starting', reason, { ...changes, evicting: false });
  }

  /** It is wanted but cannot start. */
  blocked(why: string, cause: ExitCause | null): void {
    if (cause) this.show('failed', `${cause.text}; not restarted: ${why}`);
    else this.show('stopped', `not started: ${why}`);
  }

  /** A run has failed and is gone. `stays`: why no other follows, `null` when one does. */
  failed(stays: string | null, reason: string, crashLoop: boolean): void {
    const gone = { evicting: true, pid: null, crashLoop };
    if (stays === null) this.show('failed', reason, gone);
    else this.show('stopped', stays, gone);
  }

  stuck(detail: string): void {
    this.show('failed', `stuck: ${detail}; not started until that is over`, { pid: null });
  }

  /** Only while it starts: a start that is broken off goes on writing. */
  loading(progress: StartProgress): void {
    if (this.#status.state === 'starting') this.show('starting', describeProgress(progress), { progress });
  }

  update(changes: Partial<EngineStatus>): void {
    const status = { ...this.#status, ...changes };
    if (status.state !== 'starting') status.progress = null;
    if (isDeepStrictEqual(status, this.#status)) return;
    this.#status = status;
    this.#onChange(status);
  }
}

/** A supervised engine before anything is known of a run. */
export function statusOfRecord(
  id: string,
  record: EngineRecord,
  servedModels: string[],
  clock: Clock,
): EngineStatus {
  return {
    id,
    origin: 'supervised',
    template: record.template,
    state: 'stopped',
    reason: 'not started yet',
    stateSinceMs: clock.wallMs(),
    servedModels,
    url: '',
    deviceUuids: [],
    incarnation: String(record.incarnation),
    pid: null,
    cordons: record.cordons,
    evicting: false,
    restarts: record.restarts,
    load: null,
    progress: null,
    graphs: null,
    standby: record.standby ?? null,
  };
}
