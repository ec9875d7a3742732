import type { StrategyName } from '../domain/placement-strategy.js';
import { chwblStrategy, clockwise, leastBy, selectionOf } from './select-endpoint.js';
import type { SelectionView, Strategy } from './select-endpoint.js';
import { workOf, type Member } from './placement-member.js';
import { mix32 } from './stable-hash.js';

/** Requests in flight per unit of weight. */
const outstanding = (member: Member): number => member.load.requests / member.weight;

/** Members from `start` on, around the list once: rotates who wins a tie. */
function* rotated(view: SelectionView, start: number): Generator<Member> {
  for (let i = 0; i < view.eligible.length; i += 1) yield view.eligible[(start + i) % view.eligible.length]!;
}

/** Number in 0..count-1 that depends on the seed, the requests placed so far and the draw. */
function draw(view: SelectionView, count: number, salt: number): number {
  return mix32(view.seed ^ mix32(view.placedRequests * 2 + salt)) % count;
}

/** Requests, not tokens: load <= c * mean load, clockwise to the first with room (the form of the 2017 paper). */
const classic: Strategy = {
  select(view) {
    const total = view.eligible.reduce((sum, m) => sum + m.load.requests, 0) + 1;
    const weight = view.eligible.reduce((sum, m) => sum + m.weight, 0);
    for (const member of clockwise(view)) {
      const limit = Math.ceil((view.constants.loadFactor * total * member.weight) / weight);
      if (member.load.requests + 1 <= limit)
        return selectionOf(view, member, 'first within the bound clockwise');
    }
    return selectionOf(
      view,
      leastBy(view.eligible, outstanding),
      'least outstanding: nobody is within the bound',
    );
  },
};

const leastOutstanding: Strategy = {
  select: (view) =>
    selectionOf(view, leastBy(rotated(view, view.placedRequests), outstanding), 'least outstanding requests'),
};

const leastWork: Strategy = {
  select(view) {
    const work = (m: Member): number => workOf(m.load, view.constants.contextWeight) / m.weight;
    return selectionOf(view, leastBy(rotated(view, view.placedRequests), work), 'least work');
  },
};

/** The next name after the last one placed, so that joins and leaves do not restart the round. */
const roundRobin: Strategy = {
  select(view) {
    const last = view.lastPlaced;
    const next = last === null ? undefined : view.eligible.find((m) => m.state.id > last);
    return selectionOf(view, next ?? view.eligible[0]!, 'next in turn');
  },
};

/** Drawn with probability proportional to weight. */
const weighted: Strategy = {
  select(view) {
    const total = view.eligible.reduce((sum, m) => sum + m.weight, 0);
    let left = (draw(view, 2 ** 31, 0) / 2 ** 31) * total;
    for (const member of view.eligible) {
      left -= member.weight;
      if (left < 0) return selectionOf(view, member, 'drawn by weight');
    }
    return selectionOf(view, view.eligible[view.eligible.length - 1]!, 'drawn by weight');
  },
};

const random: Strategy = {
  select: (view) => selectionOf(view, view.eligible[draw(view, view.eligible.length, 0)]!, 'drawn at random'),
};

/** Two distinct ones drawn at random, the less loaded of them. */
const powerOfTwo: Strategy = {
  select(view) {
    const count = view.eligible.length;
    const first = draw(view, count, 0);
    const second = count === 1 ? first : (first + 1 + draw(view, count - 1, 1)) % count;
    const pair = [view.eligible[first]!, view.eligible[second]!];
    return selectionOf(view, leastBy(pair, outstanding), 'less loaded of two drawn at random');
  },
};

/** Always the first eligible clockwise of the key: sticky, whatever the load (the hard cap still holds). */
const session: Strategy = {
  select(view) {
    const [first] = view.start === null ? [] : clockwise(view, 1);
    return first
      ? selectionOf(view, first, 'first eligible clockwise')
      : leastOutstanding.select(view, false);
  },
};

export const strategies: Readonly<Record<StrategyName, Strategy>> = {
  chwbl: chwblStrategy,
  'chwbl-classic': classic,
  'least-outstanding': leastOutstanding,
  'least-work': leastWork,
  'round-robin': roundRobin,
  weighted,
  random,
  'power-of-two': powerOfTwo,
  session,
};
