/**
 * Reads one HTTP/1.1 message at a time from the bytes of a connection: the text of its head for whoever knows what it says, then
 * a body by length, in chunks, or up to the end of the connection. It is strict, as whoever sits between two parsers must be:
 * what two readers could take differently (folded or nameless headers, a length beside chunks, bare line feeds) is an error,
 * and an error ends the connection. All the body bytes of one push arrive in one call, so that a burst of small chunks is one write.
 */

export interface BodySink {
  /** The bytes are lent for the call: whoever keeps them copies them. `last`: `onEnd` follows at once. */
  onData(bytes: Buffer, last: boolean): void;
  onEnd(): void;
}

/** Bytes of the body, or one of `framing`. */
export type Framing = number;
export const framing = { chunked: -1, untilClose: -2, anotherHead: -3 } as const;

const maxSizeLineBytes = 1024;
const maxTrailerBytes = 16 * 1024;

type State =
  'head' | 'length' | 'until-close' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'idle';

export class MalformedMessage extends Error {
  readonly code: string = 'HTTP_MALFORMED';
}

/** A head beyond the limit, said apart because HTTP has a status for it. */
export class HeadTooLarge extends MalformedMessage {
  override readonly code = 'HTTP_HEAD_TOO_LARGE';
}

export abstract class MessageParser {
  readonly #body: BodySink;
  readonly #maxHeadBytes: number;
  #state: State = 'idle';
  /** Bytes left of the body or of the chunk. */
  #left = 0;
  #trailerBytes = 0;
  /** The beginning of a head or line whose end has not come yet. */
  #pending: Buffer | null = null;

  constructor(body: BodySink, maxHeadBytes: number) {
    this.#body = body;
    this.#maxHeadBytes = maxHeadBytes;
  }

  /** Reads the lines of a head without the blank one, bytes as characters; says how its body ends. Throws `MalformedMessage`. */
  protected abstract readHead(lines: string[]): Framing;

