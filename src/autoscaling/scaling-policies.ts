/** From the configuration of a model to its policy: a preset, what it changes, and the threshold rules by name. */
import type { ScalingPolicyConfig } from '../config/autoscaling-config.js';
import { defaultPolicy, type ScalingPolicy, type SustainedRule } from './scaling-types.js';

/** `signals` leaves the rules of the source documents out: they speak in fixed figures, the signals in objectives. */
export function policyOf(config: ScalingPolicyConfig): ScalingPolicy {
  const { preset, rules, forecast, ...changes } = config;
  const known: readonly SustainedRule[] = preset === 'classic' ? defaultPolicy.rules : [];
  const names = new Set([...known.map(({ id }) => id), ...Object.keys(rules)]);
  return {
    ...defaultPolicy,
    ...(Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)) as object),
    ...(forecast ? { forecastLoadTimeMs: forecast.loadTimeMs } : {}),
    rules: [...names].map((id) => ruleOf(id, rules[id] ?? {})),
  };
}

/** A rule without a signal of its own is the one of that name in `defaultPolicy`. */
function ruleOf(id: string, change: ScalingPolicyConfig['rules'][string]): SustainedRule {
  const known = defaultPolicy.rules.find((rule) => rule.id === id);
  const base: SustainedRule = known ?? { id, signal: 'waiting', forMs: 60_000, change: 1, enabled: true };
  return Object.assign({ ...base }, change);
}
