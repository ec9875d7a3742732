/** A coordination.k8s.io Lease. The times in it are for people: nobody here compares them. */
import type { Clock } from '../runtime/clock.js';
import type { LeaseRecord, LeaseStore } from '../runtime/lease-election.js';
import { KubeError, type KubeClient, type KubeObject } from './kube-client.js';

interface Lease extends KubeObject {
  spec: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export interface KubernetesLeaseOptions {
  client: KubeClient;
  namespace: string;
  name: string;
  clock: Clock;
}

export class KubernetesLease implements LeaseStore {
  readonly name: string;
  readonly #options: KubernetesLeaseOptions;
  readonly #collection: string;
  #last: Lease | null = null;

  constructor(options: KubernetesLeaseOptions) {
    this.name = options.name;
    this.#options = options;
    this.#collection = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(options.namespace)}/leases`;
  }

  async read(): Promise<LeaseRecord | null> {
    const lease = await this.#options.client.get<Lease>(`${this.#collection}/${this.name}`).catch(absent);
    this.#last = lease;
    if (lease === null) return null;
    const { holderIdentity = '', leaseDurationSeconds = 0 } = lease.spec;
    return {
      holder: holderIdentity,
      durationMs: leaseDurationSeconds * 1000,
      version: lease.metadata.resourceVersion ?? '',
    };
  }

  async write(lease: Omit<LeaseRecord, 'version'>, version: string | null): Promise<boolean> {
    const { client } = this.#options;
    const header = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };
    const spec = this.#spec(lease);
    try {
      if (version === null)
        await client.create(this.#collection, { ...header, metadata: { name: this.name }, spec });
      else {
        const metadata = { ...this.#last?.metadata, name: this.name, resourceVersion: version };
        await client.replace(`${this.#collection}/${this.name}`, { ...header, metadata, spec });
      }
      return true;
    } catch (error) {
      if (error instanceof KubeError && error.conflict) return false;
      throw error;
    }
  }

  #spec({ holder, durationMs }: Omit<LeaseRecord, 'version'>): Lease['spec'] {
    const before = this.#last?.spec;
    // MicroTime has six digits of a second.
    const now = new Date(this.#options.clock.wallMs()).toISOString().replace('Z', '000Z');
    const same = before === undefined || before.holderIdentity === holder || holder === '';
    return {
      holderIdentity: holder,
      leaseDurationSeconds: Math.ceil(durationMs / 1000),
      acquireTime: (same && before?.acquireTime) || now,
      renewTime: now,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (same ? 0 : 1),
    };
  }
}

function absent(error: unknown): null {
  if (error instanceof KubeError && error.notFound) return null;
  throw error;
}
