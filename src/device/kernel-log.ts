/**
 * The kernel log as the node has it, whichever sampler reads it: one state, counts that only grow. A sampler counts from its own start,
 * so that what a new one says is added to what the ones before it said.
 */
import type { KernelLogStatus } from '../domain/kernel-log.js';
import type { DeviceMetrics } from './device-metrics.js';

export class KernelLog<Source extends object> {
  readonly #metrics: Pick<DeviceMetrics, 'countKernelLog' | 'showKernelLog'>;
  /** What each sampler has said last. */
  readonly #said = new WeakMap<Source, { lost: number; invalid: number }>();
  #status: KernelLogStatus;

  constructor(path: string | null, metrics: Pick<DeviceMetrics, 'countKernelLog' | 'showKernelLog'>) {
    this.#metrics = metrics;
    this.#status =
      path === null
        ? { state: 'off', reason: 'kmsg.path is null', lost: 0, invalid: 0 }
        : { state: 'waiting', reason: `${path} has not been opened yet`, lost: 0, invalid: 0 };
    metrics.showKernelLog(this.#status);
  }

  get status(): KernelLogStatus {
    return this.#status;
  }

  /** Takes what a sampler says; returns how many records were lost since it spoke last. */
  note(source: Source, said: KernelLogStatus): number {
    const before = this.#said.get(source) ?? { lost: 0, invalid: 0 };
    const lost = Math.max(0, said.lost - before.lost);
    const invalid = Math.max(0, said.invalid - before.invalid);
    this.#said.set(source, { lost: said.lost, invalid: said.invalid });
    const { lost: lostBefore, invalid: invalidBefore } = this.#status;
    this.#status = { ...said, lost: lostBefore + lost, invalid: invalidBefore + invalid };
    this.#metrics.countKernelLog({ lost, invalid });
    this.#metrics.showKernelLog(this.#status);
    return lost;
  }
}
