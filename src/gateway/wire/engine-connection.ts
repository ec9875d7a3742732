/**
 * One HTTP/1.1 connection to an engine, one exchange at a time. It is the hot path of the gateway, and small because it
 * knows what it is for: whole request bodies at hand, no pipelining, no redirects. All sockets read into one buffer (a
 * read is handed over before the next begins), which saves an allocation of 64 KiB per event and its memory per stream.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ClientExchange } from './client-exchange.js';
import { descriptorOf, type EventRelay, type LentPair, type SocketLender } from './event-relay.js';
import { fieldLine } from './header-fields.js';
import { MalformedMessage } from './message-parser.js';
import { ResponseParser, type ResponseHead, type ResponseSink } from './response-parser.js';

export interface ExchangeHandler {
  onHead(head: ResponseHead): void;
  /** The bytes are lent for the call. `last`: `onEnd` follows at once. */
  onData(bytes: Buffer, last: boolean): void;
  /** Events that the native relay carried while the socket was lent, and how long ago the last one was. */
  onRelayed(events: number, sinceMs: number): void;
  /** Bytes of them that the client did not take, framed; lent for the call. */
  onUnsent(bytes: Buffer): void;
  /** The response is complete; the connection may be released. */
  onEnd(): void;
  /** The connection broke before the end of the response. */
  onError(error: Error): void;
}

export interface ExchangeRequest {
  method: string;
  path: string;
  /** Flat name/value list without `host`, `content-length` and hop-by-hop headers. */
  headers: readonly string[];
  body: Buffer | null;
}

const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

export class EngineConnection implements ResponseSink, SocketLender {
  readonly #host: string;
  readonly #relay: EventRelay | null;
  readonly #socket: Socket;
  readonly #parser = new ResponseParser(this);
  #handler: ExchangeHandler | null = null;
  #head: ResponseHead | null = null;
  #error: Error | null = null;
  #connectTimer: NodeJS.Timeout | null;
  #onClose: () => void;
  #quietSweeps = 0;
  #lent: LentPair | null = null;
  /** Events that the lent pair had relayed at the last sweep. */
  #sweptEvents = 0;

