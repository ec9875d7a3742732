/** Which of several coordinators may scale: by a Kubernetes Lease, or by a lease in Valkey or Redis. Whoever cannot reach it may not. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { AutoscalingMetrics } from './autoscaling/autoscaling-metrics.js';
import { RedisLease } from './autoscaling/redis-lease.js';
import type { CoordinatorConfig } from './config/coordinator-config.js';
import type { LeaderElection } from './domain/leader-election.js';
import { SharedStore } from './gateway/keys/shared-store.js';
import { KubeClient } from './kubernetes/kube-client.js';
import { KubernetesLease } from './kubernetes/kubernetes-lease.js';
import type { Clock } from './runtime/clock.js';
import { LeaseElection, type LeaseStore } from './runtime/lease-election.js';
import type { Logger } from './runtime/logger.js';

export interface CoordinatorElectionOptions {
  config: Pick<CoordinatorConfig['autoscaling'], 'actuator' | 'lease' | 'lock'>;
  clock: Clock;
  logger: Logger;
  metrics: AutoscalingMetrics;
}

/** `null`: nobody acts, or this is the only coordinator. */
export function createElection(options: CoordinatorElectionOptions): LeaderElection | null {
  const { config, metrics, ...rest } = options;
  const opened = config.actuator === 'off' ? null : openLease(options);
  if (opened === null) return null;
  metrics.leader.set(0);
  const election = new LeaseElection({
    ...rest,
    store: opened.lease,
    durationMs: opened.durationMs,
    identity: `${hostname()}-${randomUUID()}`,
    onLeading: (leading) => metrics.leader.set(leading ? 1 : 0),
    onFailure: () => metrics.electionFailures.inc(),
  });
  return {
    get leading() {
      return election.leading;
    },
    close: async () => {
      await election.close();
      await opened.close();
    },
  };
}

function openLease(
  options: CoordinatorElectionOptions,
): { lease: LeaseStore; durationMs: number; close(): unknown } | null {
  const { config, clock, logger } = options;
  if (config.lease) {
    const { namespace, name, durationMs, ...access } = config.lease;
    const client = KubeClient.from(access);
    const lease = new KubernetesLease({ client, namespace, name, clock });
    return { lease, durationMs, close: () => client.close() };
  }
  if (!config.lock) return null;
  const { url, key, timeoutMs, durationMs } = config.lock;
  const store = new SharedStore({ url, timeoutMs, clock, logger });
  void store.start();
  const lease = new RedisLease({ key, command: (args) => store.command(args) });
  return { lease, durationMs, close: () => store.destroy() };
}
