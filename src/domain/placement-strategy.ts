/** How the endpoint of a request is chosen; set per model. `placement/strategies.ts` has the rules. */
export const strategyNames = [
  'chwbl',
  'chwbl-classic',
  'least-outstanding',
  'least-work',
  'round-robin',
  'weighted',
  'random',
  'power-of-two',
  'session',
] as const;
export type StrategyName = (typeof strategyNames)[number];
