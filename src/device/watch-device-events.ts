/**
 * The sampler's event pipe: lines of JSON become `DeviceEvent`s. Second stage of the fault path, after
 * native/nvml/event_watcher.cc. The other end is a process that runs a vendor's library, so nothing in a line is trusted:
 * what cannot be read is counted and the next line is a new chance.
 */
import type { DeviceEvent } from '../domain/device.js';
import { kernelLogStates, type KernelLogStatus, type KernelRecord } from '../domain/kernel-log.js';
import type { Clock } from '../runtime/clock.js';

/**
 * `hello`: the snapshot is there. `round`: a round of readings is complete. `kmsg-restart`: the kernel log's file began anew.
 * `events-broken`, `events-restored`: waiting for the driver's events fails, or works again.
 */
export type SamplerNote = (typeof notes)[number];

const notes = ['hello', 'round', 'kmsg-restart', 'events-broken', 'events-restored'] as const;

export interface DeviceEventHandlers {
  clock: Clock;
  onNote(note: SamplerNote): void;
  onEvent(event: DeviceEvent): void;
  onKernelRecord(record: KernelRecord): void;
  onKernelLog(status: KernelLogStatus): void;
  /** A line that is too long, is no JSON, or is not what a sampler writes. */
  onGarbage(): void;
}

/** A line of the sampler has about 150 characters, one with a record of the kernel log at most 2,200. */
const maxLineBytes = 4096;
const newline = 0x0a;

const eventKinds: ReadonlySet<string> = new Set<DeviceEvent['kind']>([
  'xid',
  'single-bit-ecc',
  'double-bit-ecc',
  'recovery-action',
  'unavailable',
  'other',
]);

export class DeviceEventReader {
  readonly #handlers: DeviceEventHandlers;
  #rest: Buffer[] = [];
  #restBytes = 0;
  #tooLong = false;

  constructor(handlers: DeviceEventHandlers) {
    this.#handlers = handlers;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(newline, start);
      if (end < 0) break;
      this.#keep(chunk.subarray(start, end));
      this.#endLine();
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  #keep(part: Buffer): void {
    if (this.#tooLong || part.length === 0) return;
    this.#restBytes += part.length;
    if (this.#restBytes > maxLineBytes) {
      this.#tooLong = true;
      this.#rest = [];
      return;
    }
    this.#rest.push(part);
  }

  #endLine(): void {
    const line = Buffer.concat(this.#rest).toString('utf8');
    const tooLong = this.#tooLong;
    this.#rest = [];
    this.#restBytes = 0;
    this.#tooLong = false;
    const raw = tooLong ? null : parseObject(line);
    if (raw === null || !this.#dispatch(raw)) this.#handlers.onGarbage();
  }

  /** False for what no sampler writes. */
  #dispatch(raw: RawMessage): boolean {
    const note = notes.find((known) => known === raw.kind);
    if (note !== undefined) {
      this.#handlers.onNote(note);
      return true;
    }
    if (raw.kind === 'kmsg') return this.#kernelRecord(raw);
    if (raw.kind === 'kmsg-state') return this.#kernelLog(raw);
    const event = this.#toEvent(raw);
    if (event) this.#handlers.onEvent(event);
    return event !== null;
  }

  #kernelRecord({ seq, prio, age, text }: RawMessage): boolean {
    if ((seq !== null && !isCount(seq)) || !isCount(prio) || !isCount(age) || typeof text !== 'string')
      return false;
    const observedAtMs = this.#handlers.clock.monotonicMs() - age / 1000;
    // The facility stands above the level; only the kernel itself has facility 0.
    this.#handlers.onKernelRecord({ seq, text, observedAtMs, drill: prio >> 3 !== 0 });
    return true;
  }

  #kernelLog({ state, reason, lost, invalid }: RawMessage): boolean {
    const known = kernelLogStates.find((one) => one === state);
    if (known === undefined || typeof reason !== 'string' || !isCount(lost) || !isCount(invalid))
      return false;
    this.#handlers.onKernelLog({ state: known, reason, lost, invalid });
    return true;
  }

  #toEvent({ kind, uuid = null, code, instance = null }: RawMessage): DeviceEvent | null {
    const known = typeof kind === 'string' && eventKinds.has(kind);
    const plausible = (uuid === null || typeof uuid === 'string') && Number.isSafeInteger(code);
    if (!known || !plausible) return null;
    return {
      deviceUuid: uuid,
      kind: kind as DeviceEvent['kind'],
      code: code as number,
      source: 'nvml',
      text: null,
      pid: null,
      receivedAtMs: this.#handlers.clock.monotonicMs(),
      drill: false,
      ...(isCount(instance) ? { gpuInstance: instance } : {}),
    };
  }
}

type RawMessage = Record<string, unknown>;

function parseObject(line: string): RawMessage | null {
  try {
    const raw: unknown = JSON.parse(line);
    return typeof raw === 'object' && raw !== null ? (raw as RawMessage) : null;
  } catch {
    return null;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
