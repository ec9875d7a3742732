/**
 * One `infernode-sampler`, seen from the agent. Nothing here may keep the agent alive or make it wait: the process, its
 * pipes and its snapshot are all let go of when it is killed, also when the kernel cannot end it yet.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { messageOf } from '../domain/error-codes.js';
import { nativePath } from '../native/native-paths.js';
import { SnapshotFile, type CallTimes, type RawSnapshot } from '../native/nvml.js';
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import { DeviceEventReader, type DeviceEventHandlers, type SamplerNote } from './watch-device-events.js';

export interface SamplerProcessOptions {
  libraryPath: string;
  snapshotPath: string;
  intervalMs: number;
  normalIntervalMs: number;
  slowIntervalMs: number;
  /** Devices that it leaves alone. */
  skip: ReadonlySet<number>;
  /** The kernel log and what its lines must hold to be passed on, or `null`. */
  kmsg: { path: string; match: readonly string[] } | null;
  clock: Clock;
  logger: Logger;
  onNote(note: SamplerNote): void;
  onEvent: DeviceEventHandlers['onEvent'];
  onKernelRecord: DeviceEventHandlers['onKernelRecord'];
  onKernelLog: DeviceEventHandlers['onKernelLog'];
  onGarbage: DeviceEventHandlers['onGarbage'];
  /** Once, however it ends. */
  onExit(reason: string): void;
}

export type SamplerCommand = 'sample' | 'inspect' | 'peers' | 'release' | 'acquire' | 'quit';

/** Lines of stderr that are logged, per process: a library that prints in a loop must not fill the log. */
const maxLoggedLines = 100;
const maxLoggedBytes = 2000;

/** What the lineup and the sampler service need of one. */
export type Sampler = Pick<SamplerProcess, keyof SamplerProcess>;

export class SamplerProcess {
  readonly skip: ReadonlySet<number>;
  readonly startedAtMs: number;
  readonly #options: SamplerProcessOptions;
  readonly #child: ChildProcess;
  #snapshot: SnapshotFile | null = null;
  #rounds = 0;
  #asked = 0;
  #ended = false;
  #eventsDropped = 0;
  #loggedLines = 0;

  /** Throws when the sampler has not been built. */
  constructor(options: SamplerProcessOptions) {
    this.#options = options;
    this.skip = options.skip;
    this.startedAtMs = options.clock.monotonicMs();
    this.#child = spawn(nativePath('infernode-sampler'), argumentsOf(options), {
      stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
      cwd: '/',
      env: environmentOf(process.env),
    });
    this.#child.once('error', (error) => this.#end(`could not be started: ${messageOf(error)}`));
    this.#child.once('exit', (code, signal) => this.#end(signal ? `signal ${signal}` : `exit code ${code}`));
    this.#attach();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** It has read every device that it can read, or has said why there is none. */
  get hasSampled(): boolean {
    return this.#rounds > 0;
  }

  /** `null` while there is no snapshot. */
  read(): RawSnapshot | null {
    return this.#snapshot?.read() ?? null;
  }

  /** Since this sampler started, by function. */
  readCallTimes(): CallTimes[] {
    return this.#snapshot?.readCallTimes() ?? [];
  }

  /** Events lost since the last time this was asked. */
  takeDropped(raw: RawSnapshot): number {
    const dropped = raw.eventsDropped - this.#eventsDropped;
    this.#eventsDropped = raw.eventsDropped;
    return dropped;
  }

  /** Asks for a reading now; it is done when `samplesAnswered` has reached the number returned. */
  askForSample(): number {
    this.command('sample');
    return ++this.#asked;
  }

  command(command: SamplerCommand): void {
    const { stdin } = this.#child;
    if (stdin?.writable) stdin.write(`${command}\n`);
  }

  /** SIGKILL, and let go of everything. `onExit` comes when the kernel has ended it, which may be never. */
  kill(): void {
    this.#child.kill('SIGKILL');
    // What it has heard last is still in the event pipe, which ends with the process.
    for (const stream of [this.#child.stdin, this.#child.stderr]) stream?.destroy();
    this.#closeSnapshot();
  }

  get #eventPipe(): Readable | null {
    // Out of descriptors Node gives a child without any streams; its `error` event tells the story.
    const stdio = this.#child.stdio as ChildProcess['stdio'] | undefined;
    return (stdio?.[3] as Readable | null | undefined) ?? null;
  }

  #attach(): void {
    const { clock, onEvent, onKernelRecord, onKernelLog, onGarbage } = this.#options;
    const reader = new DeviceEventReader({
      clock,
      onEvent,
      onKernelRecord,
      onKernelLog,
      onGarbage,
      onNote: (note) => this.#note(note),
    });
    this.#child.unref();
    for (const stream of [this.#child.stdin, this.#child.stderr, this.#eventPipe]) {
      stream?.on('error', () => undefined); // EPIPE and ECONNRESET: `exit` tells the story.
      unref(stream);
    }
    this.#eventPipe?.on('data', (chunk: Buffer) => reader.push(chunk));
    this.#child.stderr?.on('data', (chunk: Buffer) => this.#log(chunk));
  }

  #note(note: SamplerNote): void {
    if (note === 'hello') this.#openSnapshot();
    else if (note === 'round') this.#rounds += 1;
    this.#options.onNote(note);
  }

  #openSnapshot(): void {
    try {
      this.#snapshot ??= new SnapshotFile(this.#options.snapshotPath);
    } catch (error) {
      this.#options.logger.error({ err: error }, 'the snapshot of the sampler cannot be read');
      this.kill();
    }
    // Both have it mapped; without a name nothing is left behind, however they end.
    rmSync(this.#options.snapshotPath, { force: true });
  }

  #closeSnapshot(): void {
    this.#snapshot?.close();
    this.#snapshot = null;
  }

  #log(chunk: Buffer): void {
    if (this.#loggedLines > maxLoggedLines) return;
    this.#loggedLines += 1;
    const text = chunk.toString('utf8', 0, maxLoggedBytes).trimEnd();
    const last = this.#loggedLines > maxLoggedLines;
    this.#options.logger.warn(
      { samplerPid: this.pid, text },
      last ? 'sampler says too much; the rest is left out' : 'sampler says',
    );
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#closeSnapshot();
    rmSync(this.#options.snapshotPath, { force: true });
    this.#options.onExit(reason);
  }
}

function argumentsOf({
  libraryPath,
  snapshotPath,
  intervalMs,
  normalIntervalMs,
  slowIntervalMs,
  skip,
  kmsg,
}: SamplerProcessOptions): string[] {
  return [
    ...['--library', libraryPath, '--snapshot', snapshotPath],
    ...['--interval-ms', String(intervalMs)],
    ...['--normal-interval-ms', String(normalIntervalMs), '--slow-interval-ms', String(slowIntervalMs)],
    ...[...skip].flatMap((index) => ['--skip-index', String(index)]),
    ...(kmsg ? ['--kmsg', kmsg.path, ...kmsg.match.flatMap((text) => ['--kmsg-match', text])] : []),
  ];
}

/** What a vendor library may need; the agent's own environment may hold secrets. */
function environmentOf(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const wanted =
    /^(PATH|HOME|TZ|LANG|LC_\w+|LD_LIBRARY_PATH|\w*NVIDIA\w*|NVML_\w+|CUDA_\w+|INFERNODE_SIM_\w+)$/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => wanted.test(name)));
}

/** Pipes of a child are sockets, which can be told not to keep the process alive. */
function unref(stream: Readable | Writable | null): void {
  (stream as { unref?: () => void } | null)?.unref?.();
}
