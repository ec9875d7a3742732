/**
 * The work in flight on this node's engines, as the coordinators tell it. The agent is their meeting point: what one of them
 * reports is folded over a few milliseconds and told to all others, and it is what drains and the watchdog go by.
 *
 * A lease ends exactly once: by its coordinator's word, by a list that does not name it, by the end of the engine that it
 * was placed at, or with the grace after its coordinator was lost. Until then it counts, confirmed or not.
 */
import { InfernodeError } from '../domain/error-codes.js';
import { defaultMaxConcurrentRequests, type EngineStatus } from '../domain/engine.js';
import type { CoordinatorWork, WorkEvent, WorkInFlight, WorkLease, WorkReport } from '../domain/work.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { NodeMetrics } from './node-metrics.js';
import { WorkFold, type WorkSource } from './work-fold.js';

export interface ReportedWorkOptions {
  clock: Clock;
  metrics: NodeMetrics;
  /** Hears what happened since the last fold. */
  onFold: (work: CoordinatorWork[]) => void;
  limits?: Partial<WorkLimits>;
}

export interface WorkLimits {
  /** How long leases outlive their coordinator's stream, ms. */
  graceMs: number;
  /** A coordinator sends within 5 ms and the wire takes some, so that all is told within 50 ms. */
  foldMs: number;
  maxCoordinators: number;
  maxLeases: number;
  /** Of chains kept for coordinators that come later; a lease beyond it is kept without. */
  maxChainBytes: number;
}

const defaultLimits: WorkLimits = {
  graceMs: 5_000,
  foldMs: 20,
  maxCoordinators: 64,
  maxLeases: 32_768,
  maxChainBytes: 4 * 1024 * 1024,
};

interface Lease {
  lease: WorkLease;
  placedAtMs: number;
}

interface Coordinator {
  readonly epoch: string;
  source: WorkSource;
  readonly leases: Map<string, Lease>;
  /** The stream that speaks for it; `null` while it is out of touch. */
  stream: WorkStream | null;
  grace: Timer | null;
}

/** One `ReportWork` stream. */
export interface WorkStream {
  /** Returns the sequence to acknowledge; throws `report-gap`, `argument-invalid` or `queue-full`, which end the stream. */
  take(report: WorkReport): number;
  /** The stream is over, however it ended; idempotent. */
  end(): void;
  /** Nothing more is taken from it: its coordinator speaks through another one, or the agent ends. */
  onOver(): void;
}

export class ReportedWork {
  readonly #options: ReportedWorkOptions;
  readonly #limits: WorkLimits;
  readonly #fold: WorkFold;
  readonly #coordinators = new Map<string, Coordinator>();
  /** By engine id; engines not in here take no leases. */
  #engines = new Map<string, { incarnation: string; maxConcurrent: number; inFlight: number }>();
  #leases = 0;
  #chainBytes = 0;

  constructor(options: ReportedWorkOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    const { clock, onFold } = options;
    this.#fold = new WorkFold({ clock, foldMs: this.#limits.foldMs, onFold });
  }

  open(onOver: () => void): WorkStream {
    let coordinator: Coordinator | null = null;
    let expected: number | null = null;
    const stream: WorkStream = {
      take: (report) => {
        if (report.kind === 'opening') {
          coordinator = this.#confirm(report, stream);
        } else if (coordinator === null)
          throw new InfernodeError('argument-invalid', 'expected an opening first, got a delta');
        else if (report.sequence !== expected)
          throw new InfernodeError(
            'report-gap',
            `expected report ${expected} of work in flight, got ${report.sequence}`,
          );
        else for (const event of report.events) this.#apply(coordinator, event);
        expected = (report.sequence + 1) >>> 0;
        return report.sequence;
      },
      end: () => {
        if (coordinator?.stream === stream) this.#lose(coordinator);
      },
      onOver,
    };
    return stream;
  }

