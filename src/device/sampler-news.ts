/**
 * What samplers say beside readings: events of the driver, records of the kernel log, and how hearing both goes. Several samplers may
 * speak while one takes over from another; who listens hears each thing once.
 */
import type { DeviceEvent } from '../domain/device.js';
import type { KernelLogStatus, KernelRecord } from '../domain/kernel-log.js';
import type { Logger } from '../runtime/logger.js';
import type { DeviceMetrics } from './device-metrics.js';
import { HeardEvents } from './heard-events.js';
import { KernelLog } from './kernel-log.js';
import { Listeners, type Unsubscribe } from './listeners.js';
import type { Sampler } from './sampler-process.js';
import type { SamplerNote } from './watch-device-events.js';

/** What the sampler says beside readings and events of devices. */
export type KernelNews =
  | { kind: 'record'; record: KernelRecord }
  /** The log began anew: sequence numbers start over. */
  | { kind: 'restart' }
  | { kind: 'status'; status: KernelLogStatus; lost: number }
  /** Waiting for the driver's events fails, or works again. */
  | { kind: 'event-set'; broken: boolean };

export interface SamplerNewsOptions {
  /** `null`: the kernel log is not read. */
  kmsgPath: string | null;
  /** Everything heard here is a rehearsal. */
  drill: boolean;
  logger: Logger;
  metrics: DeviceMetrics;
  /** The sampler that speaks now. */
  current: () => Sampler | null;
  /** An event that is news, before anybody else is told. */
  onEvent: (event: DeviceEvent) => void;
}

export class SamplerNews {
  readonly #options: SamplerNewsOptions;
  readonly #events: Listeners<DeviceEvent>;
  readonly #kernel: Listeners<KernelNews>;
  readonly #heard = new HeardEvents<Sampler>();
  readonly #kernelLog: KernelLog<Sampler>;
  /** Samplers that are or were the current one. */
  readonly #haveSpoken = new WeakSet<Sampler>();
  #closed = false;

  constructor(options: SamplerNewsOptions) {
    this.#options = options;
    this.#events = new Listeners(options.logger);
    this.#kernel = new Listeners(options.logger);
    this.#kernelLog = new KernelLog(options.kmsgPath, options.metrics);
  }

  onEvent(listener: (event: DeviceEvent) => void): Unsubscribe {
    return this.#events.add(listener);
  }

  onKernelLog(listener: (news: KernelNews) => void): Unsubscribe {
    return this.#kernel.add(listener);
  }

  get kernelLog(): KernelLogStatus {
    return this.#kernelLog.status;
  }

  /** Tells how the kernel log stands before any sampler has spoken. */
  open(): void {
    this.#kernel.tell({ kind: 'status', status: this.#kernelLog.status, lost: 0 });
  }

  /** Nothing is told any more. */
  close(): void {
    this.#closed = true;
  }

  /** The sampler is the current one now; what is still in its pipe later counts too. */
  noteSpeaks(sampler: Sampler): void {
    this.#haveSpoken.add(sampler);
  }

  note(sampler: Sampler, note: SamplerNote): void {
    if (!this.#isCurrent(sampler) || this.#closed) return;
    if (note === 'kmsg-restart') this.#kernel.tell({ kind: 'restart' });
    if (note === 'events-broken' || note === 'events-restored')
      this.#kernel.tell({ kind: 'event-set', broken: note === 'events-broken' });
  }

  /** From whichever sampler: who listens knows by the sequence number what it has heard. One without a number comes from the current. */
  kernelRecord(sampler: Sampler, record: KernelRecord): void {
    if (this.#closed || (record.seq === null && !this.#isCurrent(sampler))) return;
    this.#options.metrics.countKernelLog({ records: 1 });
    const drill = record.drill || this.#options.drill;
    this.#kernel.tell({ kind: 'record', record: { ...record, drill } });
  }

  kernelLogIs(sampler: Sampler, said: KernelLogStatus): void {
    if (!this.#isCurrent(sampler) || this.#closed) return;
    const { state } = this.#kernelLog.status;
    const lost = this.#kernelLog.note(sampler, said);
    const { status } = this.#kernelLog;
    const { logger } = this.#options;
    if (lost > 0) {
      logger.warn({ lost }, 'records of the kernel log were lost; the devices are read anew');
      sampler.askForSample();
    }
    if (state !== status.state) {
      if (status.state === 'reading') logger.info('the kernel log is read');
      else logger.warn({ reason: status.reason }, 'the kernel log is not read: its checks are unsupported');
    }
    this.#kernel.tell({ kind: 'status', status, lost });
  }

  /**
   * A successor hears the same events; until it takes over, they are those of the current sampler. One that was current may
   * still have something in its pipe.
   */
  event(sampler: Sampler, event: DeviceEvent): void {
    const speaks = this.#isCurrent(sampler) || this.#haveSpoken.has(sampler);
    if (this.#closed || !speaks || !this.#heard.isNews(sampler, event)) return;
    const { metrics, onEvent, drill } = this.#options;
    metrics.countEvent(event.kind);
    metrics.noteXid(event);
    onEvent(event);
    this.#events.tell({ ...event, drill: event.drill || drill });
  }

  #isCurrent(sampler: Sampler): boolean {
    return sampler === this.#options.current();
  }
}
