/**
 * Everything that a placement was told and what it answered, in order; and the same once more. A log from the first entry on
 * gives the same decisions on any machine, because placement reads no clock and draws no chance of its own.
 */
import type { EndpointState } from '../domain/endpoint.js';
import type { StrategyName } from '../domain/placement-strategy.js';
import type { HealthRuleOptions } from './health-rule.js';
import { InMemoryModelPlacement, type ModelPlacementOptions } from './model-placement.js';
import type { ObservedRequest, PlacementDecision, PlacementRequest } from './placement-types.js';

type Logged<R> = Omit<R, 'exclude'> & { exclude?: string[] };

/** One line of a log; `nowMs` is the monotonic time that placement was given. */
export type PlacementLogEntry =
  | { op: 'begin'; options: ModelPlacementOptions & { observer?: undefined } }
  | { op: 'upsert'; state: EndpointState; weight: number }
  | { op: 'leave'; endpoint: string }
  | { op: 'health-rule'; rule: Partial<HealthRuleOptions> }
  | { op: 'strategy'; strategy: StrategyName }
  | {
      op: 'decide';
      request: Logged<PlacementRequest>;
      nowMs: number;
      endpoint: string | null;
      outcome: string;
    }
  | { op: 'observe'; request: Logged<ObservedRequest>; endpoint: string; nowMs: number }
  | { op: 'firstToken'; id: string; nowMs: number; cachedTokens?: number }
  | { op: 'done'; id: string; nowMs: number }
  | { op: 'failed' | 'succeeded'; endpoint: string; nowMs: number; id?: string };

/** A placement that writes down what happens to it. */
export class RecordedPlacement extends InMemoryModelPlacement {
  readonly #write: (entry: PlacementLogEntry) => void;
  /** `decide` and `observe` end a former request of the same id: that is theirs, and is not written. */
  #inside = false;

  constructor(options: ModelPlacementOptions, write: (entry: PlacementLogEntry) => void) {
    super(options);
    this.#write = write;
    write({ op: 'begin', options: { ...options, observer: undefined } });
  }

  override upsert(state: EndpointState, weight = 1): void {
    // The log is for people to pass around.
    const shown = { ...state };
    delete shown.apiKey;
    this.#write({ op: 'upsert', state: shown, weight });
    super.upsert(state, weight);
  }

  override leave(endpoint: string): void {
    this.#write({ op: 'leave', endpoint });
    super.leave(endpoint);
  }

  override useStrategy(strategy: StrategyName): void {
    this.#write({ op: 'strategy', strategy });
    super.useStrategy(strategy);
  }

  override useHealthRule(rule: Partial<HealthRuleOptions>): void {
    this.#write({ op: 'health-rule', rule });
    super.useHealthRule(rule);
  }

  override decide(request: PlacementRequest, nowMs: number): PlacementDecision {
    const decision = this.#within(() => super.decide(request, nowMs));
    const { endpoint, outcome } = decision;
    this.#write({ op: 'decide', request: logged(request), nowMs, endpoint, outcome });
    return decision;
  }

  override observe(request: ObservedRequest, endpoint: string, nowMs: number): void {
    this.#write({ op: 'observe', request: logged(request), endpoint, nowMs });
    this.#within(() => super.observe(request, endpoint, nowMs));
  }

  override firstToken(id: string, nowMs: number, cachedTokens?: number): void {
    if (!this.#inside)
      this.#write({ op: 'firstToken', id, nowMs, ...(cachedTokens === undefined ? {} : { cachedTokens }) });
    super.firstToken(id, nowMs, cachedTokens);
  }

  override done(id: string, nowMs: number): void {
    if (!this.#inside) this.#write({ op: 'done', id, nowMs });
    super.done(id, nowMs);
  }

  override reportFailure(endpoint: string, nowMs: number, id?: string): void {
    this.#write({ op: 'failed', endpoint, nowMs, ...(id === undefined ? {} : { id }) });
    super.reportFailure(endpoint, nowMs, id);
  }

  override reportSuccess(endpoint: string, nowMs: number, id?: string): void {
    this.#write({ op: 'succeeded', endpoint, nowMs, ...(id === undefined ? {} : { id }) });
    super.reportSuccess(endpoint, nowMs, id);
  }

  #within<T>(run: () => T): T {
    this.#inside = true;
    try {
      return run();
    } finally {
      this.#inside = false;
    }
  }
}

export interface ReplayResult {
  decisions: number;
  /** Decisions that came out otherwise, by their number among the entries. */
  different: { entry: number; id: string; was: string | null; is: string | null }[];
}

/** Plays the log of one placement. Throws a RangeError where it does not begin with its beginning. */
export function replayPlacementLog(entries: Iterable<PlacementLogEntry>): ReplayResult {
  const result: ReplayResult = { decisions: 0, different: [] };
  let placement: InMemoryModelPlacement | null = null;
  let number = 0;
  for (const entry of entries) {
    if (entry.op === 'begin') placement = new InMemoryModelPlacement(entry.options);
    else if (!placement) throw new RangeError(`expected a log to begin with "begin", got "${entry.op}"`);
    else if (entry.op !== 'decide') replay(placement, entry);
    else {
      const { endpoint } = placement.decide(unlogged(entry.request), entry.nowMs);
      result.decisions += 1;
      if (endpoint !== entry.endpoint)
        result.different.push({ entry: number, id: entry.request.id, was: entry.endpoint, is: endpoint });
    }
    number += 1;
  }
  return result;
}

function replay(
  placement: InMemoryModelPlacement,
  entry: Exclude<PlacementLogEntry, { op: 'begin' } | { op: 'decide' }>,
): void {
  switch (entry.op) {
    case 'upsert':
      return placement.upsert(entry.state, entry.weight);
    case 'leave':
      return placement.leave(entry.endpoint);
    case 'strategy':
      return placement.useStrategy(entry.strategy);
    case 'health-rule':
      return placement.useHealthRule(entry.rule);
    case 'observe':
      return placement.observe(unlogged(entry.request), entry.endpoint, entry.nowMs);
    case 'firstToken':
      return placement.firstToken(entry.id, entry.nowMs, entry.cachedTokens);
    case 'done':
      return placement.done(entry.id, entry.nowMs);
    case 'failed':
      return placement.reportFailure(entry.endpoint, entry.nowMs, entry.id);
    case 'succeeded':
      return placement.reportSuccess(entry.endpoint, entry.nowMs, entry.id);
  }
}

function logged<R extends PlacementRequest>({ exclude, ...request }: R): Logged<R> {
  return { ...request, ...(exclude && exclude.size > 0 ? { exclude: [...exclude] } : {}) };
}

function unlogged<R extends PlacementRequest>({ exclude, ...request }: Logged<R>): R {
  return { ...request, ...(exclude ? { exclude: new Set(exclude) } : {}) } as unknown as R;
}
