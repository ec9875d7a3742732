/**
 * One request of a client and its answer, on a connection that `client-connection.ts` keeps. Bytes are buffers or latin1 text,
 * which is bytes as characters: an event was made text to be read, and goes out as such. Head, bytes and end that are known
 * together leave in one write.
 */
import { STATUS_CODES } from 'node:http';
import { fieldLine } from './header-fields.js';
import type { RequestHead } from './request-parser.js';

export type BodyRead = { kind: 'read'; body: Buffer } | { kind: 'too-large' } | { kind: 'client-gone' };

/** The connection, as an exchange needs it. */
export interface ExchangeLink {
  /** False when the client is behind: `onWritable` says when it has caught up. */
  send(text: string): boolean;
  /** The last bytes of the answer. */
  finish(text: string, keepAlive: boolean): void;
  destroy(): void;
  /** Its descriptor, for others to write to until `revoke` is called, which is before anything else happens to it. */
  lend(revoke: () => void): number | null;
}

/** How long an idle connection stays, seconds: longer than the idle limit of usual load balancers, so that they close first. */
export const keepAliveSeconds = 75;

export class ClientExchange {
  /** The client went away before it had the whole answer. */
  onGone: (() => void) | null = null;
  /** After a `write` that returned false. */
  onWritable: (() => void) | null = null;
  readonly head: RequestHead;
  readonly #link: ExchangeLink;
  #destroyed = false;
  /** What has come of the body; `null` when nobody wants it. */
  #body: Buffer[] | null = [];
  #bodyBytes = 0;
  #maxBodyBytes = Infinity;
  #complete = false;
  #onBody: ((read: BodyRead) => void) | null = null;
  #begun = false;
  #ended = false;
  /** Status line and headers without the framing, until the first bytes tell how it is framed. */
  #heading: string | null = null;
  /** Bytes that go with those that follow. */
  #unsent = '';
  #bodyless = false;
  /** The head says the length. */
  #framed = false;
  #chunked = false;
  #keepAlive: boolean;

  constructor(head: RequestHead, link: ExchangeLink) {
    this.head = head;
    this.#link = link;
    this.#keepAlive = head.keepAlive;
  }

  /** Nothing reaches the client any more. */
  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** An answer has begun. */
  get begun(): boolean {
    return this.#begun;
  }

  /** The whole request has come. */
  get complete(): boolean {
    return this.#complete;
  }

