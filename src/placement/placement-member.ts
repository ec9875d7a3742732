import type { EndpointState } from '../domain/endpoint.js';
import { EndpointBreaker } from './endpoint-breaker.js';
import type { Candidate } from './eligibility.js';
import type { PrefillPace } from './prefill-pace.js';
import type { HealthBreach, HealthRule } from './health-rule.js';
import type { EndpointLoad } from './work-ledger.js';

/** One endpoint as placement keeps it. The load object belongs to one incarnation: leases of the former keep theirs. */
export interface Member extends Candidate {
  state: EndpointState;
  breaker: EndpointBreaker;
  load: EndpointLoad;
  pace: PrefillPace;
  health: HealthRule;
  /** As last reviewed. */
  breach: HealthBreach | null;
  /** Weight as joined, before health. */
  baseWeight: number;
  /** Weight in the bound and in the costs. */
  weight: number;
  /** Index into the prefix memory. */
  readonly slot: number;
}

/** Takes in what the node says; the weight follows the health of the devices, and of what the endpoint answers. */
export function applyState(member: Member, state: EndpointState, degradedWeight: number): void {
  member.state = state;
  weigh(member, degradedWeight);
}

/** Asks the health rule what it says now. */
export function reviewHealth(member: Member, degradedWeight: number, nowMs: number): void {
  const breach = member.health.breach(nowMs);
  if (breach === member.breach) return;
  member.breach = breach;
  weigh(member, degradedWeight);
}

function weigh(member: Member, degradedWeight: number): void {
  const { state, breach, baseWeight } = member;
  const faults = Number(state.deviceHealth === 'degraded') + Number(breach !== null);
  member.weight = baseWeight * degradedWeight ** faults;
}

/** W = P + K/4: prefill still to do, and a share for the context that slows decoding. */
export function workOf(load: EndpointLoad, contextWeight: number): number {
  return load.queuedTokens + contextWeight * load.contextTokens;
}

/** Per unit of weight, over the endpoints that were measured. */
export function meanPaceOf(members: readonly Member[]): number | null {
  let [sum, weight] = [0, 0];
  for (const member of members) {
    const pace = member.pace.tokensPerMs;
    if (pace === null) continue;
    sum += pace;
    weight += member.weight;
  }
  return weight > 0 ? sum / weight : null;
}
