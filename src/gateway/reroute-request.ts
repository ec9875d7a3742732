/**
 * The loop over attempts: the end of the fault path. A request whose endpoint refuses, dies or is evicted before the
 * first byte moves to another endpoint; one that has begun ends with the truth. Never to an endpoint already tried, at
 * most N attempts, and under a global budget, so that trouble at the engines is not multiplied here.
 */
import { InfernodeError, type ErrorCode } from '../domain/error-codes.js';
import { backoffMs } from '../runtime/backoff.js';
import { sleep, type Clock } from '../runtime/clock.js';
import type { Admission, AdmissionRequest } from './admission/admission.js';
import { refusingStatuses, type AttemptEnd, type HeldAnswer } from './relay/attempt-end.js';
import type { ForwardAttempt } from './relay/forward-attempt.js';
import type { GatewayMetrics } from './gateway-metrics.js';
import type { Lease } from './admission/lease.js';
import type { RetryBudget } from './admission/retry-budget.js';

export interface RetryOptions {
  /** Attempts in all, the first included. */
  maxAttempts: number;
  baseMs: number;
  capMs: number;
  /** Share of a back-off that is random, 0..1. */
  jitterRatio: number;
  /** Reroutes per request over the long run, 0..1. */
  budgetRatio: number;
}

/** One request under way. At most one stage (queue, attempt, back-off) is interruptible at a time. */
export interface RoutableRequest {
  readonly model: string;
  /** What it asks of admission; the endpoints it has tried are added as they are tried. */
  readonly admission: AdmissionRequest & { readonly exclude: Set<string> };
  readonly clientGone: boolean;
  /** What to do when the client goes away now; `null` between stages. */
  onClientGone: (() => void) | null;
}

export interface RerouteDependencies {
  admission: Admission;
  budget: RetryBudget;
  retry: RetryOptions;
  clock: Clock;
  metrics: GatewayMetrics;
  /** The gateway has been destroyed: no more attempts. */
  ended: () => boolean;
  attempt: (lease: Lease, options: { fresh: boolean; attempts: number }) => ForwardAttempt;
}

export type RequestEnd =
  | Exclude<AttemptEnd, { kind: 'lost' } | { kind: 'refused' } | { kind: 'deadline' }>
  /** The engine's own refusal, to be passed on. */
  | { kind: 'held'; answer: HeldAnswer }
  /** Nobody could answer. */
  | { kind: 'failed'; code: ErrorCode; message: string };

type Unanswered = Extract<AttemptEnd, { kind: 'lost' | 'refused' }>;

export async function rerouteRequest(
  request: RoutableRequest,
  deps: RerouteDependencies,
): Promise<RequestEnd> {
  const tried = request.admission.exclude;
  let last: Unanswered | null = null;
  for (let attempts = 1; ; attempts++) {
    if (request.clientGone) return { kind: 'client-gone' };
    if (deps.clock.monotonicMs() >= (request.admission.deadlineMs ?? Infinity)) return late;
    const lease = await enter(request, deps, last);
    if (!('release' in lease)) return lease;
    tried.add(lease.endpointId);
    const end = await attemptAt(lease, request, deps, attempts);
    blame(lease, end);
    lease.release();
    if (end.kind === 'deadline') return late;
    if (end.kind !== 'lost' && end.kind !== 'refused') return end;
    if (deps.ended()) return { kind: 'failed', code: 'shutting-down', message: 'the gateway ended' };
    if (!mayReroute(end, request, attempts, deps)) return giveUp(end, attempts);
    deps.metrics.reroutes.inc({ reason: end.kind === 'lost' ? end.code : `status-${end.status}` });
    last = end;
    if (end.kind === 'refused' && !end.engineDead) await backOff(request, attempts, deps);
  }
}

const late: RequestEnd = {
  kind: 'failed',
  code: 'deadline-exceeded',
  message: 'the deadline of the request passed before its first byte',
};

