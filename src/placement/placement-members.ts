import type { EndpointState } from '../domain/endpoint.js';
import { EndpointBreaker, type BreakerOptions } from './endpoint-breaker.js';
import { standingRefusal, type Refusal } from './eligibility.js';
import { HealthRule, type HealthRuleOptions } from './health-rule.js';
import { compareNames, HashRing } from './hash-ring.js';
import type { PlacementConstants } from './placement-constants.js';
import { applyState, reviewHealth, type Member } from './placement-member.js';
import { PrefillPace } from './prefill-pace.js';
import type { PrefixMemory } from './prefix-memory.js';
import { emptyLoad, type EndpointLoad, type Lease } from './work-ledger.js';

export interface PlacementMembersOptions {
  constants: PlacementConstants;
  breaker: BreakerOptions;
  /** Shared with every endpoint's rule, so that a change of it reaches them. */
  healthRule: HealthRuleOptions;
  memory: PrefixMemory;
}

/** How often endpoints are asked whether they keep to the health rule, ms. */
const reviewEveryMs = 1_000;

/** The endpoints of one model: who they are, where they stand on the ring, and what each has been through. */
export class PlacementMembers {
  readonly ring: HashRing;
  readonly #options: PlacementMembersOptions;
  /** In name order, as the ring numbers its members. */
  #list: Member[] = [];
  readonly #byId = new Map<string, Member>();
  /** Loads of endpoints that left with requests in flight: they count again if the same incarnation comes back. */
  readonly #departed = new Map<string, { incarnation: string; load: EndpointLoad }>();
  /** By name asked for; see `standings`. */
  readonly #standings = new Map<string | undefined, readonly (Refusal | null)[]>();
  #reviewedAtMs = -Infinity;

  constructor(options: PlacementMembersOptions) {
    this.#options = options;
    this.ring = new HashRing(options.constants.virtualNodes);
  }

  get list(): readonly Member[] {
    return this.#list;
  }

  get(id: string): Member | undefined {
    return this.#byId.get(id);
  }

  /** `standingRefusal` of each member, by its index: kept, since every request asks and only a state or a member changes it. */
  standings(servedName: string | undefined): readonly (Refusal | null)[] {
    const known = this.#standings.get(servedName);
    if (known !== undefined) return known;
    const standings = this.#list.map(({ state }) => standingRefusal(state, servedName));
    // Not of invented names: so there are no more of them than names are served.
    const isServed = this.#list.some(({ state }) => state.servedModels.includes(servedName ?? ''));
    if (isServed || servedName === undefined) this.#standings.set(servedName, standings);
    return standings;
  }

  /** Throws a RangeError for a weight that is not above 0. */
  upsert(state: EndpointState, weight: number): void {
    if (!(weight > 0 && weight < Infinity)) {
      throw new RangeError(`expected a weight above 0 for ${state.id}, got ${weight}`);
    }
    this.#standings.clear();
    const known = this.#byId.get(state.id);
    if (known) this.#update(known, state, weight);
    else this.#join(state, weight);
  }

  leave(id: string): void {
    const member = this.#byId.get(id);
    if (!member) return;
    this.#standings.clear();
    if (member.load.requests > 0) {
      this.#departed.set(id, { incarnation: member.state.incarnation, load: member.load });
    }
    this.#byId.delete(id);
    this.#list = this.#list.filter((other) => other !== member);
    this.ring.remove(id);
    this.#options.memory.removeSlot(member.slot);
  }

  /** A lease is over: its breaker hears of it, and the load of an endpoint that left is forgotten with its last one. */
  released(lease: Lease): void {
    this.#byId.get(lease.endpointId)?.breaker.ended(lease.requestId);
    const departed = this.#departed.get(lease.endpointId);
    if (departed?.load === lease.load && lease.load.requests === 0) this.#departed.delete(lease.endpointId);
  }

  /** Asks the health rule of each, once a second at most. */
  review(nowMs: number): void {
    if (nowMs - this.#reviewedAtMs < reviewEveryMs) return;
    this.#reviewedAtMs = nowMs;
    for (const member of this.#list) reviewHealth(member, this.#options.constants.degradedWeight, nowMs);
  }

  #join(state: EndpointState, weight: number): void {
    const { constants, memory } = this.#options;
    const departed = this.#departed.get(state.id);
    const returns = departed?.incarnation === state.incarnation;
    this.#departed.delete(state.id);
    const member: Member = {
      state,
      ...this.#blankRecord(),
      load: returns ? departed.load : emptyLoad(),
      baseWeight: weight,
      weight,
      slot: memory.addSlot(this.#capacityOf(state)),
    };
    applyState(member, state, constants.degradedWeight);
    this.#byId.set(state.id, member);
    this.#list = [...this.#list, member].sort((a, b) => compareNames(a.state.id, b.state.id));
    this.ring.add(state.id);
  }

  /** A new incarnation is a new process: empty cache, no load, no failures. Leases of the old one end on their own. */
  #update(member: Member, state: EndpointState, weight: number): void {
    const { constants, memory } = this.#options;
    if (state.incarnation !== member.state.incarnation) {
      memory.forget(member.slot);
      Object.assign(member, this.#blankRecord(), { load: emptyLoad() });
    }
    if (state.capacityBlocks !== member.state.capacityBlocks) {
      memory.setCapacity(member.slot, this.#capacityOf(state));
    }
    member.baseWeight = weight;
    applyState(member, state, constants.degradedWeight);
  }

  #blankRecord(): Pick<Member, 'breaker' | 'pace' | 'health' | 'breach'> {
    const { breaker, healthRule } = this.#options;
    return {
      breaker: new EndpointBreaker(breaker),
      pace: new PrefillPace(),
      health: new HealthRule(healthRule),
      breach: null,
    };
  }

  #capacityOf(state: EndpointState): number {
    return state.capacityBlocks ?? this.#options.constants.defaultCapacityBlocks;
  }
}
