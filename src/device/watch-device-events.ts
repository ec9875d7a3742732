/**
 * The sampler's event pipe: lines of JSON become `DeviceEvent`s. Second stage of the fault path, after
 * native/nvml/event_watcher.cc. The other end is a process that runs a vendor's library, so nothing in a line is trusted:
 * what cannot be read is counted and the next line is a new chance.
 */
import type { DeviceEvent } from '../domain/device.js';
import type { Clock } from '../runtime/clock.js';

/** `hello`: the snapshot is there. `round`: a round of readings is complete. */
export type SamplerNote = 'hello' | 'round';

export interface DeviceEventHandlers {
  clock: Clock;
  onNote(note: SamplerNote): void;
  onEvent(event: DeviceEvent): void;
  /** A line that is too long, is no JSON, or is not what a sampler writes. */
  onGarbage(): void;
}

/** A line of the sampler has about 150 characters. */
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
    const message = tooLong ? null : parseMessage(line);
    if (message === null) this.#handlers.onGarbage();
    else if (message.kind === 'hello' || message.kind === 'round') this.#handlers.onNote(message.kind);
    else this.#handlers.onEvent(this.#toEvent(message));
  }

  #toEvent({ kind, uuid, code }: Message): DeviceEvent {
    return {
      deviceUuid: uuid,
      kind: kind as DeviceEvent['kind'],
      code,
      source: 'nvml',
      text: null,
      pid: null,
      receivedAtMs: this.#handlers.clock.monotonicMs(),
      drill: false,
    };
  }
}

interface Message {
  kind: string;
  uuid: string | null;
  code: number;
}

function parseMessage(line: string): Message | null {
  let raw: Partial<Message> | null;
  try {
    raw = JSON.parse(line) as Partial<Message> | null;
  } catch {
    return null;
  }
  if (typeof raw !== 'object' || raw === null) return null;
  const { kind, uuid = null, code = 0 } = raw;
  if (kind === 'hello' || kind === 'round') return { kind, uuid: null, code: 0 };
  const known = typeof kind === 'string' && eventKinds.has(kind);
  const plausible =
    (uuid === null || typeof uuid === 'string') && Number.isSafeInteger(code) && raw.code !== undefined;
  return known && plausible ? { kind, uuid, code } : null;
}
