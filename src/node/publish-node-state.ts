/**
 * The node's state as the world sees it: one immutable object, replaced at each change, with an epoch that is random per
 * process and a revision that grows by one per change. Every `WatchNode` stream is a subscriber: it gets a snapshot, then
 * deltas as they happen, and a heartbeat each second. Publishing is synchronous and never waits for a reader: while one
 * does not keep up, its deltas merge into a single waiting one (see `node-state-delta.ts` for why that is bounded).
 */
import { randomUUID } from 'node:crypto';
import { InfernodeError } from '../domain/error-codes.js';
import type { NodeState, NodeStateDelta, NodeStateUpdate } from '../domain/node-state.js';
import type { CoordinatorWork } from '../domain/work.js';
import type { Clock, Timer } from '../runtime/clock.js';
import { diffNodeState, mergeDeltas, type NodeStateChange } from './node-state-delta.js';
import type { NodeMetrics } from './node-metrics.js';

/** Where one reader's updates go. */
export interface UpdateSink {
  /** False when the reader is behind: nothing more is written before `drained()`. The update itself was taken. */
  write(update: NodeStateUpdate): boolean;
  /** The publisher closes: no update follows. */
  end(): void;
}

export interface Subscription {
  /** The reader keeps up again: what waited is written now. */
  drained(): void;
  /** Idempotent. */
  cancel(): void;
}

export interface NodeStatePublisherOptions {
  node: string;
  machineId: string;
  agentVersion: string;
  clock: Clock;
  metrics: NodeMetrics;
  /** Random per process; given by tests only. */
  epoch?: string;
  /** Everything that coordinators have in flight, for readers that begin or have fallen behind. */
  allWork?: () => CoordinatorWork[];
  heartbeatMs?: number;
  maxSubscribers?: number;
}

export class NodeStatePublisher {
  readonly agentVersion: string;
  readonly #metrics: NodeMetrics;
  readonly #maxSubscribers: number;
  readonly #heartbeat: Timer;
  readonly #readers = new Set<Reader>();
  readonly #allWork: () => CoordinatorWork[];
  #state: NodeState;

  constructor(options: NodeStatePublisherOptions) {
    const { node, machineId, clock, metrics, epoch = randomUUID() } = options;
    this.agentVersion = options.agentVersion;
    this.#metrics = metrics;
    this.#maxSubscribers = options.maxSubscribers ?? 128;
    this.#allWork = options.allWork ?? (() => []);
    this.#state = {
      node,
      machineId,
      epoch,
      revision: 1,
      driver: { state: 'released', reason: 'the driver has not been opened yet' },
      cordons: [],
      conditions: [],
      unsupportedChecks: [],
      devices: [],
      engines: [],
    };
    metrics.revision.set(1);
    this.#heartbeat = clock.every(options.heartbeatMs ?? 1000, () => this.#beat());
  }

  get state(): NodeState {
    return this.#state;
  }

  /** Takes whole lists; objects that did not change are not sent. Returns the revision that holds the change. */
  publish(change: NodeStateChange): number {
    const delta = diffNodeState(this.#state, change);
    if (delta) {
      this.#state = { ...this.#state, ...change, revision: delta.revision };
      this.#metrics.revision.set(delta.revision);
      for (const reader of this.#readers) reader.send(delta);
    }
    return this.#state.revision;
  }

  /** Tells every coordinator of the work of the others. It is no part of the state, and changes no revision. */
  publishWork(work: CoordinatorWork[]): void {
    for (const reader of this.#readers) reader.sendWork(work);
  }

  /**
   * Writes the snapshot before it returns, and for a coordinator the work of the others. Throws `queue-full` beyond the
   * limit of subscribers.
   */
  subscribe(sink: UpdateSink, coordinator = ''): Subscription {
    if (this.#readers.size >= this.#maxSubscribers) {
      this.#metrics.refusedWatchers.inc();
      throw new InfernodeError(
        'queue-full',
        `expected at most ${this.#maxSubscribers} WatchNode streams, got one more`,
      );
    }
    const reader = new Reader(sink, this.#metrics, coordinator, this.#allWork);
    this.#readers.add(reader);
    this.#metrics.watchers.set(this.#readers.size);
    reader.write({ kind: 'snapshot', state: this.#state, agentVersion: this.agentVersion });
    reader.sendAllWork();
    return {
      drained: () => reader.drained(),
      cancel: () => {
        this.#readers.delete(reader);
        this.#metrics.watchers.set(this.#readers.size);
      },
    };
  }

  /** Ends every stream; idempotent. */
  close(): void {
    this.#heartbeat.cancel();
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
    this.#metrics.watchers.set(0);
  }

  #beat(): void {
    const { epoch, revision } = this.#state;
    for (const reader of this.#readers) reader.beat({ kind: 'heartbeat', epoch, revision });
  }
}

/** One subscriber with at most one waiting delta. */
class Reader {
  readonly #sink: UpdateSink;
  readonly #metrics: NodeMetrics;
  #ready = true;
  #waiting: NodeStateDelta | null = null;
  /** Folds were left out: the reader needs the complete list. */
  #missesWork = false;

  constructor(
    sink: UpdateSink,
    metrics: NodeMetrics,
    /** Epoch of the coordinator that reads; empty for those who want no work. */
    private readonly coordinator: string,
    private readonly allWork: () => CoordinatorWork[],
  ) {
    this.#sink = sink;
    this.#metrics = metrics;
  }

  write(update: NodeStateUpdate): void {
    this.#ready = this.#sink.write(update);
  }

  send(delta: NodeStateDelta): void {
    if (this.#ready) {
      this.write({ kind: 'delta', delta });
      return;
    }
    if (this.#waiting) this.#metrics.coalescedDeltas.inc();
    this.#waiting = this.#waiting ? mergeDeltas(this.#waiting, delta) : delta;
  }

  /** A heartbeat says "alive and nothing newer"; behind a waiting delta it would be a lie, so it is left out. */
  beat(update: NodeStateUpdate): void {
    if (this.#ready) this.write(update);
    else this.#metrics.skippedHeartbeats.inc();
  }

  /** A slow reader's folds are not kept: once it has caught up the complete list says as much, and is bounded. */
  sendWork(work: CoordinatorWork[]): void {
    if (this.coordinator === '') return;
    const others = this.#ofOthers(work);
    if (others.length === 0) return;
    if (this.#ready) {
      this.write({ kind: 'work', update: { complete: false, work: others } });
      return;
    }
    this.#missesWork = true;
    this.#metrics.coalescedWork.inc();
  }

  sendAllWork(): void {
    if (this.coordinator === '') return;
    this.#missesWork = false;
    this.write({ kind: 'work', update: { complete: true, work: this.#ofOthers(this.allWork()) } });
  }

  drained(): void {
    this.#ready = true;
    const delta = this.#waiting;
    this.#waiting = null;
    if (delta) this.write({ kind: 'delta', delta });
    if (this.#ready && this.#missesWork) this.sendAllWork();
  }

  #ofOthers(work: CoordinatorWork[]): CoordinatorWork[] {
    return work.filter(({ coordinator }) => coordinator !== this.coordinator);
  }

  end(): void {
    this.#sink.end();
  }
}
