import type { EndpointState } from '../domain/endpoint.js';
import { defaultBreakerOptions, EndpointBreaker, type BreakerOptions } from './endpoint-breaker.js';
import { explainRefusal, refusalOf } from './eligibility.js';
import { compareNames, HashRing } from './hash-ring.js';
import { constantsOf, type PlacementConstants, type PlacementOverrides } from './placement-constants.js';
import { applyState, meanPaceOf, type Member } from './placement-member.js';
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
import { PrefixMemory } from './prefix-memory.js';
import type { Selection, SelectionView } from './select-endpoint.js';
import { hashText } from './stable-hash.js';
import { strategies, type StrategyName } from './strategies.js';
import { PrefillPace } from './prefill-pace.js';
import { emptyLoad, WorkLedger, type EndpointLoad, type Lease } from './work-ledger.js';

export interface ModelPlacementOptions {
  strategy?: StrategyName;
  constants?: PlacementOverrides;
  breaker?: Partial<BreakerOptions>;
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
  readonly #breakerOptions: BreakerOptions;
  readonly #seed: number;
  readonly #observer: PlacementObserver | undefined;
  readonly #ring: HashRing;
  readonly #keys: PrefixKeyFinder;
  readonly #memory: PrefixMemory;
  readonly #ledger = new WorkLedger();
  /** In name order, as the ring numbers its members. */
  #members: Member[] = [];
  readonly #byId = new Map<string, Member>();
  /** Loads of endpoints that left with requests in flight: they count again if the same incarnation comes back. */
  readonly #departed = new Map<string, { incarnation: string; load: EndpointLoad }>();
  #depths = new Int32Array(0);
  #placedRequests = 0;
  #placedWork = 0;
  #lastPlaced: string | null = null;
  /** Mean of the measured paces, tokens per ms; `null` before any. */
  #meanPace: number | null = null;

  constructor(options: ModelPlacementOptions = {}) {
    this.#strategy = options.strategy ?? 'chwbl';
    this.#constants = constantsOf(options.constants);
    this.#breakerOptions = { ...defaultBreakerOptions, ...options.breaker };
    this.#seed = options.seed ?? 1;
    this.#observer = options.observer;
    this.#ring = new HashRing(this.#constants.virtualNodes);
    this.#keys = new PrefixKeyFinder(this.#constants);
    this.#memory = new PrefixMemory(this.#constants.memoryEntries);
  }

  /** `weight` is the endpoint's share of the work beside the others', above 0. */
  upsert(state: EndpointState, weight = 1): void {
    if (!(weight > 0 && weight < Infinity)) {
      throw new RangeError(`expected a weight above 0 for ${state.id}, got ${weight}`);
    }
    const known = this.#byId.get(state.id);
    if (known) this.#update(known, state, weight);
    else this.#join(state, weight);
  }

  leave(endpointId: string): void {
    const member = this.#byId.get(endpointId);
    if (!member) return;
    if (member.load.requests > 0) {
      this.#departed.set(endpointId, { incarnation: member.state.incarnation, load: member.load });
    }
    this.#byId.delete(endpointId);
    this.#members = this.#members.filter((other) => other !== member);
    this.#ring.remove(endpointId);
    this.#memory.removeSlot(member.slot);
    this.#keys.setMembers(this.#members.length);
  }

  /** Another rule from the next decision on; ring, loads, memory and breakers stay. */
  useStrategy(strategy: StrategyName): void {
    this.#strategy = strategy;
  }

