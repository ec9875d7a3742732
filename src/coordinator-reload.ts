/** What a reload of the coordinator's configuration can change while it runs, and what it cannot. */
import { isDeepStrictEqual } from 'node:util';
import type { CoordinatorConfig } from './config/coordinator-config.js';

export interface ReloadResult {
  applied: string[];
  /** Fields that differ and hold only after a restart. */
  needsRestart: string[];
}

export function compareCoordinatorConfigs(before: CoordinatorConfig, after: CoordinatorConfig): ReloadResult {
  const differs = (a: unknown, b: unknown): boolean => !isDeepStrictEqual(a, b);
  const applied: string[] = [];
  const needsRestart: string[] = [];
  if (differs(before.agents, after.agents)) applied.push('agents');
  if (differs(before.engineNetworks, after.engineNetworks)) applied.push('engineNetworks');
  if (differs(before.models, after.models)) applied.push('models');
  const live = ['limits', 'retry', 'degradation'] as const;
  for (const field of live)
    if (differs(before.gateway[field], after.gateway[field])) applied.push(`gateway.${field}`);
  for (const field of ['listen', 'tls', 'discovery', 'silentAfterMs', 'placement'] as const)
    if (differs(before[field], after[field])) needsRestart.push(field);
  for (const field of ['defaults', 'models', 'cost'] as const)
    if (differs(before.autoscaling[field], after.autoscaling[field])) applied.push(`autoscaling.${field}`);
  for (const field of ['intervalMs', 'actuator', 'lease', 'lock'] as const)
    if (differs(before.autoscaling[field], after.autoscaling[field]))
      needsRestart.push(`autoscaling.${field}`);
  for (const field of ['keys', 'sharedStore', 'workers', 'nativeRelay', 'explainHeaders'] as const)
    if (differs(before.gateway[field], after.gateway[field])) needsRestart.push(`gateway.${field}`);
  if (before.gateway.limits.connectTimeoutMs !== after.gateway.limits.connectTimeoutMs)
    needsRestart.push('gateway.limits.connectTimeoutMs');
  if (before.gateway.retry.budgetRatio !== after.gateway.retry.budgetRatio)
    needsRestart.push('gateway.retry.budgetRatio');
  return { applied, needsRestart };
}
