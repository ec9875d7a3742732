export * from './create-placement.js';
export { InMemoryModelPlacement, type ModelPlacementOptions } from './model-placement.js';
export { replayPlacementLog, type PlacementLogEntry, type ReplayResult } from './placement-log.js';
export { defaultConstants, type PlacementConstants } from './placement-constants.js';
export { defaultHealthRule, type HealthRuleOptions } from './health-rule.js';
export { defaultBreakerOptions, type BreakerOptions } from './endpoint-breaker.js';
export { strategyNames, type StrategyName } from '../domain/placement-strategy.js';
export type * from './placement-types.js';