  decide(request: PlacementRequest, nowMs: number): PlacementDecision {
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
    const member = this.#byId.get(endpointId);
    if (!member) return;
    this.done(request.id, nowMs);
    this.#readDepths(request.chain);
    const depth = this.#depths[member.slot]!;
    const predicted = Math.max(0, tokensOf(request) - this.#constants.blockTokens * depth);
    const { uncachedTokens = predicted, started = false } = request;
    this.#record(request, { member, depth, uncachedTokens }, nowMs, { observed: true, started });
  }

  /** May be called again with the cached tokens, which a stream tells only at its end. */
  firstToken(requestId: string, nowMs: number, cachedTokens?: number): void {
    const lease = this.#ledger.get(requestId);
    const member = lease && this.#byId.get(lease.endpointId);
    const finished = this.#ledger.firstToken(requestId, nowMs);
    if (lease && !lease.observed && (finished || cachedTokens !== undefined))
      this.#observer?.firstToken?.(requestId, cachedTokens);
    // An endpoint that left or restarted meanwhile learns nothing from what its predecessor did.
    if (!lease || member?.load !== lease.load) return;
    if (cachedTokens !== undefined) this.#learnCapacity(member, lease, cachedTokens);
    if (!finished) return;
    const computed = cachedTokens === undefined ? lease.uncachedTokens : lease.tokens - cachedTokens;
    member.pace.add(Math.max(1, computed), finished.elapsedMs);
    this.#meanPace = meanPaceOf(this.#members);
  }

  done(requestId: string, nowMs: number): void {
    const lease = this.#ledger.release(requestId, nowMs);
    if (!lease) return;
    if (!lease.observed) this.#observer?.released?.(requestId);
    this.#byId.get(lease.endpointId)?.breaker.ended(requestId);
    const departed = this.#departed.get(lease.endpointId);
    if (departed?.load === lease.load && lease.load.requests === 0) this.#departed.delete(lease.endpointId);
  }

  reportFailure(endpointId: string, nowMs: number, requestId?: string): void {
    this.#byId.get(endpointId)?.breaker.failed(nowMs, requestId);
  }

  reportSuccess(endpointId: string, nowMs: number, requestId?: string): void {
    this.#byId.get(endpointId)?.breaker.succeeded(nowMs, requestId);
  }

  inFlight(): ReadonlyMap<string, number> {
    return new Map(this.#members.map((member) => [member.state.id, member.load.requests]));
  }

  /** For gauges and tests; read only. */
  members(): readonly Readonly<Member>[] {
    return this.#members;
  }

  /** Blocks remembered, and those that found no room. */
  memoryUse(): { blocks: number; dropped: number } {
    return { blocks: this.#memory.size, dropped: this.#memory.dropped };
  }

  #join(state: EndpointState, weight: number): void {
    const departed = this.#departed.get(state.id);
    const returns = departed?.incarnation === state.incarnation;
    this.#departed.delete(state.id);
    const member: Member = {
      state,
      breaker: new EndpointBreaker(this.#breakerOptions),
      pace: new PrefillPace(),
      load: returns ? departed.load : emptyLoad(),
      baseWeight: weight,
      weight,
      slot: this.#memory.addSlot(this.#capacityOf(state)),
      standing: null,
    };
    applyState(member, state, this.#constants.degradedWeight);
    this.#byId.set(state.id, member);
    this.#members = [...this.#members, member].sort((a, b) => compareNames(a.state.id, b.state.id));
    this.#ring.add(state.id);
    this.#keys.setMembers(this.#members.length);
    this.#depths = new Int32Array(this.#memory.slotCount);
  }

  /** A new incarnation is a new process: empty cache, no load, no failures. Leases of the old one end on their own. */
  #update(member: Member, state: EndpointState, weight: number): void {
    if (state.incarnation !== member.state.incarnation) {
      this.#memory.forget(member.slot);
      member.load = emptyLoad();
      member.breaker = new EndpointBreaker(this.#breakerOptions);
      member.pace = new PrefillPace();
    }
    if (state.capacityBlocks !== member.state.capacityBlocks) {
      this.#memory.setCapacity(member.slot, this.#capacityOf(state));
    }
    member.baseWeight = weight;
    applyState(member, state, this.#constants.degradedWeight);
  }

  #capacityOf(state: EndpointState): number {
    return state.capacityBlocks ?? this.#constants.defaultCapacityBlocks;
  }

  #prepare(request: PlacementRequest, nowMs: number): Prepared {
    const eligible: Member[] = [];
    const refused: RefusedMember[] = [];
    const eligibleFlags = new Uint8Array(this.#members.length);
    for (let index = 0; index < this.#members.length; index += 1) {
      const member = this.#members[index]!;
      const refusal = member.standing ?? refusalOf(member, request, nowMs);
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
    return {
      view: {
        eligible,
        members: this.#members,
        eligibleFlags,
        ring: this.#ring,
        key,
        sharedBlocks: prefix?.index ?? 0,
        tokens,
        depths: this.#depths,
        meanWork: this.#meanWork(tokens),
        meanPace: this.#meanPace,
        nowMs,
        placedRequests: this.#placedRequests,
        lastPlaced: this.#lastPlaced,
        seed: this.#seed,
        constants: this.#constants,
      },
      keyIndex: prefix?.index ?? null,
      home: key === null ? null : this.#ring.homeOf(key),
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
    });
    if (!observed) {
      const { id, chain, requestId = '' } = request;
      this.#observer?.placed?.({ id, requestId, endpointId: member.state.id, tokens, uncachedTokens, chain });
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
