import { createPlacement } from '../../dist/placement/index.js';

const warmUpShare = 0.1;

/**
 * Time of `place` alone, with 200 requests in flight. Decisions are deterministic, so every round makes the same ones: the
 * least time of a decision over the rounds is what it takes where nobody else wants the core; p50 and p99 are over
 * decisions. Beside it the same over all times as they came, with collections, preemption and the neighbours' caches.
 */
export function measureDecisions(requests, { endpoints, rounds = 7 }) {
  const first = Math.floor(requests.length * warmUpShare);
  const least = new Float64Array(requests.length).fill(Infinity);
  const all = [];
  let cpuUs = 0;
  for (let round = 0; round < rounds; round += 1) {
    const timesUs = new Float64Array(requests.length);
    const cpu = process.cpuUsage();
    playRound(requests, endpoints, timesUs);
    const { user, system } = process.cpuUsage(cpu);
    cpuUs += user + system;
    timesUs.forEach((time, i) => {
      least[i] = Math.min(least[i], time);
      if (i >= first) all.push(time);
    });
  }
  const settled = least.slice(first).sort();
  const raw = Float64Array.from(all).sort();
  const at = (sorted, share) => sorted[Math.floor(share * (sorted.length - 1))];
  return {
    endpoints,
    rounds,
    decisions: settled.length,
    p50Us: at(settled, 0.5),
    p99Us: at(settled, 0.99),
    rawP50Us: at(raw, 0.5),
    rawP99Us: at(raw, 0.99),
    cpuUsPerRequest: cpuUs / rounds / requests.length,
  };
}

/** A placement of its own per round: it begins with an empty memory, whose pages the kernel has yet to give. */
function playRound(requests, endpoints, timesUs) {
  const placement = createPlacement();
  for (let i = 0; i < endpoints; i += 1) placement.join(`node-${i}/chat-0`, { capacityBlocks: 4096 });
  const inFlight = [];
  requests.forEach((request, index) => {
    const asked = { id: String(index), tokens: request.tokens, chain: request.chain };
    const start = process.hrtime.bigint();
    placement.place(asked, request.atMs);
    timesUs[index] = Number(process.hrtime.bigint() - start) / 1000;
    inFlight.push(asked.id);
    if (inFlight.length > 50) placement.firstToken(inFlight[inFlight.length - 50], request.atMs);
    if (inFlight.length > 200) placement.done(inFlight.shift(), request.atMs);
  });
}
