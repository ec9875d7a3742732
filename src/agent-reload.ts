/** What a reload of the agent's configuration can change while it runs, and what it cannot. */
import { isDeepStrictEqual } from 'node:util';
import type { AgentConfig } from './config/agent-config.js';

export interface ReloadResult {
  applied: string[];
  /** Fields that differ and hold only after a restart. */
  needsRestart: string[];
}

/** What differs, and whether it can change while the agent runs. */
export function compareAgentConfigs(before: AgentConfig, after: AgentConfig): ReloadResult {
  const same = (a: unknown, b: unknown): boolean => isDeepStrictEqual(a, b);
  const applied: string[] = [];
  if (!same(before.templates, after.templates)) applied.push('templates');
  if (!same(before.health.checks, after.health.checks)) applied.push('health.checks');
  const needsRestart: string[] = [];
  for (const field of [
    'node',
    'stateDir',
    'listen',
    'metrics',
    'tls',
    'nvml',
    'kmsg',
    'kubernetes',
    'engines',
  ] as const)
    if (!same(before[field], after[field])) needsRestart.push(field);
  for (const field of ['actions', 'probe'] as const)
    if (!same(before.health[field], after.health[field])) needsRestart.push(`health.${field}`);
  return { applied, needsRestart };
}