  /** Live leases on an engine, oldest first for each coordinator. */
  inFlight(engineId: string): WorkInFlight[] {
    const nowMs = this.#options.clock.monotonicMs();
    const found: WorkInFlight[] = [];
    for (const { epoch, leases, stream } of this.#coordinators.values())
      for (const { lease, placedAtMs } of leases.values())
        if (lease.engineId === engineId)
          found.push({
            leaseId: `${epoch}/${lease.id}`,
            requestId: lease.requestId === '' ? `${epoch}/${lease.id}` : lease.requestId,
            engineId,
            tokens: lease.tokens,
            ageMs: nowMs - placedAtMs,
            started: lease.started,
            confirmed: stream !== null,
          });
    return found;
  }

  /** Number of live leases on an engine. */
  count(engineId: string): number {
    return this.#engines.get(engineId)?.inFlight ?? 0;
  }

  /** Everything that is in flight now, as events that place it; for a coordinator that begins to watch. */
  all(): CoordinatorWork[] {
    const nowMs = this.#options.clock.monotonicMs();
    return [...this.#coordinators.values()].map(({ source, leases }) => ({
      ...source,
      events: [...leases.values()].map(({ lease, placedAtMs }) => ({
        kind: 'placed' as const,
        lease,
        ageMs: nowMs - placedAtMs,
      })),
    }));
  }

  /** Engines as they are now: leases at former incarnations, and at engines that are gone, end. */
  setEngines(engines: readonly Pick<EngineStatus, 'id' | 'incarnation' | 'maxConcurrentRequests'>[]): void {
    const before = this.#engines;
    this.#engines = new Map();
    let lost = before.size > engines.length;
    for (const { id, incarnation, maxConcurrentRequests } of engines) {
      const known = before.get(id);
      lost ||= known?.incarnation !== incarnation;
      this.#engines.set(id, {
        incarnation,
        maxConcurrent: maxConcurrentRequests ?? defaultMaxConcurrentRequests,
        inFlight: known?.incarnation === incarnation ? known.inFlight : 0,
      });
    }
    if (lost) this.#endVoid();
  }

  /** Ends every stream. */
  close(): void {
    this.#fold.close();
    for (const { grace, stream } of this.#coordinators.values()) {
      grace?.cancel();
      stream?.onOver();
    }
  }

  #confirm(report: Extract<WorkReport, { kind: 'opening' }>, stream: WorkStream): Coordinator {
    const coordinator = this.#coordinator(report.coordinator);
    const former = coordinator.stream;
    coordinator.stream = stream;
    coordinator.grace?.cancel();
    coordinator.grace = null;
    const { chainVersion, seedFingerprint } = report;
    coordinator.source = { coordinator: coordinator.epoch, chainVersion, seedFingerprint };
    if (former !== null && former !== stream) former.onOver();
    const named = new Set(report.leases.map(({ id }) => id));
    for (const id of [...coordinator.leases.keys()]) if (!named.has(id)) this.#end(coordinator, id, 0);
    for (const lease of report.leases) {
      if (!coordinator.leases.has(lease.id)) this.#place(coordinator, lease, 0);
      else if (lease.started)
        this.#start(coordinator, { kind: 'first-token', id: lease.id, cachedTokens: null, ageMs: 0 });
    }
    this.#measure();
    return coordinator;
  }

  #coordinator(epoch: string): Coordinator {
    if (epoch === '' || epoch.length > 128)
      throw new InfernodeError(
        'argument-invalid',
        `expected coordinator to be an epoch of 1 to 128 characters, got ${epoch.length}`,
      );
    const known = this.#coordinators.get(epoch);
    if (known) return known;
    if (this.#coordinators.size >= this.#limits.maxCoordinators)
      throw new InfernodeError(
        'queue-full',
        `expected at most ${this.#limits.maxCoordinators} coordinators, got one more`,
      );
    const source = { coordinator: epoch, chainVersion: '', seedFingerprint: '' };
    const fresh: Coordinator = { epoch, source, leases: new Map(), stream: null, grace: null };
    this.#coordinators.set(epoch, fresh);
    return fresh;
  }

  /** Its work may well go on: it counts until the grace is over, or the coordinator says what is true. */
  #lose(coordinator: Coordinator): void {
    coordinator.stream = null;
    coordinator.grace = this.#options.clock.after(this.#limits.graceMs, () => {
      this.#options.metrics.expiredLeases.inc(coordinator.leases.size);
      for (const id of [...coordinator.leases.keys()]) this.#end(coordinator, id, 0);
      this.#coordinators.delete(coordinator.epoch);
      this.#measure();
    });
    this.#measure();
  }

  #apply(coordinator: Coordinator, event: WorkEvent): void {
    switch (event.kind) {
      case 'placed':
        this.#place(coordinator, event.lease, event.ageMs);
        break;
      case 'first-token':
        this.#start(coordinator, event);
        break;
      case 'done':
        this.#end(coordinator, event.id, event.ageMs);
    }
  }

  #place(coordinator: Coordinator, reported: WorkLease, ageMs: number): void {
    const { metrics, clock } = this.#options;
    const engine = this.#engines.get(reported.engineId);
    const drop = (reason: string): void => metrics.droppedLeases.inc({ reason });
    if (engine?.incarnation !== reported.incarnation) return drop('engine-gone');
    if (coordinator.leases.has(reported.id)) return drop('duplicate');
    if (this.#leases >= this.#limits.maxLeases) return drop('too-many');
    const fits = this.#chainBytes + reported.chain.length <= this.#limits.maxChainBytes;
    const lease = fits ? { ...reported } : { ...reported, chain: new Uint8Array(0) };
    coordinator.leases.set(lease.id, { lease, placedAtMs: clock.monotonicMs() - ageMs });
    this.#chainBytes += lease.chain.length;
    this.#leases += 1;
    engine.inFlight += 1;
    if (engine.inFlight > engine.maxConcurrent) metrics.capOvershoots.inc();
    this.#tell(coordinator, { kind: 'placed', lease: { ...reported }, ageMs });
  }

  /** May come again with the cached tokens, which engines report last. */
  #start(coordinator: Coordinator, event: Extract<WorkEvent, { kind: 'first-token' }>): void {
    const known = coordinator.leases.get(event.id);
    if (!known || (known.lease.started && event.cachedTokens === null)) return;
    known.lease.started = true;
    this.#tell(coordinator, event);
  }

  #end(coordinator: Coordinator, id: string, ageMs: number): void {
    const known = coordinator.leases.get(id);
    if (!known) return;
    coordinator.leases.delete(id);
    this.#leases -= 1;
    this.#chainBytes -= known.lease.chain.length;
    const engine = this.#engines.get(known.lease.engineId);
    if (engine?.incarnation === known.lease.incarnation) engine.inFlight -= 1;
    this.#tell(coordinator, { kind: 'done', id, ageMs });
  }

  #endVoid(): void {
    for (const coordinator of this.#coordinators.values())
      for (const [id, { lease }] of [...coordinator.leases])
        if (this.#engines.get(lease.engineId)?.incarnation !== lease.incarnation)
          this.#end(coordinator, id, 0);
  }

  #tell({ source }: Coordinator, event: WorkEvent): void {
    this.#fold.add(source, event);
    this.#measure();
  }

  #measure(): void {
    const { coordinators, leases, unconfirmedLeases } = this.#options.metrics;
    let unconfirmed = 0;
    for (const { stream, leases: own } of this.#coordinators.values())
      if (stream === null) unconfirmed += own.size;
    coordinators.set(this.#coordinators.size);
    leases.set(this.#leases);
    unconfirmedLeases.set(unconfirmed);
  }
}
