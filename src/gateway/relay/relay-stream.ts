/**
 * The way of one response from an engine to a client: bytes unchanged, sent as they come, with back-pressure. Of an event
 * stream only whole events are passed on; the beginning of an event waits for its end (engines write whole events, so
 * in practice nothing waits), because a stream that is cut can then always be ended with a readable error event.
 */
import type { ErrorCode } from '../../domain/error-codes.js';
import { errorEvent } from '../request/openai-error.js';
import type { ClientExchange } from '../wire/client-exchange.js';
import { SseObserver } from './sse-observer.js';

/** How an event stream of this kind ends when it is whole. */
export type StreamDialect = 'openai' | 'responses' | 'unknown';

/** A partial event larger than this is passed on without waiting for its end. */
const maxHeldBytes = 64 * 1024;

/** The client's side of a response; made when the first byte is about to be sent. */
export class RelayStream {
  readonly observer: SseObserver | null;
  readonly #exchange: ClientExchange;
  /** The beginning of an event, its bytes as characters. */
  #held = '';
  /** Set once bytes went out in the middle of an event. */
  #midEvent = false;

  constructor(exchange: ClientExchange, events: boolean, onWritable: () => void) {
    this.#exchange = exchange;
    exchange.onWritable = onWritable;
    this.observer = events ? new SseObserver() : null;
  }

  /** All that came has left, and it was whole events. */
  get betweenEvents(): boolean {
    return this.#held === '' && !this.#midEvent && this.observer?.betweenEvents === true;
  }

  begin(status: number, headers: string[]): void {
    if (!this.#exchange.destroyed) this.#exchange.begin(status, headers);
  }

  /**
   * The bytes are lent for the call. False when the client is behind: the upstream must pause until `onWritable`. `more`: the
   * end or other bytes follow in this turn.
   */
  write(chunk: Buffer, more = false): boolean {
    if (this.observer === null) return this.#exchange.write(chunk, more);
    const text = chunk.toString('latin1');
    const incomplete = this.observer.push(text);
    if (incomplete === 0 && this.#held === '') {
      this.#midEvent = false;
      return this.#exchange.write(text, more);
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
    this.#exchange.end();
  }

  /**
   * Ends a response that cannot be finished: an event stream with one coded error event, anything else by destroying the
   * connection, which is the only thing a client of a plain body cannot mistake for the end.
   */
  interrupt(code: ErrorCode, message: string): void {
    this.#held = '';
    if (this.observer === null) this.#exchange.destroy();
    else this.#exchange.end(Buffer.from(`${this.#midEvent ? '\n\n' : ''}${errorEvent(code, message)}`));
  }

  #holdTail(text: string, incomplete: number): boolean {
    const whole = text.length - incomplete;
    let writable = true;
    if (whole > 0) {
      writable = this.#exchange.write(this.#held + text.slice(0, whole));
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
    return held === '' || this.#exchange.write(held);
  }
}
