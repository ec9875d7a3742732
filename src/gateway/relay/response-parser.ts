/**
 * Reads one HTTP/1.1 response at a time from the bytes of a connection to an engine: the head, then a body by length, in
 * chunks, or up to the end of the connection. It is strict, as whoever sits between two parsers must be: what two readers
 * could take differently (folded or nameless headers, a length beside chunks, bare line feeds) is an error, and an error
 * ends the connection. All the body bytes of one push arrive in one call, so that a burst of small chunks is one write.
 */

export interface ResponseSink {
  /** Flat name/value list, names as the engine wrote them. Interim responses (1xx) are passed over. */
  onHead(head: ResponseHead): void;
  /** The bytes are lent for the call: whoever keeps them copies them. */
  onData(bytes: Buffer): void;
  onEnd(): void;
}

export interface ResponseHead {
  status: number;
  headers: string[];
  contentType: string;
  contentEncoding: string | null;
  /** The engine keeps the connection open after this response. */
  keepAlive: boolean;
  /** From `keep-alive: timeout=N`, seconds; `null` when the engine does not say. */
  keepAliveSeconds: number | null;
}

/** Node's own limit for a whole head is 16 KiB; engines are trusted with more. */
export const maxHeadBytes = 64 * 1024;
const maxSizeLineBytes = 1024;
const maxTrailerBytes = 16 * 1024;

type State =
  'head' | 'length' | 'until-close' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'idle';

export class MalformedResponse extends Error {
  readonly code = 'HTTP_MALFORMED';
}

export class ResponseParser {
  readonly #sink: ResponseSink;
  #state: State = 'idle';
  #bodyless = false;
  /** Bytes left of the body or of the chunk. */
  #left = 0;
  #trailerBytes = 0;
  /** The beginning of a head or line whose end has not come yet. */
  #pending: Buffer | null = null;

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }

  /** Expects the next response; `method` tells whether it can have a body. */
  begin(method: string): void {
    this.#state = 'head';
    this.#bodyless = method === 'HEAD';
    this.#pending = null;
  }

  /** Takes the bytes of one read, which may be overwritten afterwards. Throws `MalformedResponse`. */
  push(read: Buffer, length = read.length): void {
    if (this.#pushWholeChunk(read, length)) return;
    if (this.#idle()) throw new MalformedResponse('bytes that belong to no response');
    const fresh = read.subarray(0, length);
    const bytes = this.#pending === null ? fresh : Buffer.concat([this.#pending, fresh]);
    this.#pending = null;
    const body: Buffer[] = [];
    let at = 0;
    while (at < bytes.length && !this.#idle()) {
      const next = this.#step(bytes, at, body);
      if (next < 0) {
        this.#pending = Buffer.from(bytes.subarray(at));
        break;
      }
      at = next;
    }
    const ended = this.#idle();
    if (body.length > 0) this.#sink.onData(body.length === 1 ? body[0]! : Buffer.concat(body));
    if (!ended) return;
    this.#sink.onEnd();
    if (at < bytes.length) throw new MalformedResponse('bytes after the end of the response');
  }

  /** The connection has ended; true when that is also the end of the response. */
  finish(): boolean {
    if (this.#state !== 'until-close') return false;
    this.#state = 'idle';
    this.#sink.onEnd();
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
    this.#sink.onData(read.subarray(at + 2, end));
    return true;
  }

  #idle(): boolean {
    return this.#state === 'idle';
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
          throw new MalformedResponse('a chunk longer than its size');
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
      if (i - at >= 8) throw new MalformedResponse('a chunk size of more than eight digits');
    }
    if (i === bytes.length) return -1;
    if (i === at) throw new MalformedResponse('a chunk without size');
    const end = bytes[i] === cr ? i : lineEnd(bytes, i, maxSizeLineBytes);
    if (end < 0 || end + 1 >= bytes.length) return -1;
    // Extensions are allowed after a semicolon, and mean nothing to anybody here.
    if (
      bytes[end + 1] !== lf ||
      (end > i && !/^[ \t]*;[\t\x20-\x7e\x80-\xff]*$/.test(bytes.toString('latin1', i, end)))
    )
      throw new MalformedResponse('a chunk size that is no hexadecimal number');
    this.#left = size;
    this.#trailerBytes = 0;
    this.#state = size === 0 ? 'trailers' : 'chunk-data';
    return end + 2;
  }

  /** Trailers are hop-by-hop as far as this gateway goes: read over. */
  #trailer(bytes: Buffer, at: number): number {
    const end = lineEnd(bytes, at, maxTrailerBytes);
    if (end < 0 || end + 1 >= bytes.length) return -1;
    if (bytes[end + 1] !== lf) throw new MalformedResponse('a carriage return inside a trailer');
    this.#trailerBytes += end - at;
    if (this.#trailerBytes > maxTrailerBytes) throw new MalformedResponse('trailers without end');
    if (end === at) this.#state = 'idle';
    return end + 2;
  }

  #head(bytes: Buffer, at: number): number {
    const end = bytes.indexOf('\r\n\r\n', at, 'latin1');
    if ((end < 0 ? bytes.length : end) - at > maxHeadBytes) throw new MalformedResponse('a head without end');
    if (end < 0) return -1;
    const head = parseHead(bytes.toString('latin1', at, end));
    if (head.status >= 200) {
      this.#frame(head);
      this.#sink.onHead(head);
    } else if (head.status === 101) throw new MalformedResponse('a switch of protocols nobody asked for');
    return end + 4;
  }

  /** How the body ends (RFC 9112, 6.3). */
  #frame({ status, length, chunked }: ParsedHead): void {
    if (this.#bodyless || status === 204 || status === 304) this.#state = 'idle';
    else if (chunked) this.#state = 'chunk-size';
    else if (length === null) this.#state = 'until-close';
    else {
      this.#left = length;
      this.#state = length === 0 ? 'idle' : 'length';
    }
  }
}

