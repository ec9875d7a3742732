import type { HashRing } from './hash-ring.js';
import type { PlacementConstants } from './placement-constants.js';
import { remainingTokens } from './prefill-pace.js';
import { workOf, type Member } from './placement-member.js';
import type { ExplainedCandidate } from './placement-types.js';

/** All that a strategy may look at. Nothing here is changed by choosing, so a dry run is the same call. */
export interface SelectionView {
  /** Endpoints that may take the request, in name order; never empty. */
  eligible: readonly Member[];
  /** All members in name order, as the ring numbers them. */
  members: readonly Member[];
  /** 1 where the member of that index is eligible. */
  eligibleFlags: Uint8Array;
  ring: HashRing;
  /** Position of the request on the ring, or `null` when it has neither text nor session. */
  key: number | null;
  /** Blocks of the chain before and including the key: what is held up to there is not the prompt's own. */
  sharedBlocks: number;
  tokens: number;
  /** Leading blocks held, by memory slot. */
  depths: Int32Array;
  /** Running mean of u + tokens/4 over placed requests. */
  meanWork: number;
  /** Mean measured prefill pace per unit of weight, tokens per ms; `null` before any measurement. */
  meanPace: number | null;
  nowMs: number;
  /** Uncached tokens that other coordinators place in `unseenCostMs`; a measure of what is under way unseen. */
  unseenTokens: number;
  /** Requests placed so far: cursor and seed of the strategies that need one. */
  placedRequests: number;
  lastPlaced: string | null;
  seed: number;
  constants: PlacementConstants;
}

export interface Selection {
  member: Member;
  uncachedTokens: number;
  depth: number;
  /** The prompt's own blocks (beyond the shared ones) are remembered there. */
  holdsOwn: boolean;
  /** What was compared; filled only when asked. */
  candidates?: ExplainedCandidate[];
  /** Which rule decided. */
  rule: string;
}

export interface Strategy {
  select(view: SelectionView, trace: boolean): Selection;
}

/** Leading blocks held never count for more than the prompt has. */
export function uncachedTokens(view: SelectionView, member: Member): number {
  return Math.max(0, view.tokens - view.constants.blockTokens * view.depths[member.slot]!);
}

export function selectionOf(view: SelectionView, member: Member, rule: string): Selection {
  const depth = view.depths[member.slot]!;
  return {
    member,
    uncachedTokens: uncachedTokens(view, member),
    depth,
    holdsOwn: depth > Math.max(1, view.sharedBlocks),
    rule,
  };
}

/** Eligible members clockwise from the key, each once. Without a key: name order. */
export function* clockwise(view: SelectionView): Generator<Member> {
  if (view.key === null) {
    yield* view.eligible;
    return;
  }
  const { ring, members } = view;
  const pending = view.eligibleFlags.slice();
  const start = ring.startOf(view.key);
  let left = view.eligible.length;
  for (let step = 0; step < ring.points && left > 0; step += 1) {
    const owner = ring.ownerAt((start + step) % ring.points);
    if (pending[owner] === 0) continue;
    pending[owner] = 0;
    left -= 1;
    yield members[owner]!;
  }
}

/** Smallest value wins; the first one among equals, so that the order of `members` breaks ties. */
export function leastBy(members: Iterable<Member>, value: (member: Member) => number): Member {
  let best: Member | undefined;
  let bestValue = Infinity;
  for (const member of members) {
    const own = value(member);
    if (best === undefined || own < bestValue) [best, bestValue] = [member, own];
  }
  if (!best) throw new Error('expected at least one eligible endpoint to choose from, got none');
  return best;
}

/** Consistent hashing with bounded load in tokens, with memory: see README.md for the rules in words. */
export const chwblStrategy: Strategy = {
  select(view, trace) {
    if (view.key === null) {
      const work = (m: Member): number => workOf(m.load, view.constants.contextWeight) / m.weight;
      return selectionOf(view, leastBy(view.eligible, work), 'least work: the request has no text');
    }
    const bound = new WorkBound(view);
    const candidates = collectCandidates(view);
    const { uncachedCost } = bound;
    const costs = candidates.map(({ member, rank }) => weigh(view, bound, uncachedCost, member, rank));
    let best = -1;
    for (let i = 0; i < costs.length; i += 1) {
      if (costs[i]!.admitted && (best < 0 || costs[i]!.cost < costs[best]!.cost)) best = i;
    }
    const selection =
      best >= 0
        ? selectionOf(view, candidates[best]!.member, 'cheapest admitted candidate')
        : selectOverflow(view, bound);
    if (trace) selection.candidates = costs;
    return selection;
  },
};

/** No candidate is within its bound: on clockwise to the first that is, else the least work. */
function selectOverflow(view: SelectionView, bound: WorkBound): Selection {
  const order = [...clockwise(view)];
  for (const member of order) {
    const own = selectionOf(view, member, 'first within the bound clockwise of the candidates');
    if (bound.admits(member, own.uncachedTokens, own.holdsOwn)) return own;
  }
  const least = leastBy(order, (m) => bound.workOf(m) / m.weight);
  return selectionOf(view, least, 'least work: nobody is within the bound');
}

