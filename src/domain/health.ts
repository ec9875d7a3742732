/** Health is a state with a reason and an action; no news is `unknown`, never `healthy`. */
export const deviceHealthStates = ['healthy', 'degraded', 'unhealthy', 'unknown'] as const;
export type DeviceHealth = (typeof deviceHealthStates)[number];

export type Severity = 'info' | 'warning' | 'critical' | 'fatal';

/** The ladder of actions, smallest first. Only these are ever carried out; advice stands beside them. */
export const actionLadder = [
  'none',
  'restart-engine',
  'reset-device',
  'reboot-node',
  'replace-hardware',
] as const;
export type Action = (typeof actionLadder)[number];

/** One finding that lasts: fired by a check, gone when the check's clear rule holds. */
export interface Condition {
  /** Check id of `gpu-health-checks.json`, such as `xid` or `temp_gpu`. */
  check: string;
  /** Where it is one part of the device or node that is bad: `link 3`, `mig <uuid>`, `GPU instance 5`, `port mlx5_0/1`, `engine chat-0`. */
  part?: string;
  severity: Severity;
  action: Action;
  /** Advice of the health data that is not on the ladder (`check_cable`, `contact_support`), or `null`. */
  advice: string | null;
  /** One sentence that names the evidence, such as `Xid 79: GPU has fallen off the bus`. */
  reason: string;
  /** Wall time in ms, for display only. */
  sinceMs: number;
  /** A rehearsal fired it. */
  drill?: boolean;
}

/** Name of the part in conditions: events speak of a GPU instance, which may hold several compute instances. */
export function gpuInstancePart(gpuInstance: number): string {
  return `GPU instance ${gpuInstance}`;
}

/** A bad event or reading after classification. */
export interface Fault {
  check: string;
  /** NVML UUID, or `null` when the whole node is affected. */
  deviceUuid: string | null;
  xid: number | null;
  severity: Severity;
  action: Action;
  advice: string | null;
  /** What the faulted work needs: nothing, a new engine, or to move away at once or when convenient. */
  drain: 'none' | 'restart-engine' | 'drain-convenient' | 'drain-now';
  reason: string;
  /** The raw text or numbers, kept for the operator. */
  evidence: string;
  /** Pid named by the driver as the owner of the channel, or `null`. */
  pid: number | null;
  /** The part of the device that it speaks of, as in `Condition`; absent: the whole. */
  part?: string;
  /** Where it speaks of a MIG instance whose processes are known: these, and nobody else's, are hurt. */
  holders?: readonly number[];
  observedAtMs: number;
  /** A rehearsal. */
  drill?: boolean;
}

export function worseHealth(a: DeviceHealth, b: DeviceHealth): DeviceHealth {
  const rank: Record<DeviceHealth, number> = { healthy: 0, degraded: 1, unknown: 2, unhealthy: 3 };
  return rank[a] >= rank[b] ? a : b;
}

export function largerAction(a: Action, b: Action): Action {
  return actionLadder.indexOf(a) >= actionLadder.indexOf(b) ? a : b;
}