  /** No message is under way. */
  get #idle(): boolean {
    return this.#state === 'idle';
  }

  /** Of a head some bytes are there, but not all. */
  get midHead(): boolean {
    return this.#state === 'head' && this.#pending !== null;
  }

  /** Of a body in chunks all that has come is whole chunks. */
  get betweenChunks(): boolean {
    return this.#state === 'chunk-size' && this.#pending === null;
  }

  /** Expects the next message. */
  protected expect(): void {
    this.#state = 'head';
    this.#pending = null;
  }

  /**
   * Takes the bytes of one read, which may be overwritten afterwards, up to the end of the message; returns how many of them
   * are left behind it. Throws `MalformedMessage`.
   */
  protected take(read: Buffer, length: number): number {
    if (this.#pushWholeChunk(read, length)) return 0;
    if (this.#idle) return length;
    const fresh = read.subarray(0, length);
    const bytes = this.#pending === null ? fresh : Buffer.concat([this.#pending, fresh]);
    this.#pending = null;
    const body: Buffer[] = [];
    let at = 0;
    while (at < bytes.length && !this.#idle) {
      const next = this.#step(bytes, at, body);
      if (next < 0) {
        this.#pending = Buffer.from(bytes.subarray(at));
        break;
      }
      at = next;
    }
    const ended = this.#idle;
    if (body.length > 0) this.#body.onData(body.length === 1 ? body[0]! : Buffer.concat(body), ended);
    if (!ended) return 0;
    this.#body.onEnd();
    return bytes.length - at;
  }

  /** The connection has ended; true when that is also the end of the message. */
  finish(): boolean {
    if (this.#state !== 'until-close') return false;
    this.#state = 'idle';
    this.#body.onEnd();
    return true;
  }

  /** The read of nearly every token: one chunk, whole. The same as the steps below, without their bookkeeping. */
  #pushWholeChunk(read: Buffer, length: number): boolean {
    if (this.#state !== 'chunk-size' || this.#pending !== null) return false;
    let size = 0;
    let at = 0;
    for (let digit = hexValue(read[0]); digit >= 0 && at < 6; digit = hexValue(read[at])) {
      size = size * 16 + digit;
      at += 1;
    }
    const end = at + 2 + size;
    if (at === 0 || size === 0 || end + 2 !== length) return false;
    if (read[at] !== cr || read[at + 1] !== lf || read[end] !== cr || read[end + 1] !== lf) return false;
    this.#body.onData(read.subarray(at + 2, end), false);
    return true;
  }

  /** One step from `at`; returns where the next begins, or -1 when more bytes are needed. */
  #step(bytes: Buffer, at: number, body: Buffer[]): number {
    switch (this.#state) {
      case 'chunk-size':
        return this.#chunkSize(bytes, at);
      case 'chunk-data':
      case 'length': {
        const end = Math.min(bytes.length, at + this.#left);
        body.push(bytes.subarray(at, end));
        this.#left -= end - at;
        if (this.#left === 0) this.#state = this.#state === 'length' ? 'idle' : 'chunk-end';
        return end;
      }
      case 'chunk-end':
        if (bytes[at] !== cr || (at + 1 < bytes.length && bytes[at + 1] !== lf))
          throw new MalformedMessage('a chunk longer than its size');
        if (at + 1 === bytes.length) return -1;
        this.#state = 'chunk-size';
        return at + 2;
      case 'head':
        return this.#head(bytes, at);
      case 'trailers':
        return this.#trailer(bytes, at);
      default:
        body.push(bytes.subarray(at));
        return bytes.length;
    }
  }

  #chunkSize(bytes: Buffer, at: number): number {
    let size = 0;
    let i = at;
    for (let digit = hexValue(bytes[i]); digit >= 0; digit = hexValue(bytes[++i])) {
      size = size * 16 + digit;
      if (i - at >= 8) throw new MalformedMessage('a chunk size of more than eight digits');
    }
    if (i === bytes.length) return -1;
    if (i === at) throw new MalformedMessage('a chunk without size');
    const end = bytes[i] === cr ? i : lineEnd(bytes, i, maxSizeLineBytes);
    if (end < 0 || end + 1 >= bytes.length) return -1;
    // Extensions are allowed after a semicolon, and mean nothing to anybody here.
    if (
      bytes[end + 1] !== lf ||
      (end > i && !/^[ \t]*;[\t\x20-\x7e\x80-\xff]*$/.test(bytes.toString('latin1', i, end)))
    )
      throw new MalformedMessage('a chunk size that is no hexadecimal number');
    this.#left = size;
    this.#trailerBytes = 0;
    this.#state = size === 0 ? 'trailers' : 'chunk-data';
    return end + 2;
  }

  /** Trailers are hop-by-hop as far as this gateway goes: read over. */
  #trailer(bytes: Buffer, at: number): number {
    const end = lineEnd(bytes, at, maxTrailerBytes);
    if (end < 0 || end + 1 >= bytes.length) return -1;
    if (bytes[end + 1] !== lf) throw new MalformedMessage('a carriage return inside a trailer');
    this.#trailerBytes += end - at;
    if (this.#trailerBytes > maxTrailerBytes) throw new MalformedMessage('trailers without end');
    if (end === at) this.#state = 'idle';
    return end + 2;
  }

  #head(bytes: Buffer, at: number): number {
    const end = bytes.indexOf('\r\n\r\n', at, 'latin1');
    if ((end < 0 ? bytes.length : end) - at > this.#maxHeadBytes)
      throw new HeadTooLarge('a head without end');
    if (end < 0) return -1;
    const body = this.readHead(bytes.toString('latin1', at, end).split('\r\n'));
    switch (body) {
      case framing.anotherHead:
        break;
      case framing.chunked:
        this.#state = 'chunk-size';
        break;
      case framing.untilClose:
        this.#state = 'until-close';
        break;
      default:
        this.#left = body;
        this.#state = body === 0 ? 'idle' : 'length';
    }
    return end + 4;
  }
}

const cr = 0x0d;
const lf = 0x0a;

function hexValue(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Index of the next carriage return, -1 when it has not come; throws beyond the limit. */
function lineEnd(bytes: Buffer, at: number, maxBytes: number): number {
  const end = bytes.indexOf(cr, at);
  if ((end < 0 ? bytes.length : end) - at > maxBytes) throw new MalformedMessage('a line without end');
  return end;
}
