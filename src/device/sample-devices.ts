/**
 * The GPUs of this node as the agent sees them: a `NodeSample` per interval and an event as soon as the driver reports it.
 * All driver calls happen in a sampler process (native/sampler); this side reads shared memory and a pipe, so that no driver
 * call can hold up the event loop, keep the process alive, or take it down.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { DeviceEvent, DeviceProcess, DriverState, NodeSample } from '../domain/device.js';
import { InfernodeError } from '../domain/error-codes.js';
import type { KernelLogStatus } from '../domain/kernel-log.js';
import { loadAddon } from '../native/load-addon.js';
import { nativePath } from '../native/native-paths.js';
import type { RawSnapshot } from '../native/nvml.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { Service } from '../runtime/service.js';
import { SampleAssembler, type SampleInputs } from './assemble-sample.js';
import type { DeviceMetrics } from './device-metrics.js';
import { Listeners, type Unsubscribe } from './listeners.js';
import { OnDemandReads } from './on-demand-reads.js';
import { SamplerLineup } from './sampler-lineup.js';
import { SamplerNews, type KernelNews } from './sampler-news.js';
import { SamplerProcess, type Sampler } from './sampler-process.js';
import { SnapshotWaiters } from './snapshot-waiters.js';
import type { SamplerNote } from './watch-device-events.js';

export interface DeviceSamplerOptions {
  /** Path of libnvidia-ml.so.1, or a bare name for the loader to find. */
  libraryPath: string;
  /** Directory of this agent for short-lived files, best on a tmpfs. */
  runDir: string;
  intervalMs: number;
  /** For what changes rarely; default five intervals. */
  normalIntervalMs?: number;
  /** For what costs much (process lists, single links) or hardly changes; default thirty intervals. */
  slowIntervalMs?: number;
  /** For flash memory and pairs of devices, and once at the start; default 24 h. */
  inspectIntervalMs?: number;
  callDeadlineMs: number;
  /** The kernel log and what its lines must hold to be passed on; `null`: not read. */
  kmsg?: { path: string; match: readonly string[] } | null;
  /** Everything heard here is a rehearsal. */
  drill?: boolean;
  clock: Clock;
  logger: Logger;
  metrics: DeviceMetrics;
}

/** How long `release` and `close` wait for the sampler to shut NVML down. */
const releaseTimeoutMs = 3000;
const closeTimeoutMs = 2000;
/** An answer to `acquire` or `sampleNow`; opening a driver without persistence mode takes seconds per GPU. */
const answerTimeoutMs = 10_000;
/** How often hung calls are looked for, as a part of the deadline. */
const looksPerDeadline = 4;

export class DeviceSampler implements Service {
  readonly #options: DeviceSamplerOptions;
  readonly #lineup: SamplerLineup;
  readonly #assembler = new SampleAssembler();
  readonly #samples: Listeners<NodeSample>;
  readonly #news: SamplerNews;
  readonly #onDemand: OnDemandReads;
  readonly #waiters: SnapshotWaiters;
  #serial = 0;
  #roundAtMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | null = null;
  #released = false;
  #closed = false;

