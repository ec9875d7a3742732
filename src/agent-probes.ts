import { join } from 'node:path';
import type { Registry } from 'prom-client';
import type { AgentConfig } from './config/agent-config.js';
import { DeviceProber } from './device/device-prober.js';
import { NodeHeartbeats } from './device/node-heartbeats.js';
import { DeviceProbeMetrics } from './device/probe-metrics.js';
import type { Clock } from './runtime/clock.js';
import type { Logger } from './runtime/logger.js';

export interface AgentProbesOptions {
  config: AgentConfig;
  clock: Clock;
  logger: Logger;
  registry: Registry;
}

/** What runs CUDA beside the agent, each in a process of its own. */
export function createAgentProbes({ config, clock, logger, registry }: AgentProbesOptions): {
  heartbeats: NodeHeartbeats;
  prober: DeviceProber;
  /** Why a device should take no engine now; absent where no start is preceded by a probe. */
  preflight?: (deviceUuid: string) => Promise<string | null>;
} {
  const { node, health, stateDir } = config;
  const { library, heartbeat, intervalMs, missedAfterMs, minFreeMiB, memoryMiB, timeLimitMs } = health.probe;
  const minFreeBytes = minFreeMiB * 2 ** 20;
  const enabled = heartbeat === 'on';
  const metrics = new DeviceProbeMetrics(registry, node.name);
  // The driver keeps what it compiles from PTX in the home directory, which a service does not have.
  const env = { CUDA_CACHE_PATH: join(stateDir, 'cuda-cache'), ...process.env };
  const shared = { library, clock, logger, metrics, env };
  const prober = new DeviceProber({ ...shared, memoryMiB, timeLimitMs });
  return {
    heartbeats: new NodeHeartbeats({ ...shared, enabled, intervalMs, missedAfterMs, minFreeBytes }),
    prober,
    ...(health.probe.beforeStart === 'on' && { preflight: (uuid: string) => failureOf(prober, uuid) }),
  };
}

async function failureOf(prober: DeviceProber, uuid: string): Promise<string | null> {
  const { verdict, code, reason } = await prober.probe(uuid);
  return verdict === 'fail' ? reason || code : null;
}
