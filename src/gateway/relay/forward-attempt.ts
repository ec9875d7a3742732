/**
 * One attempt to have one endpoint answer one request. Until the first byte of the body is at hand nothing reaches the
 * client, not even the status: so an engine that sent only headers can still be left for another one. From then on the
 * response is relayed as it comes. Every attempt ends exactly once, with an `AttemptEnd`.
 */
import { messageOf } from '../../domain/error-codes.js';
import type { Clock, Timer } from '../../runtime/clock.js';
import type { LiveMember } from '../../runtime/live-set.js';
import { refusingStatuses, saysEngineDead, type AttemptEnd } from './attempt-end.js';
import { classifyLoss } from './classify-loss.js';
import type { Connection } from './endpoint-connections.js';
import { looksLikeErrorEvent, maxHeldBytes } from './error-opening.js';
import type { ClientExchange } from '../wire/client-exchange.js';
import type { ExchangeHandler } from '../wire/engine-connection.js';
import type { HistogramSeries } from '../observe/fast-histogram.js';
import { downstreamHeaders } from './relay-headers.js';
import { RelayStream, type StreamDialect } from './relay-stream.js';
import type { ResponseHead } from '../wire/response-parser.js';
import type { StreamUsage } from './sse-observer.js';
import { TailUsage } from './tail-usage.js';

export interface AttemptOptions {
  connection: Connection;
  endpointId: string;
  method: string;
  path: string;
  headers: string[];
  body: Buffer | null;
  exchange: ClientExchange;
  /** Headers of ours that go with the engine's; called when they are sent. */
  extraHeaders: () => string[];
  dialect: StreamDialect;
  /** Whether usage is worth looking for in a plain JSON answer. */
  readsUsage: boolean;
  firstByteTimeoutMs: number;
  /** The client's own limit for the first byte, by the monotonic clock. */
  deadlineMs: number;
  /** How long a client may leave its bytes unread. */
  clientStallMs: number;
  clock: Clock;
  /** First data of an event stream, or the first byte of a plain answer (not `streamed`), whose first token nobody saw. */
  onFirstToken: (streamed: boolean) => void;
  /** Gets the gaps between arrivals of tokens. */
  gaps: HistogramSeries;
  /** Bytes of the body on their way to the client, lent for the call; until it returns false. */
  onBody?: ((chunk: Buffer) => boolean) | undefined;
  /** Events that went to the client without passing here. */
  onRelayed: (events: number) => void;
  onPause: () => void;
  /** Events that were too large to be read in passing. */
  onUnread: (events: number) => void;
}

