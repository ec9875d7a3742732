import { createHash } from 'node:crypto';
import { createPlacement } from '../../dist/placement/index.js';

/**
 * The policies compared. Each is `(context) => { join, leave, place, firstToken?, done? }`; `context.live` holds the
 * true replicas, which only the oracle looks at.
 */

/**
 * Ours, through the interface that the built package exports. `unseenShare`: of the answers that are not streamed, so that
 * nobody sees their first token; a gateway then hears of it, and of the cached tokens, when the answer is complete.
 */
export function ours(options = {}, { reportCached = true, unseenShare = 0 } = {}) {
  return () => {
    const placement = createPlacement(options);
    const unseen = new Map();
    const isUnseen = ({ id }) => (Number(id) * 0.618034) % 1 < unseenShare;
    return {
      join: (id, { capacityBlocks, weight }) => placement.join(id, { capacityBlocks, weight }),
      leave: (id) => placement.leave(id),
      place: (request, nowMs) =>
        placement.place(isUnseen(request) ? { ...request, streams: false } : request, nowMs),
      firstToken(request, nowMs, cached) {
        if (isUnseen(request)) unseen.set(request.id, cached);
        else placement.firstToken(request.id, nowMs, reportCached ? cached : undefined);
      },
      done(request, nowMs) {
        if (isUnseen(request)) placement.firstToken(request.id, nowMs, unseen.get(request.id));
        placement.done(request.id, nowMs);
      },
    };
  };
}

/**
 * Several coordinators: requests go to them in turn; what one does the others learn `delayMs` later (the agents fold
 * lease events into every watch within 50 ms), or never (`Infinity`).
 */
export function coordinators(count, delayMs, options = {}) {
  return () => {
    const all = Array.from({ length: count }, () => createPlacement(options));
    const news = [];
    let turn = 0;
    const spread = (from, nowMs, tell) => {
      for (const to of all)
        if (to !== from && delayMs < Infinity)
          news.push({ atMs: nowMs + delayMs, happenedMs: nowMs, to, tell });
    };
    const deliver = (nowMs) => {
      while (news.length > 0 && news[0].atMs <= nowMs) {
        const { to, tell, happenedMs } = news.shift();
        // Told with its age: late, but of the time when it happened.
        tell(to, happenedMs);
      }
    };
    const placers = new Map();
    return {
      join: (id, { capacityBlocks, weight }) => all.forEach((p) => p.join(id, { capacityBlocks, weight })),
      leave: (id) => all.forEach((p) => p.leave(id)),
      place(request, nowMs) {
        deliver(nowMs);
        const placer = all[(turn = (turn + 1) % count)];
        const endpoint = placer.place(request, nowMs);
        placers.set(request.id, placer);
        spread(placer, nowMs, (other, atMs) => other.observe(request, endpoint, atMs));
        return endpoint;
      },
      firstToken(request, nowMs, cached) {
        deliver(nowMs);
        const placer = placers.get(request.id);
        placer.firstToken(request.id, nowMs, cached);
        spread(placer, nowMs, (other, atMs) => other.firstToken(request.id, atMs, cached));
      },
      done(request, nowMs) {
        deliver(nowMs);
        const placer = placers.get(request.id);
        placer.done(request.id, nowMs);
        spread(placer, nowMs, (other, atMs) => other.done(request.id, atMs));
      },
    };
  };
}

function outstandingCounter() {
  const counts = new Map();
  return {
    counts,
    join: (id) => counts.set(id, 0),
    leave: (id) => counts.delete(id),
    taken(id) {
      counts.set(id, counts.get(id) + 1);
      return id;
    },
    done: (_request, _nowMs, id) => counts.has(id) && counts.set(id, counts.get(id) - 1),
  };
}

/** Least outstanding requests; ties in turn. */
export function leastOutstanding() {
  return () => {
    const counter = outstandingCounter();
    let turn = 0;
    return {
      ...counter,
      place() {
        const ids = [...counter.counts.keys()];
        turn += 1;
        let best = null;
        for (let i = 0; i < ids.length; i += 1) {
          const id = ids[(i + turn) % ids.length];
          if (best === null || counter.counts.get(id) < counter.counts.get(best)) best = id;
        }
        return counter.taken(best);
      },
    };
  };
}

export function roundRobin() {
  return () => {
    const ids = [];
    let turn = 0;
    return {
      join: (id) => ids.push(id),
      leave: (id) => ids.splice(ids.indexOf(id), 1),
      place: () => ids[(turn += 1) % ids.length],
    };
  };
}

/**
 * CHWBL as KubeAI has it: key = the beginning of the conversation (here its first block that is not everybody's),
 * load = requests, load factor 1.25, 256 virtual nodes, clockwise to the first endpoint within the bound.
 */
export function kubeAi({ loadFactor = 1.25, virtualNodes = 256 } = {}) {
  const hash = (text) => createHash('sha1').update(text).digest().readUInt32BE(0);
  return () => {
    const counter = outstandingCounter();
    let ring = [];
    return {
      ...counter,
      join(id) {
        counter.join(id);
        for (let v = 0; v < virtualNodes; v += 1) ring.push({ at: hash(`${id}/${v}`), id });
        ring.sort((a, b) => a.at - b.at);
      },
      leave(id) {
        counter.leave(id);
        ring = ring.filter((point) => point.id !== id);
      },
      place(request) {
        const at = hash(String(request.conversationKey));
        let low = 0;
        let high = ring.length;
        while (low < high) {
          const middle = (low + high) >>> 1;
          if (ring[middle].at < at) low = middle + 1;
          else high = middle;
        }
        const total = [...counter.counts.values()].reduce((sum, n) => sum + n, 0) + 1;
        const limit = Math.ceil((loadFactor * total) / counter.counts.size);
        for (let step = 0; step < ring.length; step += 1) {
          const { id } = ring[(low + step) % ring.length];
          if (counter.counts.get(id) + 1 <= limit) return counter.taken(id);
        }
        return counter.taken(ring[low % ring.length].id);
      },
    };
  };
}

/** Sees every cache and queue: greedy on the predicted time to first token of this request. */
export function oracle() {
  return ({ live }) => ({
    join() {},
    leave() {},
    place(request, nowMs) {
      let best = null;
      let bestMs = Infinity;
      for (const replica of live.values()) {
        replica.advanceTo(nowMs);
        const waitMs = (replica.backlogTokens() + replica.uncachedTokens(request, true)) / replica.speed;
        // Ties (idle replicas): the one with less in flight.
        const costMs = waitMs + replica.outstanding * 1e-6;
        if (costMs < bestMs) [best, bestMs] = [replica.id, costMs];
      }
      return best;
    },
  });
}
