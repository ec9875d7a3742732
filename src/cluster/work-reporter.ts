/**
 * Tells one agent of this coordinator's work in flight on its engines: an opening with every live lease, then deltas, each
 * acknowledged. Where the agent reads slowly, or something was missed, nothing piles up: a new opening says it all.
 */
import type { InfernodeError } from '../domain/error-codes.js';
import type { WorkEvent, WorkLease } from '../domain/work.js';
import type { WorkReportListener, WorkReportStream } from '../rpc/node-streams.js';
import { backoffMs } from '../runtime/backoff.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { ClusterMetrics } from './cluster-metrics.js';

export interface WorkReporterOptions {
  /** Own epoch. */
  coordinator: string;
  chainVersion: string;
  seedFingerprint: string;
  open: (listener: WorkReportListener) => WorkReportStream;
  /** Every live lease on the agent's engines. */
  leases: () => WorkLease[];
  clock: Clock;
  metrics: ClusterMetrics;
}

/** Events wait this long for others to travel with, ms; with the agent's fold and the wire below 50. */
const gatherMs = 5;
/** Beyond these the events are dropped and a new opening is sent instead. */
const maxGathered = 4_096;
const maxUnacknowledged = 64;
/** Of chains in an opening: gRPC takes 4 MiB. Leases beyond it are told without. */
const maxOpeningChainBytes = 1024 * 1024;
const reopen = { baseMs: 100, capMs: 5_000, jitterRatio: 0.2 };
const noChain = new Uint8Array(0);

export class WorkReporter {
  readonly #options: WorkReporterOptions;
  #stream: WorkReportStream | null = null;
  #gathered: { event: WorkEvent; atMs: number }[] = [];
  #timer: Timer | null = null;
  #retry: Timer | null = null;
  #failures = 0;
  /** Of the last report sent, and of the last one acknowledged. */
  #sent = 0;
  #acknowledged = 0;
  #full = false;
  #needsOpening = true;
  #shared = false;
  #closed = false;

  constructor(options: WorkReporterOptions) {
    this.#options = options;
    this.#open();
  }

  /** The agent has taken the opening: other coordinators see our work, and drains wait for it. */
  get shared(): boolean {
    return this.#shared;
  }

  push(event: WorkEvent): void {
    if (this.#stream === null || this.#needsOpening) return;
    if (this.#gathered.length >= maxGathered) {
      this.#startAfresh();
      return;
    }
    const { clock } = this.#options;
    this.#gathered.push({ event, atMs: clock.monotonicMs() - event.ageMs });
    this.#timer ??= clock.after(gatherMs, () => this.#flush());
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#drop();
  }

  #open(): void {
    this.#needsOpening = true;
    this.#full = false;
    this.#acknowledged = this.#sent;
    let stream: WorkReportStream | null = null;
    const whileCurrent = (run: () => void): void => {
      if (!this.#closed && this.#stream === stream) run();
    };
    stream = this.#options.open({
      onAck: (sequence) => whileCurrent(() => this.#acknowledge(sequence)),
      onDrain: () =>
        whileCurrent(() => {
          this.#full = false;
          this.#flush();
        }),
      onEnd: (error) => whileCurrent(() => this.#ended(error)),
    });
    this.#stream = stream;
    this.#flush();
  }

  #acknowledge(sequence: number): void {
    this.#acknowledged = sequence;
    this.#shared = true;
    this.#failures = 0;
    if (this.#needsOpening || this.#gathered.length > 0) this.#flush();
  }

  #ended(error: InfernodeError | null): void {
    this.#drop();
    this.#options.metrics.workReopened.inc({ reason: error?.code ?? 'ended' });
    this.#failures += 1;
    this.#retry = this.#options.clock.after(backoffMs(this.#failures - 1, reopen), () => this.#open());
  }

  #drop(): void {
    const stream = this.#stream;
    this.#stream = null;
    this.#shared = false;
    this.#timer?.cancel();
    this.#timer = null;
    this.#gathered = [];
    stream?.cancel();
  }

  #startAfresh(): void {
    this.#options.metrics.workReopened.inc({ reason: 'behind' });
    this.#gathered = [];
    this.#needsOpening = true;
    this.#flush();
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const stream = this.#stream;
    if (stream === null || this.#full || this.#sent - this.#acknowledged >= maxUnacknowledged) return;
    const sequence = this.#sent + 1;
    if (this.#needsOpening) {
      this.#needsOpening = false;
      const { coordinator, chainVersion, seedFingerprint } = this.#options;
      this.#sent = sequence;
      const leases = withinChainLimit(this.#options.leases());
      const source = { coordinator, chainVersion, seedFingerprint };
      this.#full = !stream.write({ kind: 'opening', sequence, ...source, leases });
    } else if (this.#gathered.length > 0) {
      const nowMs = this.#options.clock.monotonicMs();
      const events = this.#gathered.map(({ event, atMs }) => ({ ...event, ageMs: nowMs - atMs }));
      this.#gathered = [];
      this.#sent = sequence;
      this.#full = !stream.write({ kind: 'delta', sequence, events });
    }
  }
}

function withinChainLimit(leases: WorkLease[]): WorkLease[] {
  let bytes = 0;
  return leases.map((lease) => {
    bytes += lease.chain.length;
    return bytes <= maxOpeningChainBytes ? lease : { ...lease, chain: noChain };
  });
}
