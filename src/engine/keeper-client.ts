/**
 * The agent's end of `keeper.sock`. Commands are answered in order; the end of the engine is pushed, so that a crash is
 * known within milliseconds and without polling. Everything read is bounded: a peer that breaks the rules is dropped, and
 * whoever owns the client looks after the keeper by other means.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { Clock } from '../runtime/clock.js';
import { isKeeperRecord, type KeeperRecord } from './keeper-files.js';

export interface KeeperExit {
  code: number | null;
  signal: string | null;
  atUnixMs: number;
  requested: boolean;
}

export type KeeperEvent =
  /** The leader has ended; `pids` is what was left of its tree. */
  | { kind: 'exit'; exit: KeeperExit; pids: number[] }
  /** Nothing of the tree is left. */
  | { kind: 'empty' }
  /** SIGKILL does not end these. */
  | { kind: 'stuck'; pids: number[] }
  /** The connection is gone; comes last. */
  | { kind: 'closed' };

export interface KeeperStatus {
  record: KeeperRecord;
  pids: number[];
  exit: KeeperExit | null;
  /** Output lost because the disk was slower than the engine. */
  logDroppedBytes: number;
}

const maxLineBytes = 64 * 1024;
/** A keeper answers within milliseconds; one that does not is hung with the machine. */
const replyTimeoutMs = 5000;

interface Pending {
  resolve(reply: Record<string, unknown>): void;
  reject(error: Error): void;
}

export class KeeperClient {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #pending: Pending[] = [];
  #partial = '';
  #listener: (event: KeeperEvent) => void = () => undefined;
  /** Events that came before anybody listened. */
  #early: KeeperEvent[] | null = [];

  private constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    socket.unref();
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#read(text));
    socket.on('error', () => undefined);
    socket.once('close', () => this.#closed());
  }

  /**
   * Rejects when nobody listens in the directory. A socket path has 107 bytes at most and state directories are longer,
   * so the way goes through a descriptor of the directory.
   */
  static connect(runDir: string, clock: Clock): Promise<KeeperClient> {
    return new Promise((resolve, reject) => {
      const directory = openSync(runDir, constants.O_RDONLY | constants.O_DIRECTORY);
      const socket = connect(`/proc/self/fd/${directory}/keeper.sock`);
      const timer = clock.after(replyTimeoutMs, () =>
        socket.destroy(new Error('the keeper does not accept')),
      );
      const settle = (error?: Error): void => {
        timer.cancel();
        closeSync(directory);
        if (error) reject(error);
        else resolve(new KeeperClient(socket, clock));
      };
      socket.once('error', settle);
      socket.once('connect', () => {
        socket.off('error', settle);
        settle();
      });
    });
  }

  /** One listener; what happened before is delivered at once. */
  onEvent(listener: (event: KeeperEvent) => void): void {
    this.#listener = listener;
    const early = this.#early ?? [];
    this.#early = null;
    early.forEach(listener);
  }

  async status(): Promise<KeeperStatus> {
    const reply = await this.#ask('status');
    if (!isKeeperRecord(reply)) throw new Error('expected a status of the keeper, got another answer');
    const exit = reply as { exit?: unknown };
    const { keeperPid, keeperStartTime, leaderPid, leaderStartTime, cgroup, argvHash } = reply;
    return {
      record: { keeperPid, keeperStartTime, leaderPid, leaderStartTime, cgroup, argvHash },
      pids: pidsOf(reply),
      exit: typeof exit.exit === 'object' && exit.exit !== null ? exitOf(exit.exit) : null,
      logDroppedBytes: Number((reply as { logDroppedBytes?: unknown }).logDroppedBytes ?? 0),
    };
  }

  /** SIGTERM to the leader; harmless when it has ended. */
  async terminate(): Promise<void> {
    await this.#ask('signal TERM');
  }

  /** SIGKILL to the whole tree, repeated by the keeper until it is gone. */
  async kill(): Promise<void> {
    await this.#ask('kill');
  }

  /** Leaves the engine alone. No event follows. */
  close(): void {
    this.#listener = () => undefined;
    this.#early = null;
    this.#socket.destroy();
  }

  #ask(command: string): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(new Error('the keeper is gone'));
        return;
      }
      const timer = this.#clock.after(replyTimeoutMs, () => this.#socket.destroy());
      this.#pending.push({
        resolve: (reply) => {
          timer.cancel();
          resolve(reply);
        },
        reject: (error) => {
          timer.cancel();
          reject(error);
        },
      });
      this.#socket.write(`${command}\n`);
    });
  }

  #read(text: string): void {
    this.#partial += text;
    for (let end; (end = this.#partial.indexOf('\n')) >= 0;) {
      const line = this.#partial.slice(0, end);
      this.#partial = this.#partial.slice(end + 1);
      if (!this.#take(line)) {
        this.#socket.destroy();
        return;
      }
    }
    if (this.#partial.length > maxLineBytes) this.#socket.destroy();
  }

  #take(line: string): boolean {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      return false;
    }
    if (typeof message !== 'object' || message === null) return false;
    const fields = message as Record<string, unknown>;
    switch (fields['event']) {
      case 'exit':
        this.#emit({ kind: 'exit', exit: exitOf(fields), pids: pidsOf(fields) });
        return true;
      case 'empty':
        this.#emit({ kind: 'empty' });
        return true;
      case 'stuck':
        this.#emit({ kind: 'stuck', pids: pidsOf(fields) });
        return true;
      default:
        this.#pending.shift()?.resolve(fields);
        return true;
    }
  }

  #emit(event: KeeperEvent): void {
    if (this.#early) this.#early.push(event);
    else this.#listener(event);
  }

  #closed(): void {
    for (const pending of this.#pending.splice(0)) pending.reject(new Error('the keeper is gone'));
    this.#emit({ kind: 'closed' });
  }
}

function exitOf(value: object): KeeperExit {
  const { code, signal, atUnixMs, requested } = value as Partial<Record<keyof KeeperExit, unknown>>;
  return {
    code: typeof code === 'number' ? code : null,
    signal: typeof signal === 'string' ? signal : null,
    atUnixMs: typeof atUnixMs === 'number' ? atUnixMs : 0,
    requested: requested === true,
  };
}

function pidsOf(value: object): number[] {
  const { pids } = value as { pids?: unknown };
  return Array.isArray(pids) ? pids.filter((pid): pid is number => Number.isSafeInteger(pid)) : [];
}
