import type { EndpointState } from '../domain/endpoint.js';
import type { StrategyName } from '../domain/placement-strategy.js';
import { defaultBreakerOptions, type BreakerOptions } from './endpoint-breaker.js';
import { explainRefusal, refusalOf } from './eligibility.js';
import { defaultHealthRule, type HealthRuleOptions } from './health-rule.js';
import { constantsOf, type PlacementConstants, type PlacementOverrides } from './placement-constants.js';
import { meanPaceOf, type Member } from './placement-member.js';
import { PlacementMembers } from './placement-members.js';
import type {
  ModelPlacement,
  ObservedRequest,
  PlacementDecision,
  PlacementExplanation,
  PlacementObserver,
  PlacementRequest,
} from './placement-types.js';
import { outcomeOf, refuse, type RefusedMember } from './placement-outcome.js';
import { PrefixKeyFinder } from './prefix-key.js';
import { remainingTokens } from './prefill-pace.js';
import { PrefixMemory } from './prefix-memory.js';
import type { Selection, SelectionView } from './select-endpoint.js';
import { hashText } from './stable-hash.js';
import { strategies } from './strategies.js';
import { UnseenArrivals } from './unseen-arrivals.js';
import { WorkLedger, type Lease } from './work-ledger.js';

export interface ModelPlacementOptions {
  strategy?: StrategyName;
  constants?: PlacementOverrides;
  breaker?: Partial<BreakerOptions>;
  healthRule?: Partial<HealthRuleOptions>;
  /** Seed of the strategies that draw; two coordinators may differ. */
  seed?: number;
  observer?: PlacementObserver;
}

/** What one look at the members found, before anybody is chosen. */
interface Prepared {
  view: SelectionView;
  keyIndex: number | null;
  home: string | null;
  refused: RefusedMember[];
}

/**
 * Placement of one model: who gets the next request. The gateway calls it for every attempt; cluster feeds it the
 * endpoints. Choosing and recording are one synchronous step, which makes the hard cap exact within a coordinator.
 * Time comes in as `nowMs` (monotonic), so that a recorded log replays to the same decisions.
 */
export class InMemoryModelPlacement implements ModelPlacement {
  #strategy: StrategyName;
  readonly #constants: PlacementConstants;
  readonly #healthRule: HealthRuleOptions;
  readonly #seed: number;
  readonly #observer: PlacementObserver | undefined;
  readonly #members: PlacementMembers;
  readonly #keys: PrefixKeyFinder;
  readonly #memory: PrefixMemory;
  readonly #ledger = new WorkLedger();
  readonly #unseen = new UnseenArrivals();
  #depths = new Int32Array(0);
  #placedRequests = 0;
  #placedWork = 0;
  #lastPlaced: string | null = null;
  /** Mean of the measured paces, tokens per ms; `null` before any. */
  #meanPace: number | null = null;

