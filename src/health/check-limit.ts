import type { Limit } from './checks/device-check.js';
import type { CheckSettings } from './condition-book.js';
import { checkRow } from './health-data.js';

/** Made once per configuration: hundreds of checks ask each second. */
const made = new WeakMap<CheckSettings, Map<string, Limit>>();

/** The level of a check: the data's, or the operator's. Settings are replaced, never changed in place. */
export function limitOf(id: string, settings: CheckSettings): Limit {
  const limits = made.get(settings) ?? new Map<string, Limit>();
  made.set(settings, limits);
  const known = limits.get(id);
  if (known) return known;
  const row = checkRow(id);
  const value = typeof row.threshold.value === 'number' ? row.threshold.value : Number.NaN;
  const configured = settings[id]?.threshold ?? null;
  const criticalAt = row.threshold.critical_at ?? null;
  const limit = { value, criticalAt, configured, level: configured ?? value, row };
  limits.set(id, limit);
  return limit;
}
