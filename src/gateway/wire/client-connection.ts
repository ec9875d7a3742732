/**
 * One connection of a client: requests one after the other, each answered before the next is looked at. What cannot be read as
 * HTTP, or does not come in time, gets one answer and the connection its end.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../runtime/clock.js';
import type { LiveMember } from '../../runtime/live-set.js';
import { ClientExchange, keepAliveSeconds, type ExchangeLink } from './client-exchange.js';
import { descriptorOf } from './event-relay.js';
import { HeadTooLarge, MalformedMessage } from './message-parser.js';
import { RequestParser, type RequestHead, type RequestSink } from './request-parser.js';

/** A head must be whole within this time, a request within five minutes. */
const headTimeoutMs = 30_000;
const requestTimeoutMs = 5 * 60_000;
/** How long a client may take to read our last words and close. */
const farewellMs = 5_000;
/** Bytes of later requests that wait for the present one; beyond them the client has to wait. */
const maxHeldBytes = 64 * 1024;
/** Bytes that are let pass after our last word: who is told that a body is too large should get to read it. */
const maxFarewellBytes = 64 * 1024 * 1024;

export type BadConnection = 'malformed' | 'head-too-large' | 'late';

export interface ConnectionOwner {
  readonly clock: Clock;
  serve(exchange: ClientExchange): void;
  /** The answer has left, or nobody is there to get it. */
  served(): void;
  /** What a client is told whose bytes were no request. */
  refusal(why: BadConnection): string;
  closed(connection: ClientConnection): void;
}

export class ClientConnection implements ExchangeLink, RequestSink, LiveMember {
  place = -1;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #parser = new RequestParser(this);
  #exchange: ClientExchange | null = null;
  /** Its head has come, and nobody has been told. */
  #unserved = false;
  /** Its answer has left. */
  #answered = false;
  /** Since when the head, the request, the next request or the client's farewell is waited for. */
  #sinceMs: number;
  /** Nothing was asked yet. */
  #fresh = true;
  #midHead = false;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Our last word is said; what still comes is counted and dropped. */
  #leaving = false;
  #farewellBytes = 0;
  /** Takes the descriptor back from whom it is lent to. */
  #revoke: (() => void) | null = null;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.#sinceMs = owner.clock.monotonicMs();
    socket
      .on('data', (bytes: Buffer) => this.#take(bytes))
      .on('drain', () => this.#exchange?.onWritable?.())
      .on('end', () => this.#exchange?.leave())
      // The descriptor is closed already; in this turn nobody has got to use its number.
      .on('error', () => this.#takeBack())
      .once('close', () => this.#closed());
  }

  /** Between two requests, or before the first. */
  get idle(): boolean {
    return this.#exchange === null && !this.#midHead;
  }

  lend(revoke: () => void): number | null {
    const descriptor = descriptorOf(this.#socket);
    if (descriptor !== null) this.#revoke = revoke;
    return descriptor;
  }

  #takeBack(): void {
    const revoke = this.#revoke;
    this.#revoke = null;
    revoke?.();
  }

  send(text: string): boolean {
    this.#takeBack();
    return this.#socket.write(text, 'latin1');
  }

  finish(text: string, keepAlive: boolean): void {
    this.#takeBack();
    this.#socket.write(text, 'latin1', keepAlive ? this.#stay : this.#go);
  }

  destroy(): void {
    this.#takeBack();
    this.#socket.destroy();
  }

  /** Called at regular intervals. */
  sweep(nowMs: number): void {
    const waitedMs = nowMs - this.#sinceMs;
    if (this.#leaving) {
      if (waitedMs > farewellMs) this.destroy();
    } else if (this.#exchange === null) {
      const limitMs = this.#fresh || this.#midHead ? headTimeoutMs : keepAliveSeconds * 1000;
      if (waitedMs <= limitMs) return;
      if (this.#fresh || this.#midHead) this.#refuse('late');
      else this.destroy();
    } else if (!this.#exchange.complete && waitedMs > requestTimeoutMs) this.#refuse('late');
  }

  #take(bytes: Buffer): void {
    if (this.#leaving) {
      this.#farewellBytes += bytes.length;
      if (this.#farewellBytes > maxFarewellBytes) this.destroy();
    } else if (this.#exchange?.complete === true) this.#hold(bytes);
    else this.#read(bytes);
  }

  #read(bytes: Buffer): void {
    try {
      if (this.#exchange === null && !this.#midHead) this.#sinceMs = this.#owner.clock.monotonicMs();
      const rest = this.#parser.push(bytes);
      if (rest !== null) this.#hold(rest);
      this.#midHead = this.#parser.midHead;
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#refuse(error instanceof HeadTooLarge ? 'head-too-large' : 'malformed');
      return;
    }
    if (this.#unserved) {
      this.#unserved = false;
      this.#fresh = false;
      this.#owner.serve(this.#exchange as ClientExchange);
    } else if (this.#answered && this.#exchange?.complete === true) this.#next();
  }

  // --- what the parser finds ---

  onHead(head: RequestHead): void {
    this.#exchange = new ClientExchange(head, this);
    this.#unserved = true;
  }

  onData(bytes: Buffer): void {
    this.#exchange?.take(bytes);
  }

  onEnd(): void {
    this.#exchange?.finishRequest();
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > maxHeldBytes) this.#socket.pause();
  }

  /** The answer has left, and the connection stays. */
  readonly #stay = (error?: Error | null): void => {
    if (!error) this.#answer();
    if (this.#exchange?.complete === true) this.#next();
  };

  /** The answer has left, and the connection goes when the client has read it. */
  readonly #go = (error?: Error | null): void => {
    if (!error) this.#answer();
    this.#leaveTaking();
  };

  #answer(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#owner.served();
  }

  /** Also when the rest of a body that nobody wanted has passed. */
  #next(): void {
    if (this.#leaving || this.#socket.destroyed) return;
    this.#exchange = null;
    this.#answered = false;
    this.#parser.begin();
    this.#sinceMs = this.#owner.clock.monotonicMs();
    if (this.#heldBytes === 0) return;
    const held = this.#held.length === 1 ? (this.#held[0] as Buffer) : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    this.#socket.resume();
    this.#read(held);
  }

  /** Of a request under way its handler hears that the client is gone; ours is the last word, where no other was said. */
  #refuse(why: BadConnection): void {
    const begun = this.#exchange?.begun === true;
    this.#exchange?.leave();
    if (begun) this.destroy();
    else {
      this.#socket.write(this.#owner.refusal(why));
      this.#leaveTaking();
    }
  }

  /** A socket destroyed at once would take the answer along that the client is reading. */
  #leaveTaking(): void {
    this.#leaving = true;
    this.#sinceMs = this.#owner.clock.monotonicMs();
    this.#socket.end();
  }

  #closed(): void {
    this.#takeBack();
    this.#exchange?.leave();
    if (this.#exchange !== null && !this.#unserved) this.#answer();
    this.#owner.closed(this);
  }
}
