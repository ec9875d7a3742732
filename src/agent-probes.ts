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
} {
  const { node, health } = config;
  const { library, heartbeat, intervalMs, missedAfterMs, minFreeMiB, memoryMiB, timeLimitMs } = health.probe;
  const minFreeBytes = minFreeMiB * 2 ** 20;
  const enabled = heartbeat === 'on';
  const shared = { library, clock, logger, metrics: new DeviceProbeMetrics(registry, node.name) };
  return {
    heartbeats: new NodeHeartbeats({ ...shared, enabled, intervalMs, missedAfterMs, minFreeBytes }),
    prober: new DeviceProber({ ...shared, memoryMiB, timeLimitMs }),
  };
}