interface Ranked {
  member: Member;
  rank: number;
}

/** As `clockwise`, without its copy of the members: a few are told apart by looking. */
function firstClockwise({ ring, key, members, eligibleFlags }: SelectionView, count: number): Ranked[] {
  const found: Ranked[] = [];
  const { points } = ring;
  let point = ring.startOf(key!);
  for (let step = 0; step < points && found.length < count; step += 1) {
    const owner = ring.ownerAt(point);
    point = point + 1 === points ? 0 : point + 1;
    if (eligibleFlags[owner] === 0) continue;
    const member = members[owner]!;
    if (!found.some((other) => other.member === member)) found.push({ member, rank: found.length });
  }
  return found;
}

/** The first few eligible clockwise, and those that hold the deepest remembered block. */
function collectCandidates(view: SelectionView): Ranked[] {
  const { ringCandidates } = view.constants;
  const found = firstClockwise(view, Math.min(ringCandidates, view.eligible.length));
  let deepest = 0;
  for (const member of view.eligible) deepest = Math.max(deepest, view.depths[member.slot]!);
  if (deepest === 0) return found;
  for (const member of view.eligible) {
    if (view.depths[member.slot] !== deepest || found.some((f) => f.member === member)) continue;
    found.push({ member, rank: ringCandidates });
  }
  return found;
}

function weigh(
  view: SelectionView,
  bound: WorkBound,
  uncachedCost: number,
  member: Member,
  rank: number,
): ExplainedCandidate {
  const { constants } = view;
  const depth = view.depths[member.slot]!;
  const uncached = uncachedTokens(view, member);
  const holdsOwn = depth > Math.max(1, view.sharedBlocks);
  const { contextTokens } = member.load;
  const perStep = Math.max(
    constants.rankCost * Math.min(view.meanWork, uncached),
    view.unseenTokens / view.eligible.length,
  );
  const strangeness = holdsOwn ? 0 : rank * perStep;
  const [queued, slowness] = paceOf(view, member);
  const cost =
    slowness * (queued + uncachedCost * uncached) + constants.contextCost * contextTokens + strangeness;
  return {
    endpoint: member.state.id,
    rank,
    depth,
    uncachedTokens: uncached,
    holdsOwn,
    work: bound.workOf(member),
    bound: bound.limitOf(member, uncached, holdsOwn),
    admitted: bound.admits(member, uncached, holdsOwn),
    cost,
  };
}

/** Prefill work left, and how much longer a token takes here than on the mean endpoint. */
function paceOf(view: SelectionView, member: Member): [queued: number, slowness: number] {
  if (view.meanPace === null) return [member.load.queuedTokens, 1];
  const expected = view.meanPace * member.weight;
  const pace = member.pace.blended(expected, view.constants.pacePriorTokens, member.load, view.nowMs);
  return [remainingTokens(member.load, pace, view.nowMs), view.meanPace / pace];
}

/** W[r] + u + tokens/4 <= c (sum W + u + tokens/4) w[r] + 2 mean, with w[r] the share of r in the weights. */
export class WorkBound {
  readonly #view: SelectionView;
  #totalWork = 0;
  #totalWeight = 0;
  #totalQueued = 0;

  constructor(view: SelectionView) {
    this.#view = view;
    for (const member of view.eligible) {
      this.#totalWork += this.workOf(member);
      this.#totalWeight += member.weight;
      this.#totalQueued += member.load.queuedTokens;
    }
  }

  /**
   * Cost of an uncached token. It delays all who queue behind it, so it is dearer while everybody queues: this is what
   * keeps throughput up at saturation, where every endpoint is within its bound and none is idle.
   */
  get uncachedCost(): number {
    const { constants, eligible, meanWork } = this.#view;
    const backlog = this.#totalQueued / (eligible.length * Math.max(1, meanWork));
    const pressure = constants.pressureCost * Math.max(0, backlog - 1);
    return constants.uncachedCost + Math.min(constants.pressureCostLimit, pressure);
  }

  workOf(member: Member): number {
    return workOf(member.load, this.#view.constants.contextWeight);
  }

  limitOf(member: Member, uncached: number, holdsOwn: boolean): number {
    const { constants, tokens, meanWork } = this.#view;
    const factor = holdsOwn ? constants.warmLoadFactor : constants.loadFactor;
    const total = this.#totalWork + uncached + constants.contextWeight * tokens;
    return (factor * total * member.weight) / this.#totalWeight + constants.boundFloorRequests * meanWork;
  }

  admits(member: Member, uncached: number, holdsOwn: boolean): boolean {
    const { constants, tokens } = this.#view;
    const work = this.workOf(member) + uncached + constants.contextWeight * tokens;
    return work <= this.limitOf(member, uncached, holdsOwn);
  }
}