  constructor(options: ModelPlacementOptions = {}) {
    this.#strategy = options.strategy ?? 'chwbl';
    this.#constants = constantsOf(options.constants);
    this.#healthRule = { ...defaultHealthRule, ...options.healthRule };
    this.#seed = options.seed ?? 1;
    this.#observer = options.observer;
    this.#keys = new PrefixKeyFinder(this.#constants);
    this.#memory = new PrefixMemory(this.#constants.memoryEntries);
    this.#members = new PlacementMembers({
      constants: this.#constants,
      breaker: { ...defaultBreakerOptions, ...options.breaker },
      healthRule: this.#healthRule,
      memory: this.#memory,
    });
  }

  /** `weight` is the endpoint's share of the work beside the others', above 0. */
  upsert(state: EndpointState, weight = 1): void {
    this.#members.upsert(state, weight);
    this.#keys.setMembers(this.#members.list.length);
    if (this.#depths.length < this.#memory.slotCount) this.#depths = new Int32Array(this.#memory.slotCount);
  }

  leave(endpointId: string): void {
    this.#members.leave(endpointId);
    this.#keys.setMembers(this.#members.list.length);
  }

  /** Another rule from the next decision on; ring, loads, memory and breakers stay. */
  useStrategy(strategy: StrategyName): void {
    this.#strategy = strategy;
  }

  /** Another rule for what was seen as well; late first tokens are counted by the limit they were seen under. */
  useHealthRule(rule: Partial<HealthRuleOptions>): void {
    Object.assign(this.#healthRule, rule);
  }

  decide(request: PlacementRequest, nowMs: number): PlacementDecision {
    this.#members.review(nowMs);
    for (const { load } of this.#members.list) if (load.unseenTokens > 0) this.#ledger.settle(load, nowMs);
    // A request that comes back under its id has ended where it was.
    this.done(request.id, nowMs);
    const prepared = this.#prepare(request, nowMs);
    for (const { refusal } of prepared.refused) this.#observer?.refused?.(refusal);
    const decision = this.#conclude(prepared, false);
    if (decision.selection) this.#record(request, decision.selection, nowMs, ownLease);
    this.#observer?.decided?.(decision.outcome);
    const { endpoint, outcome, home, reason } = decision;
    return { endpoint, outcome, home, reason };
  }

  explain(request: PlacementRequest, nowMs: number): PlacementExplanation {
    const prepared = this.#prepare(request, nowMs);
    const { endpoint, outcome, home, reason, selection } = this.#conclude(prepared, true);
    return {
      endpoint,
      outcome,
      home,
      reason,
      strategy: this.#strategy,
      keyIndex: prepared.keyIndex,
      candidates: selection?.candidates ?? [],
      refused: prepared.refused.map(({ member, refusal }) => ({
        endpoint: member.state.id,
        refusal,
        reason: explainRefusal(refusal, member.state),
      })),
    };
  }

  /** A request that another coordinator placed: counts in load, memory and shares, whatever we would have chosen. */
  observe(request: ObservedRequest, endpointId: string, nowMs: number): void {
    const member = this.#members.get(endpointId);
    if (!member) return;
    this.done(request.id, nowMs);
    this.#readDepths(request.chain);
    const depth = this.#depths[member.slot]!;
    const predicted = Math.max(0, tokensOf(request) - this.#constants.blockTokens * depth);
    const { uncachedTokens = predicted, ended } = request;
    const started = request.started === true || ended !== undefined;
    if (request.started !== true) this.#unseen.observed(uncachedTokens, nowMs);
    this.#record(request, { member, depth, uncachedTokens }, nowMs, { observed: true, started });
    if (ended === undefined) return;
    if (ended.cachedTokens !== undefined) this.firstToken(request.id, nowMs, ended.cachedTokens);
    this.done(request.id, nowMs);
  }

  /** May be called again with the cached tokens, which a stream tells only at its end. */
  firstToken(requestId: string, nowMs: number, cachedTokens?: number): void {
    const lease = this.#ledger.get(requestId);
    const member = lease && this.#members.get(lease.endpointId);
    const finished = this.#ledger.firstToken(requestId, nowMs);
    if (lease && !lease.observed && (finished || cachedTokens !== undefined))
      this.#observer?.firstToken?.(requestId, cachedTokens);
    // An endpoint that left or restarted meanwhile learns nothing from what its predecessor did.
    if (!lease || member?.load !== lease.load) return;
    if (cachedTokens !== undefined) this.#learnCapacity(member, lease, cachedTokens);
    if (!finished) return;
    if (!lease.observed) member.health.firstToken(nowMs, nowMs - lease.placedAtMs);
    const computed = cachedTokens === undefined ? lease.uncachedTokens : lease.tokens - cachedTokens;
    member.pace.add(Math.max(1, computed + finished.unseenTokens), finished.elapsedMs);
    this.#meanPace = meanPaceOf(this.#members.list);
  }

  done(requestId: string, nowMs: number): void {
    const lease = this.#ledger.release(requestId, nowMs);
    if (!lease) return;
    if (!lease.observed) this.#observer?.released?.(requestId);
    this.#members.released(lease);
  }

  reportFailure(endpointId: string, nowMs: number, requestId?: string): void {
    const member = this.#members.get(endpointId);
    member?.breaker.failed(nowMs, requestId);
    member?.health.attempted(nowMs, true);
  }

  reportSuccess(endpointId: string, nowMs: number, requestId?: string): void {
    const member = this.#members.get(endpointId);
    member?.breaker.succeeded(nowMs, requestId);
    member?.health.attempted(nowMs, false);
  }

  inFlight(): ReadonlyMap<string, number> {
    return new Map(this.#members.list.map((member) => [member.state.id, member.load.requests]));
  }

  /** For gauges and tests; read only. */
  members(): readonly Readonly<Member>[] {
    return this.#members.list;
  }

  /** Blocks that the endpoint's cache is thought to hold; 0 for a stranger. */
  heldBlocks(endpointId: string): number {
    const member = this.#members.get(endpointId);
    return member ? this.#memory.heldBlocks(member.slot) : 0;
  }

  /** Blocks remembered, and those that found no room. */
  memoryUse(): { blocks: number; dropped: number } {
    return { blocks: this.#memory.size, dropped: this.#memory.dropped };
  }

  #prepare(request: PlacementRequest, nowMs: number): Prepared {
    const { list: members, ring } = this.#members;
    const eligible: Member[] = [];
    const refused: RefusedMember[] = [];
    const standings = this.#members.standings(request.servedName);
    const eligibleFlags = new Uint8Array(members.length);
    for (let index = 0; index < members.length; index += 1) {
      const member = members[index]!;
      const refusal = refusalOf(member, request, nowMs, standings[index]);
      if (refusal !== null) {
        refused.push({ member, refusal });
        continue;
      }
      eligible.push(member);
      eligibleFlags[index] = 1;
    }
    const prefix = request.chain.length > 0 ? this.#keys.keyOf(request.chain) : null;
    const key = request.sessionKey ? hashText(request.sessionKey) : (prefix?.key ?? null);
    this.#readDepths(request.chain);
    const tokens = tokensOf(request);
    const start = key === null ? null : ring.startOf(key);
    return {
      view: {
        eligible,
        members,
        eligibleFlags,
        ring,
        start,
        sharedBlocks: prefix?.index ?? 0,
        tokens,
        depths: this.#depths,
        meanWork: this.#meanWork(tokens),
        meanPace: this.#meanPace,
        nowMs,
        unseenTokens: this.#constants.unseenCostMs * this.#unseen.tokensPerMs(nowMs),
        placedRequests: this.#placedRequests,
        lastPlaced: this.#lastPlaced,
        seed: this.#seed,
        constants: this.#constants,
      },
      keyIndex: prefix?.index ?? null,
      home: start === null ? null : ring.names[ring.ownerAt(start)]!,
      refused,
    };
  }

  #conclude(prepared: Prepared, trace: boolean): PlacementDecision & { selection?: Selection } {
    const { view, home, refused } = prepared;
    if (view.eligible.length === 0) return { ...refuse(refused), home };
    const selection = strategies[this.#strategy].select(view, trace);
    const id = selection.member.state.id;
    return {
      endpoint: id,
      outcome: outcomeOf(selection, home),
      home,
      reason: `${id}: ${selection.rule}`,
      selection,
    };
  }

  #record(
    request: PlacementRequest,
    { member, depth, uncachedTokens }: Pick<Selection, 'member' | 'depth' | 'uncachedTokens'>,
    nowMs: number,
    { observed, started }: typeof ownLease,
  ): void {
    const tokens = tokensOf(request);
    const { streams = true } = request;
    this.#ledger.take({
      requestId: request.id,
      endpointId: member.state.id,
      load: member.load,
      tokens,
      uncachedTokens,
      trace: this.#memory.trace(member.slot, request.chain),
      placedAtMs: nowMs,
      hasTaught: false,
      observed,
      started,
      streams,
      prefillEndMs: streams ? Infinity : this.#prefillEnd(member, uncachedTokens, nowMs),
    });
    if (!observed) {
      const { id, chain, requestId = '' } = request;
      this.#observer?.placed?.({
        id,
        requestId,
        endpointId: member.state.id,
        tokens,
        uncachedTokens,
        chain,
        streams,
      });
    }
    if (request.chain.length > 0) {
      this.#memory.record(member.slot, request.chain, depth);
      this.#keys.count(request.chain);
    }
    // Others' requests are no probes of ours: we would never hear how they ended.
    if (!observed) member.breaker.placed(request.id, nowMs);
    this.#placedRequests += 1;
    this.#placedWork += uncachedTokens + this.#constants.contextWeight * tokens;
    this.#lastPlaced = member.state.id;
  }

  /** Everything before it, and itself, at the endpoint's pace and a quarter slower. */
  #prefillEnd({ pace, load, weight }: Member, uncachedTokens: number, nowMs: number): number {
    const expected = this.#meanPace === null ? this.#constants.assumedTokensPerMs : this.#meanPace * weight;
    const tokensPerMs = pace.blended(expected, this.#constants.pacePriorTokens, load, nowMs);
    return nowMs + (1.25 * (remainingTokens(load, tokensPerMs, nowMs) + uncachedTokens)) / tokensPerMs;
  }

  /** One block of tolerance: engines cache full blocks only, and the last one of a prompt rarely is. */
  #learnCapacity(member: Member, lease: Lease, cachedTokens: number): void {
    const { trace } = lease;
    if (trace.depth === 0 || lease.hasTaught) return;
    lease.hasTaught = true;
    const wasCached = cachedTokens >= (trace.depth - 1) * this.#constants.blockTokens;
    this.#memory.learn(member.slot, trace.age, wasCached);
  }

  /** Mean of u + tokens/4 over placed requests; without history the request's own. */
  #meanWork(tokens: number): number {
    if (this.#placedRequests === 0) return tokens * (1 + this.#constants.contextWeight);
    return this.#placedWork / this.#placedRequests;
  }

  #readDepths(chain: readonly number[]): void {
    this.#memory.readDepths(chain, this.#depths);
  }
}

const ownLease = { observed: false, started: false };

/** Integers, so that sums of what was taken and given back are exact. */
function tokensOf(request: PlacementRequest): number {
  return Number.isFinite(request.tokens) ? Math.max(0, Math.round(request.tokens)) : 0;
}