  constructor(origin: string, connectTimeoutMs: number, relay: EventRelay | null, onClose: () => void) {
    const { protocol, hostname, port, host } = new URL(origin);
    this.#relay = relay;
    this.#host = host;
    this.#onClose = onClose;
    const address = { host: hostname.replace(/^\[|\]$/g, ''), noDelay: true };
    this.#socket =
      protocol === 'https:'
        ? connectTls({ ...address, port: Number(port || 443), servername: hostname }).on(
            'data',
            (bytes: Buffer) => this.#read(bytes, bytes.length),
          )
        : connectTcp({
            ...address,
            port: Number(port || 80),
            onread: {
              buffer: readBuffer,
              callback: (length) => {
                this.#read(readBuffer, length);
                return true;
              },
            },
          });
    this.#connectTimer = setTimeout(() => this.destroy(connectTimeout()), connectTimeoutMs);
    this.#socket
      .once(protocol === 'https:' ? 'secureConnect' : 'connect', () => this.#connected())
      .once('end', () => this.#parser.finish())
      .once('error', (error) => (this.#error ??= error))
      .once('close', () => this.#closed());
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  /** Whether another request may follow, and within how many seconds the engine would close on its own. */
  get reusable(): boolean {
    const { destroyed, writableLength, readable } = this.#socket;
    return (
      !destroyed &&
      readable &&
      writableLength === 0 &&
      this.#handler === null &&
      this.#head?.keepAlive === true
    );
  }

  get keepAliveSeconds(): number | null {
    return this.#head?.keepAliveSeconds ?? null;
  }

  /** Called at regular intervals; how many of them have passed since the last byte of a response under way. */
  countQuiet(): number {
    const relayed = this.#lent?.events ?? 0;
    const silent = this.#handler !== null && this.#head !== null && relayed === this.#sweptEvents;
    this.#sweptEvents = relayed;
    this.#quietSweeps = silent ? this.#quietSweeps + 1 : 0;
    return this.#quietSweeps;
  }

  /** Throws when a header holds what no header may. */
  send(request: ExchangeRequest, handler: ExchangeHandler): void {
    this.#handler = handler;
    this.#head = null;
    this.#quietSweeps = 0;
    this.#parser.begin(request.method);
    const head = requestHead(request, this.#host);
    const { body } = request;
    if (body === null) this.#socket.write(head, 'latin1');
    else if (body.length <= maxJoinedBytes) this.#socket.write(joined(head, body));
    else {
      this.#socket.cork();
      this.#socket.write(head, 'latin1');
      this.#socket.write(body);
      this.#socket.uncork();
    }
  }

  /**
   * Lends this socket and the client's to the relay, until one of them is needed here. Called between two events; where the answer
   * or the sockets do not allow it nothing happens.
   */
  lend(exchange: ClientExchange, gaps: Float64Array, sinceMs: number): void {
    if (this.#relay === null || this.#lent !== null || !this.#parser.betweenChunks) return;
    const engine = descriptorOf(this.#socket);
    const client = engine === null ? null : exchange.lend(() => this.#takeBack());
    if (engine === null || client === null) return;
    this.#socket.pause();
    this.#lent = this.#relay.begin(engine, client, sinceMs, gaps, this);
    if (this.#lent === null) this.#socket.resume();
  }

  onRead(bytes: Buffer): void {
    this.#takeBack();
    if (bytes.length > 0) this.#read(bytes, bytes.length);
  }

  onUnsent(bytes: Buffer): void {
    this.#takeBack();
    this.#handler?.onUnsent(bytes);
  }

  #takeBack(): void {
    if (this.#lent === null) return;
    const { events, sinceMs } = this.#lent.end();
    this.#lent = null;
    this.#sweptEvents = 0;
    this.#quietSweeps = 0;
    this.#socket.resume();
    this.#handler?.onRelayed(events, sinceMs);
  }

  pause(): void {
    this.#takeBack();
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** The handler hears of it unless its exchange is over; `quietly` it does not. */
  destroy(error: Error, quietly = false): void {
    this.#takeBack();
    if (quietly) this.#handler = null;
    this.#error ??= error;
    this.#socket.destroy();
  }

  #connected(): void {
    if (this.#connectTimer !== null) clearTimeout(this.#connectTimer);
    this.#connectTimer = null;
  }

  #read(bytes: Buffer, length: number): void {
    this.#quietSweeps = 0;
    try {
      this.#parser.push(bytes, length);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.destroy(error);
    }
  }

  // --- what the parser finds ---

  onHead(head: ResponseHead): void {
    this.#head = head;
    this.#handler?.onHead(head);
  }

  onData(bytes: Buffer, last: boolean): void {
    this.#handler?.onData(bytes, last);
  }

  onEnd(): void {
    const handler = this.#handler;
    this.#handler = null;
    handler?.onEnd();
  }

  #closed(): void {
    this.#takeBack();
    this.#connected();
    const handler = this.#handler;
    this.#handler = null;
    this.#onClose();
    handler?.onError(this.#error ?? new Error('other side closed'));
  }
}

/** Smaller bodies go out in one buffer with the head: a copy costs less than a second entry for the kernel. */
const maxJoinedBytes = 64 * 1024;

function joined(head: string, body: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(head.length + body.length);
  bytes.write(head, 0, 'latin1');
  body.copy(bytes, head.length);
  return bytes;
}

/** The request line and the headers. Whatever could end a line early is refused here, wherever it came from. */
export function requestHead({ method, path, headers, body }: ExchangeRequest, host: string): string {
  let head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`;
  if (/[^\x21-\x7e\x80-\xff]/.test(path) || !/^[A-Z-]+$/.test(method))
    throw new Error('a request line that is none');
  for (let i = 0; i + 1 < headers.length; i += 2)
    head += fieldLine(headers[i] as string, headers[i + 1] as string);
  if (body !== null) head += `content-length: ${body.length}\r\n`;
  else if (method !== 'GET' && method !== 'HEAD') head += 'content-length: 0\r\n';
  return `${head}\r\n`;
}

function connectTimeout(): Error {
  return Object.assign(new Error('no connection in time'), { code: 'CONNECT_TIMEOUT' });
}