/** A lease, or how the request ends without one. */
async function enter(
  request: RoutableRequest,
  { admission }: RerouteDependencies,
  last: Unanswered | null,
): Promise<Lease | RequestEnd> {
  try {
    const entry = admission.admit(request.admission);
    if ('release' in entry) return entry;
    request.onClientGone = () => entry.cancel();
    const lease = await entry.lease;
    request.onClientGone = null;
    if (lease !== null && request.clientGone) lease.release();
    return lease === null || request.clientGone ? { kind: 'client-gone' } : lease;
  } catch (error) {
    request.onClientGone = null;
    if (!(error instanceof InfernodeError)) throw error;
    // The engine's own words say more than "nobody else is left".
    if (last !== null && error.code === 'no-eligible-endpoint')
      return giveUp(last, request.admission.exclude.size);
    return { kind: 'failed', code: error.code, message: error.message };
  }
}

async function attemptAt(
  lease: Lease,
  request: RoutableRequest,
  { attempt, metrics }: RerouteDependencies,
  attempts: number,
): Promise<AttemptEnd> {
  for (let fresh = false; ; fresh = true) {
    // The news may have come between the decision and now.
    if (lease.endpoint === undefined || lease.endpoint.evicting)
      return { kind: 'lost', code: 'endpoint-evicted', message: evictionReason(lease), race: false };
    if (request.clientGone) return { kind: 'client-gone' };
    const running = attempt(lease, { fresh, attempts }).start();
    request.onClientGone = () => running.cancel();
    const end = await running.ended;
    request.onClientGone = null;
    metrics.attempts.inc({ result: end.kind === 'lost' ? end.code : end.kind });
    if (end.kind !== 'lost' || !end.race || fresh) return end;
    metrics.retries.inc({ reason: 'keep-alive-race' });
  }
}

/** What the breaker learns. Not from 4xx, clients that leave, or evictions: those say nothing about the endpoint. */
function blame(lease: Lease, end: AttemptEnd): void {
  switch (end.kind) {
    case 'answered':
      if (typeof end.usage?.cachedTokens === 'number') lease.firstToken(end.usage.cachedTokens);
      if (end.result === 'engine-error' || end.result === 'truncated') lease.failed();
      else lease.succeeded();
      break;
    case 'refused':
      if (end.status !== 429) lease.failed();
      break;
    case 'lost':
      if (end.code !== 'endpoint-evicted') lease.failed();
      break;
    case 'interrupted':
      if (end.by === 'upstream' || end.by === 'timeout') lease.failed();
      break;
    case 'client-gone':
    case 'deadline':
      break;
  }
}

/**
 * A lost connection or an eviction is known to be over at that endpoint, and reroutes free of the budget the first time:
 * a node that dies takes many requests along at once, and each of them deserves one other place. Refusals speak of
 * load, and every retry after them costs.
 */
function mayReroute(
  end: Unanswered,
  request: RoutableRequest,
  attempts: number,
  { retry, admission, budget, metrics }: RerouteDependencies,
): boolean {
  if (attempts >= retry.maxAttempts) return false;
  // No other engine has the response it refers to: elsewhere its 503 would become a 404.
  const { only, exclude } = request.admission;
  if (only !== undefined && exclude.has(only)) return false;
  if (end.kind === 'refused' && !end.engineDead && !refusingStatuses.has(end.status)) return false;
  // Neither budget nor back-off is spent on finding out that nobody is left.
  if (!admission.hasUntried(request.admission)) return false;
  const lostOnce = end.kind === 'lost' && end.code !== 'endpoint-timeout' && attempts === 1;
  if (lostOnce || (end.kind === 'lost' && end.code === 'endpoint-evicted') || budget.take()) return true;
  metrics.budgetDenied.inc();
  return false;
}

function giveUp(end: Unanswered, attempts: number): RequestEnd {
  if (end.kind === 'refused') return { kind: 'held', answer: end.answer };
  const tries = attempts === 1 ? 'one attempt' : `${attempts} attempts`;
  return { kind: 'failed', code: end.code, message: `${end.message}; gave up after ${tries}` };
}

async function backOff(
  request: RoutableRequest,
  attempts: number,
  { retry, clock }: RerouteDependencies,
): Promise<void> {
  const stop = new AbortController();
  request.onClientGone = () => stop.abort();
  await sleep(clock, backoffMs(attempts - 1, retry), stop.signal);
  request.onClientGone = null;
}

function evictionReason({ endpoint }: Lease): string {
  return endpoint?.deviceReason || endpoint?.engineReason || 'the endpoint is being evicted';
}