  /** The body, and no more of it than the limit: neither a lie in Content-Length nor its absence makes it grow. */
  readBody(maxBytes: number): BodyRead | Promise<BodyRead> {
    this.#maxBodyBytes = maxBytes;
    if ((this.head.length ?? this.#bodyBytes) > maxBytes) return { kind: 'too-large' };
    if (this.#complete) return this.#wholeBody();
    if (this.#destroyed) return { kind: 'client-gone' };
    if (this.head.waits && !this.#begun) this.#link.send('HTTP/1.1 100 Continue\r\n\r\n');
    return new Promise((resolve) => (this.#onBody = resolve));
  }

  /**
   * Lets the rest of an unwanted body pass, so that the client gets to read our answer instead of a reset connection; a
   * client that never stops sending is cut off.
   */
  discardBody(maxBytes: number): void {
    this.#body = null;
    this.#maxBodyBytes = maxBytes;
    // A client that waits for a word before it sends may not send at all: where the next request begins is unknown.
    if (this.head.waits && !this.#complete) this.#keepAlive = false;
  }

  /** Flat name/value list; hop-by-hop headers but `connection: close` are not the caller's. Throws when a value is no header's. */
  begin(status: number, headers: readonly string[]): void {
    let heading = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`;
    let dated = false;
    for (let i = 0; i + 1 < headers.length; i += 2) {
      const name = headers[i] as string;
      const value = headers[i + 1] as string;
      const lower = name.toLowerCase();
      if (lower === 'connection') {
        if (value === 'close') this.#keepAlive = false;
        continue;
      }
      if (lower === 'content-length') this.#framed = true;
      else if (lower === 'date') dated = true;
      heading += fieldLine(name, value);
    }
    if (!dated) heading += `date: ${dateText()}\r\n`;
    if (status === 204 || status === 304 || this.head.method === 'HEAD') this.#bodyless = true;
    this.#heading = heading;
    this.#begun = true;
  }

  /** False when the client is behind. `more`: the next bytes or the end follow in this turn, and go along. */
  write(bytes: Buffer | string, more = false): boolean {
    if (this.#destroyed || this.#bodyless || bytes.length === 0) return true;
    if (this.#heading !== null) this.#frame(null);
    this.#unsent += this.#chunk(asText(bytes));
    if (more) return true;
    const text = this.#unsent;
    this.#unsent = '';
    return this.#link.send(text);
  }

  /** Lends the connection between two events of an answer in chunks; see `ExchangeLink`. `null` where that is not possible. */
  lend(revoke: () => void): number | null {
    const between = this.#chunked && this.#unsent === '' && !this.#ended && !this.#destroyed;
    return between ? this.#link.lend(revoke) : null;
  }

  /** Bytes of chunks that began to leave while the connection was lent. False when the client is behind. */
  writeFramed(bytes: Buffer): boolean {
    return this.#destroyed || this.#link.send(asText(bytes));
  }

  end(bytes: Buffer | string = ''): void {
    if (this.#destroyed || this.#ended) return;
    this.#ended = true;
    if (this.#heading !== null) this.#frame(bytes.length);
    let text = this.#unsent;
    if (!this.#bodyless && bytes.length > 0) text += this.#chunk(asText(bytes));
    if (this.#chunked) text += '0\r\n\r\n';
    this.#unsent = '';
    this.#link.finish(text, this.#keepAlive);
  }

  destroy(): void {
    this.#link.destroy();
  }

  /** For the connection: bytes of the body. */
  take(bytes: Buffer): void {
    this.#bodyBytes += bytes.length;
    if (this.#bodyBytes <= this.#maxBodyBytes) {
      this.#body?.push(bytes);
      return;
    }
    if (this.#body === null) this.#link.destroy();
    this.#settleBody({ kind: 'too-large' });
  }

  /** For the connection: the request is whole. */
  finishRequest(): void {
    this.#complete = true;
    if (this.#onBody !== null) this.#settleBody(this.#wholeBody());
  }

  /** For the connection: the client is gone. */
  leave(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#settleBody({ kind: 'client-gone' });
    this.onGone?.();
  }

  #wholeBody(): BodyRead {
    const parts = this.#body ?? [];
    this.#body = null;
    return {
      kind: 'read',
      body: parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts),
    };
  }

  #settleBody(read: BodyRead): void {
    const onBody = this.#onBody;
    this.#onBody = null;
    this.#body = null;
    onBody?.(read);
  }

  /** Ends the head. `whole`: bytes of the body when there is no more than that. */
  #frame(whole: number | null): void {
    let heading = this.#heading as string;
    this.#heading = null;
    if (!this.#framed && !this.#bodyless) {
      if (whole !== null) heading += `content-length: ${whole}\r\n`;
      else if (this.head.old) this.#keepAlive = false;
      else {
        heading += 'transfer-encoding: chunked\r\n';
        this.#chunked = true;
      }
    }
    this.#unsent = `${heading}${this.#keepAlive ? staysOpen : 'connection: close\r\n'}\r\n`;
  }

  #chunk(text: string): string {
    return this.#chunked ? `${text.length.toString(16)}\r\n${text}\r\n` : text;
  }
}

const staysOpen = `connection: keep-alive\r\nkeep-alive: timeout=${keepAliveSeconds}\r\n`;

function asText(bytes: Buffer | string): string {
  return typeof bytes === 'string' ? bytes : bytes.toString('latin1');
}

let date = '';
let dateSecond = 0;

function dateText(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) date = new Date(second * 1000).toUTCString();
  dateSecond = second;
  return date;
}
