/**
 * Design decision 3 in one place: from conditions to one state with a reason and an action. What is known to be bad stays
 * bad while nothing is heard; no news is `unknown`; an unsupported check is neither good nor bad.
 */
import type { Condition, DeviceHealth } from '../domain/health.js';
import { actionLadder, largerAction, type Action, type Severity } from '../domain/health.js';
import { compareSeverity } from './health-data.js';
import { deviceChecks } from './checks/check-registry.js';

export interface DerivedHealth {
  health: DeviceHealth;
  severity: Severity | null;
  action: Action;
  /** Empty when healthy. */
  reason: string;
}

const rank: Record<DeviceHealth, number> = { healthy: 0, degraded: 1, unknown: 2, unhealthy: 3 };

/** `unknownReason` is set when nothing is heard of the device (driver released, no sample yet, a call that hangs). */
export function deriveHealth(conditions: readonly Condition[], unknownReason: string | null): DerivedHealth {
  let health: DeviceHealth = unknownReason === null ? 'healthy' : 'unknown';
  let reason = unknownReason ?? '';
  let worst: Condition | null = null;
  let action: Action = 'none';
  for (const condition of conditions) {
    action = largerAction(action, condition.action);
    if (!worst || compareSeverity(condition.severity, worst.severity) > 0) worst = condition;
    const own = healthOfCondition(condition);
    if (rank[own] > rank[health] || (own === health && reason === '')) {
      health = own;
      reason = own === 'healthy' ? '' : condition.reason;
    }
  }
  return { health, severity: worst?.severity ?? null, action, reason };
}

export function healthOfCondition({ check, severity, action }: Condition): DeviceHealth {
  const rule = deviceChecks.get(check);
  if (rule?.health === 'unknown') return 'unknown';
  switch (severity) {
    case 'fatal':
      return 'unhealthy';
    case 'critical':
      return reaches(action, 'reset-device') ? 'unhealthy' : 'degraded';
    case 'warning':
      return rule?.warningDegrades ? 'degraded' : 'healthy';
    case 'info':
      return 'healthy';
  }
}

function reaches(action: Action, least: Action): boolean {
  return actionLadder.indexOf(action) >= actionLadder.indexOf(least);
}