interface ParsedHead extends ResponseHead {
  length: number | null;
  chunked: boolean;
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
  if ((end < 0 ? bytes.length : end) - at > maxBytes) throw new MalformedResponse('a line without end');
  return end;
}

const namePattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const valuePattern = /^[\t\x20-\x7e\x80-\xff]*$/;

function parseHead(text: string): ParsedHead {
  const lines = text.split('\r\n');
  const status = /^HTTP\/1\.([01]) (\d{3})(?: [\t\x20-\x7e\x80-\xff]*)?$/.exec(lines[0] as string);
  if (status === null) throw new MalformedResponse('a first line that is no HTTP/1 status');
  const head: ParsedHead = {
    status: Number(status[2]),
    headers: [],
    contentType: '',
    contentEncoding: null,
    keepAlive: status[1] === '1',
    keepAliveSeconds: null,
    length: null,
    chunked: false,
  };
  for (let i = 1; i < lines.length; i++) readHeader(head, lines[i] as string);
  if (head.chunked && head.length !== null) throw new MalformedResponse('a content-length beside chunks');
  return head;
}

function readHeader(head: ParsedHead, line: string): void {
  const colon = line.indexOf(':');
  const name = line.slice(0, colon);
  const value = line.slice(colon + 1).trim();
  if (colon <= 0 || !namePattern.test(name) || !valuePattern.test(value))
    throw new MalformedResponse('a header that is none');
  head.headers.push(name, value);
  switch (name.toLowerCase()) {
    case 'content-type':
      head.contentType = value;
      break;
    case 'content-encoding':
      head.contentEncoding = value;
      break;
    case 'content-length':
      if (!/^\d{1,15}$/.test(value) || (head.length !== null && head.length !== Number(value)))
        throw new MalformedResponse('a content-length that is no length');
      head.length = Number(value);
      break;
    case 'transfer-encoding':
      if (head.chunked || value.toLowerCase() !== 'chunked')
        throw new MalformedResponse('a transfer-encoding other than chunked');
      head.chunked = true;
      break;
    case 'connection':
      if (/(?:^|,)\s*close\s*(?:,|$)/i.test(value)) head.keepAlive = false;
      break;
    case 'keep-alive': {
      const timeout = /\btimeout=(\d{1,6})\b/.exec(value);
      if (timeout !== null) head.keepAliveSeconds = Number(timeout[1]);
    }
  }
}
