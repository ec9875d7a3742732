/** What a reload of the agent's configuration can change while it runs, and what it cannot. */
import { isDeepStrictEqual } from 'node:util';
import type { AgentConfig } from './config/agent-config.js';
import { checkRows } from './health/health-data.js';
import type { Logger } from './runtime/logger.js';

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

/** A misspelt id would silently leave a threshold as it was. */
export function warnOfUnknownChecks(config: AgentConfig, logger: Logger): void {
  const unknown = Object.keys(config.health.checks).filter((id) => !checkRows.has(id));
  if (unknown.length > 0) logger.warn({ checks: unknown }, 'health.checks names checks that do not exist');
}
