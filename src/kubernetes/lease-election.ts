/**
 * One owner among several coordinators, by a coordination.k8s.io Lease. A holder is believed for the lease's duration after this process last saw
 * it renew, on this process's own monotonic clock: clocks of other machines are never compared. The owner steps down by itself before anybody
 * else may take over, so two never act at once.
 */
import { messageOf } from '../domain/error-codes.js';
import type { LeaderElection } from '../domain/leader-election.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import { KubeError, type KubeClient, type KubeObject } from './kube-client.js';
import type { KubernetesMetrics } from './kubernetes-metrics.js';

interface Lease extends KubeObject {
  spec: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export interface LeaseElectionOptions {
  client: KubeClient;
  namespace: string;
  name: string;
  /** Unique to this process: pod name and epoch. */
  identity: string;
  clock: Clock;
  logger: Logger;
  metrics: KubernetesMetrics;
  /** Seconds after the last renewal until others take over; the defaults of Kubernetes' own controllers. */
  durationSeconds?: number;
}

/** Renewals in one duration; the owner gives up after the last but one has failed. */
const renewalsPerDuration = 7;

export class LeaseElection implements LeaderElection {
  readonly #options: LeaseElectionOptions;
  readonly #collection: string;
  readonly #durationMs: number;
  readonly #timer: Timer;
  /** What was last seen of the lease, and when it was seen to change. */
  #seen: { version: string; atMs: number } | null = null;
  #renewedAtMs = -Infinity;
  #leading = false;
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(options: LeaseElectionOptions) {
    this.#options = options;
    this.#collection = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(options.namespace)}/leases`;
    this.#durationMs = (options.durationSeconds ?? 15) * 1000;
    options.metrics.leading(options.name, false);
    this.#timer = options.clock.every(this.#durationMs / renewalsPerDuration, () => this.#try());
    this.#try();
  }

  /** False one renewal before anybody else may believe so. */
  get leading(): boolean {
    const heldMs = this.#options.clock.monotonicMs() - this.#renewedAtMs;
    const safeMs = this.#durationMs * (1 - 2 / renewalsPerDuration);
    return this.#leading && heldMs < safeMs;
  }

  /** Gives the lease back, so that the next owner need not wait. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer.cancel();
    await this.#running;
    if (this.#leading) await this.#release().catch(() => undefined);
    this.#setLeading(false);
  }

  #try(): void {
    this.#running ??= this.#round().finally(() => (this.#running = null));
  }

  async #round(): Promise<void> {
    const { logger, metrics, name } = this.#options;
    try {
      await this.#takeOrRenew();
    } catch (error) {
      if (!(error instanceof KubeError && error.conflict)) {
        metrics.failed('lease');
        logger.warn({ lease: name, reason: messageOf(error) }, 'the lease could not be read or written');
      }
    }
    if (!this.leading) this.#setLeading(false);
  }

  async #takeOrRenew(): Promise<void> {
    const { client, clock, identity, name } = this.#options;
    const startedMs = clock.monotonicMs();
    const lease = await client.get<Lease>(`${this.#collection}/${name}`).catch(absent);
    if (lease === null) {
      await client.create(this.#collection, {
        ...this.#header(),
        metadata: { name },
        spec: this.#spec(null),
      });
    } else {
      const version = lease.metadata.resourceVersion ?? '';
      if (this.#seen?.version !== version) this.#seen = { version, atMs: startedMs };
      const { holderIdentity, leaseDurationSeconds } = lease.spec;
      const theirsMs = (leaseDurationSeconds ?? 0) * 1000;
      const held = holderIdentity && holderIdentity !== identity && startedMs - this.#seen.atMs < theirsMs;
      if (held) return this.#setLeading(false);
      await client.replace(`${this.#collection}/${name}`, {
        ...this.#header(),
        metadata: lease.metadata,
        spec: this.#spec(lease),
      });
    }
    // Counted from before the call: the server may have written it at any moment since.
    this.#renewedAtMs = startedMs;
    this.#setLeading(!this.#closed);
  }

  async #release(): Promise<void> {
    const { client, identity, name } = this.#options;
    const lease = await client.get<Lease>(`${this.#collection}/${name}`);
    if (lease.spec.holderIdentity !== identity) return;
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 };
    await client.replace(`${this.#collection}/${name}`, {
      ...this.#header(),
      metadata: lease.metadata,
      spec,
    });
  }

  #header(): object {
    return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };
  }

  #spec(before: Lease | null): Lease['spec'] {
    const { clock, identity } = this.#options;
    // MicroTime has six digits of a second.
    const now = new Date(clock.wallMs()).toISOString().replace('Z', '000Z');
    const mine = before?.spec.holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#durationMs / 1000),
      acquireTime: (mine && before.spec.acquireTime) || now,
      renewTime: now,
      leaseTransitions: (before?.spec.leaseTransitions ?? 0) + (mine || before === null ? 0 : 1),
    };
  }

  #setLeading(leading: boolean): void {
    if (this.#leading === leading) return;
    this.#leading = leading;
    const { logger, metrics, name } = this.#options;
    metrics.leading(name, leading);
    logger.info(
      { lease: name, leading },
      leading ? 'this coordinator owns the lease' : 'the lease has another owner',
    );
  }
}

function absent(error: unknown): null {
  if (error instanceof KubeError && error.notFound) return null;
  throw error;
}