  constructor(options: DeviceSamplerOptions) {
    this.#options = options;
    this.#waiters = new SnapshotWaiters(options.clock);
    this.#onDemand = new OnDemandReads({
      ...options,
      ask: (command) => this.#lineup.current?.command(command),
    });
    this.#samples = new Listeners(options.logger);
    this.#news = new SamplerNews({
      kmsgPath: options.kmsg?.path ?? null,
      drill: options.drill ?? false,
      logger: options.logger,
      metrics: options.metrics,
      current: () => this.#lineup.current,
      onEvent: (event) => this.#onDemand.noteEvent(event),
    });
    this.#lineup = new SamplerLineup({ ...options, spawn: (skip) => this.#spawn(skip) });
  }

  /** Throws when the native part has not been built. An absent driver is no error: samples say so. */
  async start(): Promise<void> {
    loadAddon();
    nativePath('infernode-sampler');
    await mkdir(this.#options.runDir, { recursive: true, mode: 0o700 });
    await this.#removeLeftovers();
    this.#news.open();
    const { clock, intervalMs, callDeadlineMs } = this.#options;
    const everyMs = Math.min(intervalMs, Math.max(20, callDeadlineMs / looksPerDeadline));
    this.#timer = clock.every(everyMs, () => this.#look('timer'));
    this.#look('timer');
  }

  /** `null` before the first sample. */
  latest(): NodeSample | null {
    return this.#assembler.last;
  }

  /** `null`: no such device, or the driver does not tell. */
  processesOf(uuid: string): DeviceProcess[] | null {
    return this.latest()?.devices.find(({ identity }) => identity.uuid === uuid)?.processes ?? null;
  }

  onSample(listener: (sample: NodeSample) => void): Unsubscribe {
    return this.#samples.add(listener);
  }

  onEvent(listener: (event: DeviceEvent) => void): Unsubscribe {
    return this.#news.onEvent(listener);
  }

  /** The kernel log's records, and how reading it goes. */
  onKernelLog(listener: (news: KernelNews) => void): Unsubscribe {
    return this.#news.onKernelLog(listener);
  }

  get kernelLog(): KernelLogStatus {
    return this.#news.kernelLog;
  }

  /**
   * Has everything read now, process lists too. Resolves with a sample that holds only devices read after the question, so
   * that it proves something; `null` before the first sample. A call that hangs costs the wait of its deadline.
   */
  async sampleNow(): Promise<NodeSample | null> {
    const askedAtMs = this.#options.clock.monotonicMs();
    const { current } = this.#lineup;
    const number = current?.askForSample() ?? 0;
    if (current)
      await this.#waiters.until((raw) => (raw?.samplesAnswered ?? 0) >= number, this.#options.callDeadlineMs);
    const sample = this.latest();
    if (!sample) return null;
    const { devices, takenAtMs } = sample;
    return { ...sample, devices: devices.filter(({ ageMs }) => takenAtMs - ageMs >= askedAtMs) };
  }

  /**
   * Closes event sets, handles and NVML, so that a driver upgrade or a GPU reset can go ahead. A sampler that does not manage
   * that is killed. Throws when not even that ends it: the driver is still held then.
   */
  async release(): Promise<void> {
    const { current } = this.#lineup;
    this.#released = true;
    this.#lineup.hold();
    current?.command('release');
    const gone = (raw: RawSnapshot | null): boolean =>
      raw?.driver?.state === 'released' || current?.ended !== false;
    if (current && !(await this.#waiters.until(gone, releaseTimeoutMs))) {
      this.#lineup.close();
      this.#lineup.abandon(current, 'it did not release the driver');
      if (!(await this.#waiters.until(() => current.ended, releaseTimeoutMs)))
        throw new InfernodeError(
          'internal',
          'a driver call is stuck in the kernel; the driver is still held',
        );
    }
    if (this.latest()?.driver.state !== 'released') this.#look('whole');
  }

  /** Opens the driver again; resolves with what came of it. */
  async acquire(): Promise<DriverState> {
    this.#released = false;
    this.#lineup.open();
    this.#lineup.current?.command('acquire');
    this.#look('timer');
    await this.#waiters.until(
      () => (this.latest()?.driver.state ?? 'released') !== 'released',
      answerTimeoutMs,
    );
    return this.latest()?.driver ?? { state: 'init-failed', reason: 'no answer from the driver' };
  }

  /** Lets the sampler shut NVML down; kills it when that takes too long. */
  async close(): Promise<void> {
    const current = this.#end();
    if (!current || current.ended) return;
    current.command('quit');
    await this.#waiters.until(() => current.ended, closeTimeoutMs);
    this.#lineup.abandon(current, 'it did not end when asked');
  }

  destroy(reason: string): void {
    const current = this.#end();
    if (current && !current.ended) this.#lineup.abandon(current, reason);
  }

  #end(): Sampler | null {
    this.#closed = true;
    this.#news.close();
    this.#timer?.cancel();
    this.#timer = null;
    return this.#lineup.close();
  }

  #spawn(skip: ReadonlySet<number>): SamplerProcess {
    const {
      libraryPath,
      runDir,
      intervalMs,
      normalIntervalMs = 5 * intervalMs,
      slowIntervalMs = 30 * intervalMs,
      clock,
      logger,
      metrics,
      kmsg = null,
    } = this.#options;
    const sampler: SamplerProcess = new SamplerProcess({
      libraryPath: libraryPath.includes('/') ? resolve(libraryPath) : libraryPath,
      snapshotPath: resolve(runDir, `sampler-${process.pid}-${++this.#serial}.snapshot`),
      intervalMs,
      normalIntervalMs,
      slowIntervalMs,
      skip,
      kmsg: kmsg && { ...kmsg, path: resolve(kmsg.path) },
      clock,
      logger,
      onNote: (note) => this.#handleNote(sampler, note),
      onEvent: (event) => this.#news.event(sampler, event),
      onKernelRecord: (record) => this.#news.kernelRecord(sampler, record),
      onKernelLog: (status) => this.#news.kernelLogIs(sampler, status),
      onGarbage: () => metrics.count('garbage'),
      onExit: (reason) => this.#handleExit(sampler, reason),
    });
    return sampler;
  }

  #handleNote(sampler: SamplerProcess, note: SamplerNote): void {
    if (note === 'round') this.#look(sampler === this.#lineup.current ? 'whole' : 'timer');
    this.#news.note(sampler, note);
  }

  #handleExit(sampler: SamplerProcess, reason: string): void {
    this.#lineup.handleExit(sampler, reason);
    this.#waiters.settle(null);
  }

  /** Judges the samplers and passes on what there is: at once when a round is whole, else once per interval. */
  #look(why: 'whole' | 'timer'): void {
    if (this.#closed) return;
    const { clock, intervalMs, callDeadlineMs } = this.#options;
    const raw = this.#lineup.review();
    const { current, stuck } = this.#lineup;
    if (current) this.#news.noteSpeaks(current);
    if (raw && current) this.#countDropped(current.takeDropped(raw));
    const nowMs = clock.monotonicMs();
    const skip = current?.skip ?? new Set<number>();
    const inputs: SampleInputs = { raw, stuck, skip, without: this.#driverWithoutSampler(), nowMs };
    const sinceMs = nowMs - (this.latest()?.takenAtMs ?? Number.NEGATIVE_INFINITY);
    if (why === 'whole') this.#roundAtMs = nowMs;
    // A device that hangs keeps rounds from being complete; then the timer sets the beat.
    const due =
      why === 'whole' || (nowMs - this.#roundAtMs >= 1.5 * intervalMs && sinceMs >= 0.75 * intervalMs);
    const overdue = this.latest() !== null && sinceMs >= Math.max(2 * intervalMs, callDeadlineMs);
    if ((due && this.#assembler.isWhole(inputs)) || overdue) this.#emit(inputs);
    this.#waiters.settle(raw);
  }

  #driverWithoutSampler(): DriverState | null {
    if (this.#released) return { state: 'released', reason: 'released on request' };
    if (!this.#lineup.full) return null;
    return { state: 'init-failed', reason: 'too many samplers are stuck in the driver; no other is started' };
  }

  #countDropped(dropped: number): void {
    if (dropped === 0) return;
    this.#options.metrics.count('eventsDropped', dropped);
    this.#options.logger.warn(
      { dropped },
      'events of the driver were lost: the agent did not read them in time',
    );
  }

  /** Has the sampler read what is read on demand only: the checksums of the InfoROM, and whether peers reach each other. */
  inspect(): void {
    this.#onDemand.inspect();
  }

  #emit(inputs: SampleInputs): void {
    const { metrics } = this.#options;
    const sample = this.#assembler.assemble(inputs);
    metrics.show(sample);
    metrics.showCallTimes(this.#lineup.current);
    if (sample.driver.state === 'ok') this.#onDemand.askWhatIsDue();
    this.#samples.tell(sample);
  }

  /** Of an agent that was killed before its sampler had come up. */
  async #removeLeftovers(): Promise<void> {
    const { runDir } = this.#options;
    for (const name of await readdir(runDir))
      if (/^sampler-\d+-\d+\.snapshot$/.test(name)) await rm(resolve(runDir, name), { force: true });
  }
}
