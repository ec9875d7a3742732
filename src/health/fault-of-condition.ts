import type { Condition, Fault } from '../domain/health.js';
import { healthOfCondition } from './derive-health.js';

/** What a check has found by reading, as news: work leaves the device where the finding makes it unhealthy. */
export function faultOfCondition(
  deviceUuid: string | null,
  condition: Condition,
  observedAtMs: number,
): Fault {
  const { check, severity, action, advice, reason } = condition;
  return {
    check,
    deviceUuid,
    xid: null,
    severity,
    action,
    advice,
    drain: healthOfCondition(condition) === 'unhealthy' ? 'drain-now' : 'none',
    drill: condition.drill === true,
    reason,
    evidence: reason,
    pid: null,
    observedAtMs,
  };
}
