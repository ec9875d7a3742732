import type { EndpointState } from '../domain/endpoint.js';
import type { EndpointBreaker } from './endpoint-breaker.js';
import type { EndpointLoad } from './work-ledger.js';

/** Why an endpoint may not take a request; also the label of a metric. */
export const refusals = [
  'not-ready',
  'evicting',
  'cordoned',
  'device-unhealthy',
  'model-not-served',
  'elsewhere',
  'excluded',
  'breaker-open',
  'at-hard-cap',
] as const;
export type Refusal = (typeof refusals)[number];

export interface Candidate {
  readonly state: EndpointState;
  readonly breaker: EndpointBreaker;
  readonly load: EndpointLoad;
}

export interface EligibilityQuestion {
  /** Model or adapter that must be among the served ones; undefined asks nothing. */
  servedName?: string | undefined;
  exclude?: ReadonlySet<string> | undefined;
  /** Endpoint that alone may take the request. */
  only?: string | undefined;
}

/**
 * The one answer to "may this endpoint take this request". `null` is yes. A silent node and a device without news are
 * still tried: a coordinator that lost sight of an agent must not stop a service that works. `standing` is what was kept of
 * `standingRefusal`, for those who ask often.
 */
export function refusalOf(
  candidate: Candidate,
  question: EligibilityQuestion,
  nowMs: number,
  standing = standingRefusal(candidate.state, question.servedName),
): Refusal | null {
  return standing ?? momentaryRefusal(candidate, question, nowMs);
}

/** What the node says of the endpoint: the same for every request for that name until the next state arrives. */
export function standingRefusal(state: EndpointState, servedName?: string): Refusal | null {
  if (state.evicting) return 'evicting';
  if (state.engineState !== 'ready') return 'not-ready';
  if (state.cordonHolders.length > 0) return 'cordoned';
  if (state.deviceHealth === 'unhealthy') return 'device-unhealthy';
  if (servedName !== undefined && !state.servedModels.includes(servedName)) return 'model-not-served';
  return null;
}

function momentaryRefusal(
  { state, breaker, load }: Candidate,
  { exclude, only }: EligibilityQuestion,
  nowMs: number,
): Refusal | null {
  if (only !== undefined && only !== state.id) return 'elsewhere';
  // Mostly empty, and then a look into it would be most of what this costs.
  if (exclude !== undefined && exclude.size > 0 && exclude.has(state.id)) return 'excluded';
  if (!breaker.admits(nowMs)) return 'breaker-open';
  // Last, so that "at-hard-cap" means: everything else was fine, waiting helps.
  if (load.requests >= state.maxConcurrent) return 'at-hard-cap';
  return null;
}

/** A sentence for errors, `Explain` and logs. */
export function explainRefusal(refusal: Refusal, state: EndpointState): string {
  switch (refusal) {
    case 'evicting':
      return `${state.id} is being evicted: ${state.engineReason || 'its work will not finish'}`;
    case 'not-ready':
      return `${state.id} is ${state.engineState}${state.engineReason ? `: ${state.engineReason}` : ''}`;
    case 'cordoned':
      return `${state.id} is cordoned by ${state.cordonHolders.join(', ')}`;
    case 'device-unhealthy':
      return `${state.id} has an unhealthy device: ${state.deviceReason || 'no reason given'}`;
    case 'model-not-served':
      return `${state.id} does not serve the model or adapter asked for`;
    case 'elsewhere':
      return `${state.id} does not keep what the request refers to`;
    case 'excluded':
      return `${state.id} was already tried by this request`;
    case 'breaker-open':
      return `${state.id} failed too often; its breaker lets one probe through after a wait`;
    case 'at-hard-cap':
      return `${state.id} is at its cap of ${state.maxConcurrent} concurrent requests`;
  }
}
