/** Every constant of the decision, in one object that the configuration may override. See README.md for the reasons. */
export interface PlacementConstants {
  /** Points per endpoint on the ring. 256 keeps the largest share within about 1.2 of the mean. */
  virtualNodes: number;
  /** Tokens per block of a chain. */
  blockTokens: number;
  /** Ring candidates compared by cost. */
  ringCandidates: number;
  /** Load factor of the bound for an endpoint that holds nothing of the prompt's own. */
  loadFactor: number;
  /** Load factor for one that does. */
  warmLoadFactor: number;
  /** Mean requests of slack in the bound, so that an idle cluster admits everywhere. */
  boundFloorRequests: number;
  /** Share of a prompt in flight that counts as work. */
  contextWeight: number;
  /** Cost of an uncached token beside a queued one: it also spends cache and delays those who come later. */
  uncachedCost: number;
  /** Added to `uncachedCost` per mean request that is queued on the mean endpoint beyond the first. */
  pressureCost: number;
  /** Most that pressure may add. */
  pressureCostLimit: number;
  /** Cost of a prompt token in flight beside a queued one. */
  contextCost: number;
  /** Cost per step away from home where nothing is remembered, in shares of min(mean, u). */
  rankCost: number;
  /** Tokens of expected pace that are mixed into an endpoint's measured one. */
  pacePriorTokens: number;
  /** Prefill pace that is assumed of an endpoint before any was measured, to end the waiting of answers that do not stream. */
  assumedTokensPerMs: number;
  /** The least that a step away from home costs there, in what other coordinators place on an endpoint in so many ms. */
  unseenCostMs: number;
  /** A block belongs to the shared part of prompts above this share, divided by the number of endpoints. */
  sharedPrefixShare: number;
  /** Requests over which shares are counted. */
  shareWindowRequests: number;
  /** Blocks looked at for the key. */
  keyDepthBlocks: number;
  /** Cache of an endpoint that has not told its size, in blocks. */
  defaultCapacityBlocks: number;
  /** Entries of the prefix memory. */
  memoryEntries: number;
  /** Weight of an endpoint with a degraded device beside a healthy one. */
  degradedWeight: number;
}

/** The rules of the placement issue; measured in bench/placement. */
export const defaultConstants: Readonly<PlacementConstants> = {
  virtualNodes: 256,
  blockTokens: 512,
  ringCandidates: 4,
  loadFactor: 1.25,
  warmLoadFactor: 4,
  boundFloorRequests: 2,
  contextWeight: 0.25,
  uncachedCost: 1.5,
  pressureCost: 0.5,
  pressureCostLimit: 6,
  contextCost: 0.02,
  rankCost: 0.1,
  pacePriorTokens: 50_000,
  assumedTokensPerMs: 10,
  unseenCostMs: 120,
  sharedPrefixShare: 0.5,
  shareWindowRequests: 4096,
  keyDepthBlocks: 64,
  defaultCapacityBlocks: 1024,
  memoryEntries: 1 << 20,
  degradedWeight: 0.5,
};

/** An explicit `undefined` means the default as well. */
export type PlacementOverrides = {
  readonly [Name in keyof PlacementConstants]?: PlacementConstants[Name] | undefined;
};

export function constantsOf(overrides: PlacementOverrides = {}): PlacementConstants {
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  return { ...defaultConstants, ...(Object.fromEntries(given) as Partial<PlacementConstants>) };
}
