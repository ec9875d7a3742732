/** Recovery and the desk that explains faults, put together from the parts of the agent that they stand on. */
import type { Registry } from 'prom-client';
import type { EngineFleetPart, SamplerPart } from './agent-parts.js';
import type { AgentConfig } from './config/agent-config.js';
import type { DeviceProber } from './device/device-prober.js';
import type { DeviceHealthTracker } from './health/device-health.js';
import { explainConditions } from './health/explain-device.js';
import type { HealthHistory } from './health/health-history.js';
import type { FaultDesk } from './node/health-calls.js';
import { DeviceActions } from './recovery/act-on-device.js';
import { DriverLease } from './recovery/driver-lease.js';
import { RecoveryMetrics } from './recovery/recovery-metrics.js';
import type { ActiveProbe, RecoveryParts } from './recovery/recovery-parts.js';
import type { Clock } from './runtime/clock.js';
import type { Logger } from './runtime/logger.js';

export interface AgentRecoveryOptions {
  config: AgentConfig;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  sampler: SamplerPart;
  fleet: EngineFleetPart;
  health: DeviceHealthTracker;
  history: HealthHistory;
  prober: Pick<DeviceProber, 'probe'>;
  /** Whom Kubernetes gave the device. */
  podsOf: (uuid: string) => readonly string[];
}

/** Of the past of a device, as much as fits a screen or two. */
const explainedEntries = 100;

export class AgentRecovery {
  readonly lease: DriverLease;
  readonly actions: DeviceActions;
  readonly desk: FaultDesk;

  constructor(options: AgentRecoveryOptions) {
    const { config, registry } = options;
    const parts = partsOf(options);
    const { hookTimeoutMs, ...actions } = config.health.actions;
    this.lease = new DriverLease(parts);
    this.actions = new DeviceActions(parts, this.lease, new RecoveryMetrics(registry, config.node.name), {
      ...actions,
      hookTimeoutMs,
      drillNode: config.nvml.drill,
    });
    this.desk = deskOf(options, this.actions);
  }
}

function partsOf({
  config,
  clock,
  logger,
  sampler,
  fleet,
  health,
  history,
  prober,
}: AgentRecoveryOptions): RecoveryParts {
  return {
    nodeName: config.node.name,
    driver: {
      release: () => sampler.release(),
      acquire: () => sampler.acquire(),
      processesOf: async (uuid) => {
        const sample = await sampler.sampleNow();
        return sample?.devices.find(({ identity }) => identity.uuid === uuid)?.processes ?? null;
      },
    },
    engines: fleet,
    devices: {
      list: () => health.devices,
      cordon: (uuid, holder, reason) => void health.cordonDevice(uuid, holder, reason),
      uncordon: (uuid, holder) => void health.uncordonDevice(uuid, holder),
    },
    probe: deviceProbe(sampler, prober),
    note: (news) => void history.add(news),
    clock,
    logger,
  };
}

/** Readings first: a device that the driver itself complains of is not asked to compute. No CUDA driver leaves it at readings. */
function deviceProbe(sampler: SamplerPart, prober: AgentRecoveryOptions['prober']): ActiveProbe {
  const readings = readingProbe(sampler);
  return async (uuid) => {
    const read = await readings(uuid);
    if (!read.ok) return read;
    const { verdict, reason } = await prober.probe(uuid);
    return verdict === 'fail' ? { ok: false, reason: `the active check failed: ${reason}` } : read;
  };
}

/** Fit for work, as far as readings tell: the device answers, and its driver asks for nothing. */
function readingProbe(sampler: SamplerPart): ActiveProbe {
  return async (uuid) => {
    const sample = await sampler.sampleNow();
    const device = sample?.devices.find(({ identity }) => identity.uuid === uuid);
    if (!device) return { ok: false, reason: 'the driver does not list the device' };
    if (device.error) return { ok: false, reason: `${device.error.call} answers ${device.error.code}` };
    const wanted = device.reading.recoveryAction ?? 0;
    return wanted === 0
      ? { ok: true, reason: '' }
      : { ok: false, reason: `the driver asks for recovery action ${wanted}` };
  };
}

function deskOf(options: AgentRecoveryOptions, actions: DeviceActions): FaultDesk {
  const { health, history, fleet, podsOf } = options;
  return {
    acknowledge: (device, check, by) => health.acknowledge(device, check, by),
    incident: (id) => history.incident(id),
    unsupportedNodeChecks: () => health.unsupportedNodeChecks,
    explain: (ref) => {
      const device = health.deviceOf(ref);
      const { uuid } = device.identity;
      const engines = fleet.list().filter(({ deviceUuids }) => deviceUuids.includes(uuid));
      const past = history.of(
        uuid,
        explainedEntries,
        engines.map(({ id }) => id),
      );
      return {
        device,
        conditions: explainConditions(device, past),
        history: past,
        engines,
        plan: actions.plan(device),
        pods: [...podsOf(uuid)],
      };
    },
    entriesAfter: (seq, limit) => history.after(seq, limit),
    onEntry: (listener) => history.onNews(listener),
  };
}