export class ForwardAttempt implements ExchangeHandler, LiveMember {
  readonly ended: Promise<AttemptEnd>;
  place = -1;
  readonly #options: AttemptOptions;
  readonly #startedMs: number;
  #resolve!: (end: AttemptEnd) => void;
  #over = false;
  #status = 0;
  #headers: readonly string[] = [];
  #events = false;
  /** Body held back: an error answer that may lead elsewhere, or the start of what may be an error event. */
  #held: Buffer[] | null = null;
  #heldBytes = 0;
  #relay: RelayStream | null = null;
  #tail: TailUsage | null = null;
  #firstByteTimer: Timer | null = null;
  #stallTimer: Timer | null = null;
  #lastTokenMs = 0;
  #wantsBody: boolean;
  /** Reads since the connection was last lent, and how many of them it takes to lend it. */
  #calmReads = 0;
  #readsToLend = 1;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
    this.#wantsBody = options.onBody !== undefined;
    this.ended = new Promise((resolve) => (this.#resolve = resolve));
  }

  get endpointId(): string {
    return this.#options.endpointId;
  }

  /** Events with data that went to the client. */
  get seenEvents(): number {
    return this.#relay?.observer?.summary.events ?? 0;
  }

  start(): this {
    const { connection, method, path, headers, body } = this.#options;
    this.#limitFirstByte();
    try {
      connection.send({ method, path, headers, body }, this);
    } catch (error) {
      this.#lose('endpoint-lost', messageOf(error));
    }
    return this;
  }

  /** The endpoint's work will not finish: elsewhere if nothing was sent, else the truth, now. */
  evict(reason: string): void {
    if (this.#relay === null) this.#lose('endpoint-evicted', reason);
    else this.#interrupt('eviction', reason);
  }

  /** No new work there: what has not begun moves on, what has begun may finish. */
  vacate(reason: string): void {
    if (this.#relay === null) this.#lose('endpoint-evicted', reason);
  }

  shutDown(reason: string): void {
    if (this.#relay === null) this.#lose('endpoint-evicted', reason);
    else this.#interrupt('shutdown', reason);
  }

  /** The client went away. */
  cancel(): void {
    this.#stop({ kind: 'client-gone' });
  }

  onHead({ status, headers, contentType, contentEncoding }: ResponseHead): void {
    if (this.#over) return;
    this.#status = status;
    this.#headers = headers;
    this.#events = contentType.startsWith('text/event-stream') && contentEncoding === null;
    if (refusingStatuses.has(status) || status === 500 || (this.#events && status === 200)) this.#held = [];
  }

  onData(chunk: Buffer, last: boolean): void {
    if (this.#over) return;
    if (this.#firstByteTimer !== null) {
      this.#firstByteTimer.cancel();
      this.#firstByteTimer = null;
    }
    const writable = this.#held === null ? this.#write(chunk, last) : this.#hold(this.#held, chunk, last);
    if (!writable && !this.#over) this.#pause();
  }

  onRelayed(events: number, sinceMs: number): void {
    if (events === 0) return;
    this.#relay?.observer?.countPassed(events);
    this.#lastTokenMs = this.#options.clock.monotonicMs() - sinceMs;
    this.#options.onRelayed(events);
  }

  onUnsent(bytes: Buffer): void {
    if (!this.#over && !this.#options.exchange.writeFramed(bytes)) this.#pause();
  }

  onEnd(): void {
    if (this.#over) return;
    if (this.#held !== null && this.#status !== 200) {
      this.#refuse(this.#held);
      return;
    }
    if (this.#events && this.#heldBytes === 0 && this.#relay === null) {
      this.#lose('endpoint-lost', 'the event stream ended before its first event');
      return;
    }
    if (this.#held !== null) this.#commitHeld(true);
    const relay = this.#relay ?? this.#commit();
    this.#options.connection.release();
    if (this.#status === 200 && !relay.isWhole(this.#options.dialect)) {
      const message = 'the engine ended the stream without finish reason or [DONE]';
      relay.interrupt('stream-interrupted', message);
      this.#end({ kind: 'answered', status: 200, result: 'truncated', usage: this.#usage() });
      return;
    }
    relay.end();
    this.#end({ kind: 'answered', status: this.#status, result: this.#result(), usage: this.#usage() });
  }

  onError(error: Error): void {
    if (this.#over) return;
    const { code, message } = classifyLoss(error);
    if (this.#relay !== null)
      this.#interrupt(code === 'endpoint-timeout' ? 'timeout' : 'upstream', message, error);
    else this.#lose(code, message, error);
  }

  #limitFirstByte(): void {
    const { clock, deadlineMs, firstByteTimeoutMs } = this.#options;
    const limitMs = firstByteTimeoutMs > 0 ? firstByteTimeoutMs : Infinity;
    const leftMs = deadlineMs - this.#startedMs;
    if (leftMs <= limitMs && leftMs !== Infinity)
      this.#firstByteTimer = clock.after(Math.max(0, leftMs), () => this.#stop({ kind: 'deadline' }));
    else if (limitMs !== Infinity)
      this.#firstByteTimer = clock.after(limitMs, () =>
        this.#lose('endpoint-timeout', `no first byte within ${limitMs} ms`),
      );
  }

  /** Nobody waits for the answer: the engine should stop as well, also in a silent prefill. */
  #stop(end: AttemptEnd): void {
    if (this.#over) return;
    this.#options.connection.discard(new Error(end.kind));
    this.#end(end);
  }

  #hold(held: Buffer[], chunk: Buffer, last: boolean): boolean {
    held.push(Buffer.from(chunk));
    this.#heldBytes += chunk.length;
    if (this.#status === 200) {
      const verdict = looksLikeErrorEvent(held.length === 1 ? chunk : Buffer.concat(held));
      if (verdict === 'no') return this.#commitHeld(last);
      if (verdict === 'dead') this.#refuse(held);
      if (verdict === 'dead') return true;
    }
    return this.#heldBytes <= maxHeldBytes || this.#commitHeld(last);
  }

  #commitHeld(last: boolean): boolean {
    const held = this.#held ?? [];
    this.#held = null;
    return held.length === 0 || this.#write(Buffer.concat(held), last);
  }

  #commit(): RelayStream {
    const { exchange, extraHeaders, readsUsage, onFirstToken } = this.#options;
    this.#relay = new RelayStream(exchange, this.#events, () => this.#resume());
    this.#relay.begin(this.#status, downstreamHeaders(this.#headers, extraHeaders()));
    if (!this.#events && this.#status < 400) onFirstToken(false);
    if (!this.#events && readsUsage) this.#tail = new TailUsage();
    return this.#relay;
  }

  /** `more`: the end or other bytes follow in this turn. */
  #write(chunk: Buffer, more: boolean): boolean {
    const relay = this.#relay ?? this.#commit();
    if (this.#wantsBody) this.#wantsBody = this.#options.onBody?.(chunk) === true;
    const before = this.seenEvents;
    const writable = relay.write(chunk, more);
    if (relay.observer === null) this.#tail?.push(chunk);
    else if (this.seenEvents !== before) this.#timeTokens(before === 0);
    if (writable && !more && !this.#wantsBody && relay.betweenEvents) this.#lend();
    return writable;
  }

  /** Events that nobody here has to read pass by themselves; a stream that keeps coming back is lent less and less often. */
  #lend(): void {
    if (++this.#calmReads < this.#readsToLend) return;
    this.#calmReads = 0;
    this.#readsToLend *= 2;
    const { connection, exchange, gaps, clock } = this.#options;
    connection.lend(exchange, gaps.values, clock.monotonicMs() - this.#lastTokenMs);
  }

  #timeTokens(first: boolean): void {
    const { clock, onFirstToken, gaps } = this.#options;
    const nowMs = clock.monotonicMs();
    if (first) onFirstToken(true);
    else gaps.observe((nowMs - this.#lastTokenMs) / 1000);
    this.#lastTokenMs = nowMs;
  }

  #pause(): void {
    const { clock, clientStallMs, connection, onPause } = this.#options;
    connection.pause();
    onPause();
    this.#stallTimer?.cancel();
    // A client that reads nothing for so long is gone; its lease must not be held for ever.
    this.#stallTimer = clock.after(clientStallMs, () => {
      this.#options.exchange.destroy();
      this.cancel();
    });
  }

  #resume(): void {
    this.#stallTimer?.cancel();
    if (!this.#over) this.#options.connection.resume();
  }

  #refuse(held: Buffer[]): void {
    const body = Buffer.concat(held);
    const { connection, extraHeaders } = this.#options;
    const engineDead =
      this.#status === 200 || (this.#status === 500 && saysEngineDead(body.toString('latin1')));
    const headers = downstreamHeaders(this.#headers, extraHeaders());
    if (this.#status === 200) connection.discard(new Error('engine dead'));
    else connection.release();
    this.#end({
      kind: 'refused',
      status: this.#status,
      engineDead,
      answer: { status: this.#status, headers, body },
    });
  }

  #lose(
    code: 'endpoint-refused' | 'endpoint-lost' | 'endpoint-timeout' | 'endpoint-evicted',
    message: string,
    error?: Error,
  ): void {
    if (this.#over) return;
    const { connection, clock } = this.#options;
    const soon = clock.monotonicMs() - this.#startedMs < keepAliveRaceMs;
    const race =
      code === 'endpoint-lost' && error !== undefined && connection.reused && soon && this.#status === 0;
    connection.discard(error ?? new Error(message));
    this.#end({ kind: 'lost', code, message, race });
  }

  #interrupt(by: 'upstream' | 'timeout' | 'eviction' | 'shutdown', message: string, error?: Error): void {
    if (this.#over) return;
    this.#options.connection.discard(error ?? new Error(message));
    this.#relay?.interrupt('stream-interrupted', message);
    this.#end({ kind: 'interrupted', by, message });
  }

  #result(): 'ok' | 'client-error' | 'engine-error' {
    if (this.#status >= 500 || (this.#relay?.observer?.summary.error ?? null) !== null) return 'engine-error';
    return this.#status >= 400 ? 'client-error' : 'ok';
  }

  #usage(): StreamUsage | null {
    return this.#relay?.observer?.summary.usage ?? this.#tail?.read() ?? null;
  }

  #end(end: AttemptEnd): void {
    this.#over = true;
    this.#firstByteTimer?.cancel();
    this.#stallTimer?.cancel();
    this.#held = null;
    const unread = this.#relay?.observer?.skipped ?? 0;
    if (unread > 0) this.#options.onUnread(unread);
    this.#resolve(end);
  }
}

/** A used connection that fails later than this was not closing when the request went out. */
const keepAliveRaceMs = 1000;
