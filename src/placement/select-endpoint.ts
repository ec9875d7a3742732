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
  /** The request's point on the ring, or `null` when it has neither text nor session, or the ring is empty. */
  start: number | null;
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

/** The first `count` eligible members clockwise from the key, each once. Without a key: in name order. */
export function clockwise(view: SelectionView, count = view.eligible.length): readonly Member[] {
  const { eligible, members, ring, start } = view;
  if (start === null) return eligible;
  const wanted = Math.min(count, eligible.length);
  const pending = view.eligibleFlags.slice();
  const found: Member[] = [];
  for (let step = 0; step < ring.points && found.length < wanted; step += 1) {
    const owner = ring.ownerAt((start + step) % ring.points);
    if (pending[owner] === 0) continue;
    pending[owner] = 0;
    found.push(members[owner]!);
  }
  return found;
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
    if (view.start === null) {
      const work = (m: Member): number => workOf(m.load, view.constants.contextWeight) / m.weight;
      return selectionOf(view, leastBy(view.eligible, work), 'least work: the request has no text');
    }
    const survey = new Survey(view);
    const candidates = collectCandidates(view, survey);
    const { uncachedCost } = survey;
    let cheapest: Selection | null = null;
    let least = Infinity;
    for (let i = 0; i < candidates.length; i += 1) {
      const own = selectionOf(view, candidates[i]!, 'cheapest admitted candidate');
      if (!survey.admits(own)) continue;
      const cost = costOf(view, own, rankOf(view, i), uncachedCost);
      if (cheapest === null || cost < least) [cheapest, least] = [own, cost];
    }
    const selection = cheapest ?? selectOverflow(view, survey);
    if (trace) selection.candidates = candidates.map((member, i) => explain(view, survey, member, i));
    return selection;
  },
};

/** No candidate is within its bound: on clockwise to the first that is, else the least work. */
function selectOverflow(view: SelectionView, survey: Survey): Selection {
  const order = clockwise(view);
  for (const member of order) {
    const own = selectionOf(view, member, 'first within the bound clockwise of the candidates');
    if (survey.admits(own)) return own;
  }
  const least = leastBy(order, (m) => survey.workOf(m) / m.weight);
  return selectionOf(view, least, 'least work: nobody is within the bound');
}

/** The first few eligible clockwise, then those that hold the deepest remembered block. */
function collectCandidates(view: SelectionView, { deepestHolders }: Survey): readonly Member[] {
  const near = clockwise(view, view.constants.ringCandidates);
  return near.concat(deepestHolders.filter((member) => !near.includes(member)));
}

/** Steps clockwise of the candidate at that index; holders farther away count as the first beyond the near ones. */
function rankOf({ constants }: SelectionView, index: number): number {
  return Math.min(index, constants.ringCandidates);
}

function costOf(
  view: SelectionView,
  { member, uncachedTokens: uncached, holdsOwn }: Selection,
  rank: number,
  uncachedCost: number,
): number {
  const { constants, eligible, meanWork, unseenTokens } = view;
  const perStep = Math.max(constants.rankCost * Math.min(meanWork, uncached), unseenTokens / eligible.length);
  const strangeness = holdsOwn ? 0 : rank * perStep;
  const [queued, slowness] = paceOf(view, member);
  return (
    slowness * (queued + uncachedCost * uncached) +
    constants.contextCost * member.load.contextTokens +
    strangeness
  );
}

function explain(view: SelectionView, survey: Survey, member: Member, index: number): ExplainedCandidate {
  const own = selectionOf(view, member, '');
  const rank = rankOf(view, index);
  return {
    endpoint: member.state.id,
    rank,
    depth: own.depth,
    uncachedTokens: own.uncachedTokens,
    holdsOwn: own.holdsOwn,
    work: survey.workOf(member),
    bound: survey.limitOf(own),
    admitted: survey.admits(own),
    cost: costOf(view, own, rank, survey.uncachedCost),
  };
}

/** Prefill work left, and how much longer a token takes here than on the mean endpoint. */
function paceOf(view: SelectionView, member: Member): [queued: number, slowness: number] {
  if (view.meanPace === null) return [member.load.queuedTokens, 1];
  const expected = view.meanPace * member.weight;
  const pace = member.pace.blended(expected, view.constants.pacePriorTokens, member.load, view.nowMs);
  return [remainingTokens(member.load, pace, view.nowMs), view.meanPace / pace];
}

/**
 * One look at all the eligible: who holds the deepest remembered block, what an uncached token costs, and the bound
 * W[r] + u + tokens/4 <= c (sum W + u + tokens/4) w[r] + 2 mean, with w[r] the share of r in the weights.
 */
class Survey {
  /** In name order; empty when nobody holds anything of the prompt. */
  readonly deepestHolders: Member[] = [];
  readonly #view: SelectionView;
  readonly #totalWork: number;
  readonly #totalWeight: number;
  readonly #totalQueued: number;

  constructor(view: SelectionView) {
    this.#view = view;
    let [work, weight, queued] = [0, 0, 0];
    let deepest = 1;
    for (const member of view.eligible) {
      const depth = view.depths[member.slot]!;
      if (depth > deepest) this.deepestHolders.length = 0;
      if (depth >= deepest) this.deepestHolders.push(member);
      deepest = Math.max(deepest, depth);
      work += this.workOf(member);
      weight += member.weight;
      queued += member.load.queuedTokens;
    }
    [this.#totalWork, this.#totalWeight, this.#totalQueued] = [work, weight, queued];
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

  limitOf({ member, uncachedTokens, holdsOwn }: Selection): number {
    const { constants, tokens, meanWork } = this.#view;
    const factor = holdsOwn ? constants.warmLoadFactor : constants.loadFactor;
    const total = this.#totalWork + uncachedTokens + constants.contextWeight * tokens;
    return (factor * total * member.weight) / this.#totalWeight + constants.boundFloorRequests * meanWork;
  }

  admits(own: Selection): boolean {
    const { constants, tokens } = this.#view;
    const work = this.workOf(own.member) + own.uncachedTokens + constants.contextWeight * tokens;
    return work <= this.limitOf(own);
  }
}
