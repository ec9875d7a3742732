/**
 * One life of an engine's process tree, from launch or adoption to "nothing of it is left". Knows the tree only through
 * its keeper; when the keeper itself is gone, what it left is swept, so that a tree is never lost.
 */
import type { Clock } from '../runtime/clock.js';
import { sleep } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import { KeeperClient, type KeeperEvent, type KeeperExit } from './keeper-client.js';
import { readExitRecord, type KeeperRecord } from './keeper-files.js';
import type { SweepResult } from './launch-keeper.js';
import { sharedFilesOf, type SharedFileLook } from './shared-memory.js';
import { isRunning } from '../runtime/process-identity.js';

export interface RunExit extends KeeperExit {
  /** The keeper was killed, so that nobody knows how the leader ended. */
  keeperLost: boolean;
}

export interface EngineRunOptions {
  incarnation: number;
  runDir: string;
  url: string;
  apiKey: string | undefined;
  port: number;
  deviceUuids: readonly string[];
  record: KeeperRecord;
  client: KeeperClient;
  /** Monotonic ms. */
  startedAtMs: number;
  sweep: () => Promise<SweepResult>;
  clock: Clock;
  logger: Logger;
}

const reconnectAttempts = 5;
const reconnectPauseMs = 100;

export class EngineRun {
  readonly incarnation: number;
  readonly runDir: string;
  readonly url: string;
  /** Of an engine beyond loopback. */
  readonly apiKey: string | undefined;
  readonly port: number;
  readonly deviceUuids: readonly string[];
  readonly startedAtMs: number;
  readonly leaderPid: number;
  readonly argvHash: string | null;
  /** Every process of the tree that was seen; whoever held GPU memory is among them. */
  readonly pids = new Set<number>();
  /** Files in /dev/shm that its processes were seen to hold. */
  readonly sharedFiles = new Set<string>();
  /** Directory of its cgroup v2 group, or `null`: then its tree is ended by the keeper's walk. */
  readonly cgroup: string | null;
  readonly exited: Promise<RunExit>;
  /** Pids that are left for good: empty when the tree is gone. */
  readonly emptied: Promise<number[]>;
  exit: RunExit | null = null;
  /** Called once, in the turn of the event loop in which the end became known. */
  onExit: (exit: RunExit) => void = () => undefined;

  readonly #options: EngineRunOptions;
  #client: KeeperClient;
  #resolveExited!: (exit: RunExit) => void;
  #resolveEmptied!: (remaining: number[]) => void;
  #over = false;
  #closed = false;

  constructor(options: EngineRunOptions) {
    this.#options = options;
    this.incarnation = options.incarnation;
    this.runDir = options.runDir;
    this.url = options.url;
    this.apiKey = options.apiKey;
    this.port = options.port;
    this.deviceUuids = options.deviceUuids;
    this.startedAtMs = options.startedAtMs;
    this.leaderPid = options.record.leaderPid;
    this.argvHash = options.record.argvHash;
    this.cgroup = options.record.cgroup;
    this.pids.add(options.record.leaderPid);
    this.exited = new Promise((resolve) => (this.#resolveExited = resolve));
    this.emptied = new Promise((resolve) => (this.#resolveEmptied = resolve));
    this.#client = options.client;
  }

  /** After `onExit` is set: news that came earlier are delivered now. */
  listen(): void {
    this.#client.onEvent((event) => this.#handle(event));
  }

  /** Processes and the files that they share, as of now. Best effort: a keeper that is gone is dealt with by its own path. */
  async refreshPids(look: SharedFileLook): Promise<void> {
    try {
      const status = await this.#client.status();
      for (const pid of status.pids) this.pids.add(pid);
      if (status.exit) this.#noteExit({ ...status.exit, keeperLost: false }, status.pids);
      await this.#noteSharedFiles(status.pids, look);
    } catch {
      // The closed connection has been reported.
    }
  }

  async terminate(): Promise<void> {
    await this.#client.terminate().catch(() => undefined);
  }

  async kill(): Promise<void> {
    await this.#client.kill().catch(() => undefined);
  }

  /** Lets go of the keeper; engine and keeper go on. */
  close(): void {
    this.#closed = true;
    this.#client.close();
  }

  #handle(event: KeeperEvent): void {
    switch (event.kind) {
      case 'exit':
        this.#noteExit({ ...event.exit, keeperLost: false }, event.pids);
        // What is left of the tree has about a second to live; what it holds is to be removed afterwards.
        void this.#noteSharedFiles(event.pids, { maps: false });
        break;
      case 'empty':
        this.#over = true;
        this.#resolveEmptied([]);
        break;
      case 'stuck':
        this.#options.logger.error(
          { pids: event.pids, incarnation: this.incarnation },
          'processes of the engine do not end on SIGKILL',
        );
        break;
      case 'closed':
        if (!this.#over && !this.#closed) void this.#recover();
        break;
    }
  }

  async #noteSharedFiles(pids: readonly number[], look: SharedFileLook): Promise<void> {
    for (const path of await sharedFilesOf(pids, look)) this.sharedFiles.add(path);
  }

  #noteExit(exit: RunExit, pids: readonly number[]): void {
    for (const pid of pids) this.pids.add(pid);
    if (this.exit) return;
    this.exit = exit;
    this.#resolveExited(exit);
    this.onExit(exit);
  }

  /** The connection broke without "empty": the keeper lives (connect again), has ended, or was killed. */
  async #recover(): Promise<void> {
    if (await this.#reconnect()) return;
    const read = readExitRecord(this.runDir);
    const record = read.kind === 'found' ? read.document.data : null;
    const unknown = { code: null, signal: null, atUnixMs: this.#options.clock.wallMs(), requested: false };
    this.#noteExit({ ...(record ?? unknown), keeperLost: record === null }, []);
    this.#over = true;
    this.#resolveEmptied(record?.treeEmptyAtUnixMs ? [] : await this.#sweep());
  }

  async #reconnect(): Promise<boolean> {
    const { record, clock } = this.#options;
    const keeper = { pid: record.keeperPid, startTime: record.keeperStartTime };
    for (let attempt = 0; attempt < reconnectAttempts && isRunning(keeper); attempt++) {
      try {
        this.#client = await KeeperClient.connect(this.runDir, clock);
        this.listen();
        await this.refreshPids({ maps: false });
        return true;
      } catch {
        await sleep(clock, reconnectPauseMs);
      }
    }
    return false;
  }

  async #sweep(): Promise<number[]> {
    const { logger, sweep } = this.#options;
    try {
      const { killed, remaining } = await sweep();
      logger.warn({ incarnation: this.incarnation, killed, remaining }, 'keeper lost; its engine was ended');
      return remaining;
    } catch (error) {
      logger.error({ err: error, incarnation: this.incarnation }, 'keeper lost and the sweep failed');
      return [...this.pids];
    }
  }
}
