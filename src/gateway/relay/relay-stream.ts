/**
 * The way of one response from an engine to a client: bytes unchanged, sent as they come, with back-pressure. Of an event
 * stream only whole events are passed on; the beginning of an event waits for its end (engines write whole events, so
 * in practice nothing waits), because a stream that is cut can then always be ended with a readable error event.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../domain/error-codes.js';
import { errorEvent } from '../request/openai-error.js';
import { SseObserver } from './sse-observer.js';

/** How an event stream of this kind ends when it is whole. */
export type StreamDialect = 'openai' | 'responses' | 'unknown';

/** A partial event larger than this is passed on without waiting for its end. */
const maxHeldBytes = 64 * 1024;

/** The client's side of a response; made when the first byte is about to be sent. */
export class RelayStream {
  readonly observer: SseObserver | null;
  readonly #response: ServerResponse;
  readonly #onWritable: () => void;
  /** The beginning of an event, its bytes as characters. */
  #held = '';
  #waiting = false;
  /** Later events go straight to the socket, framed here: at one event per write Node's own framing is half the cost. */
  #socket: Socket | null = null;
  /** Set once bytes went out in the middle of an event. */
  #midEvent = false;

  constructor(response: ServerResponse, events: boolean, onWritable: () => void) {
    this.#response = response;
    this.#onWritable = onWritable;
    this.observer = events ? new SseObserver() : null;
  }

  begin(status: number, headers: string[]): void {
    if (!this.#response.destroyed) this.#response.writeHead(status, headers);
  }

  /** The bytes are lent for the call. False when the client is behind: the upstream must pause until `onWritable`. */
  write(chunk: Buffer): boolean {
    if (this.observer === null) return this.#send(Buffer.from(chunk));
    const text = chunk.toString('latin1');
    const incomplete = this.observer.push(text);
    if (incomplete === 0 && this.#held === '') {
      this.#midEvent = false;
      return this.#send(text);
    }
    return this.#holdTail(text, incomplete);
  }

  /** Whether the stream came to its own end, as far as this dialect lets one tell. */
  isWhole(dialect: StreamDialect): boolean {
    if (this.observer === null || dialect === 'unknown') return true;
    const { done, finishReason, terminal, error } = this.observer.summary;
    return done || finishReason !== null || error !== null || (dialect === 'responses' && terminal);
  }

  end(): void {
    this.#flush();
    if (!this.#response.destroyed) this.#response.end();
  }

  /**
   * Ends a response that cannot be finished: an event stream with one coded error event, anything else by destroying the
   * connection, which is the only thing a client of a plain body cannot mistake for the end.
   */
  interrupt(code: ErrorCode, message: string): void {
    this.#held = '';
    if (this.#response.destroyed) return;
    if (this.observer === null) this.#response.destroy();
    else this.#response.end(`${this.#midEvent ? '\n\n' : ''}${errorEvent(code, message)}`);
  }

  #holdTail(text: string, incomplete: number): boolean {
    const whole = text.length - incomplete;
    let writable = true;
    if (whole > 0) {
      writable = this.#send(this.#held + text.slice(0, whole));
      this.#held = '';
      this.#midEvent = false;
    }
    this.#held += text.slice(whole);
    if (this.#midEvent || this.#held.length > maxHeldBytes) {
      this.#midEvent = true;
      writable = this.#flush() && writable;
    }
    return writable;
  }

  #flush(): boolean {
    const held = this.#held;
    this.#held = '';
    return held === '' || this.#send(held);
  }

  /** Events go out as latin1 text, which is their bytes: it has been made to be read, and spares a buffer for each. */
  #send(bytes: Buffer | string): boolean {
    const response = this.#response;
    if (response.destroyed) return true;
    const socket = this.#socket;
    const writable =
      socket === null
        ? response.write(bytes, 'latin1')
        : socket.write(`${bytes.length.toString(16)}\r\n${bytes as string}\r\n`, 'latin1');
    // The head has gone out with the first event; a response that waits behind another has no socket yet.
    if (socket === null && typeof bytes === 'string' && response.chunkedEncoding)
      this.#socket = response.socket;
    if (writable) return true;
    if (!this.#waiting) {
      this.#waiting = true;
      (socket ?? response).once('drain', () => {
        this.#waiting = false;
        this.#onWritable();
      });
    }
    return false;
  }
}
