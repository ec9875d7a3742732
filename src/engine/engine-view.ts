import { isDeepStrictEqual } from 'node:util';
import type { EngineState, EngineStatus } from '../domain/engine.js';
import type { Clock } from '../runtime/clock.js';
import type { EngineRecord } from './engine-record.js';

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

  update(changes: Partial<EngineStatus>): void {
    const status = { ...this.#status, ...changes };
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
  };
}
