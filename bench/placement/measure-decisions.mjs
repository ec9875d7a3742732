import { createPlacement, InMemoryModelPlacement } from '../../dist/placement/index.js';
import { readyEndpoint } from '../ready-endpoint.mjs';

const warmUpShare = 0.1;

/**
 * Time of `place` alone, with 200 requests in flight. Decisions are deterministic, so every round makes the same ones: the
 * least time of a decision over the rounds is what it takes where nobody else wants the core; p50 and p99 are over
 * decisions. Beside it the same over all times as they came, with collections, preemption and the neighbours' caches.
 * `asked`: how, one of `ways` below.
 */
export function measureDecisions(requests, { endpoints, rounds = 7, asked = 'replay' }) {
  const first = Math.floor(requests.length * warmUpShare);
  const least = new Float64Array(requests.length).fill(Infinity);
  const all = [];
  let cpuUs = 0;
  for (let round = 0; round < rounds; round += 1) {
    const timesUs = new Float64Array(requests.length);
    const cpu = process.cpuUsage();
    playRound(requests, ways[asked](endpoints), timesUs);
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

/** Both answer `place`, `firstToken` and `done` of a placement of their own: it begins with an empty memory. */
const ways = {
  /** Through the interface for replays: block keys as the trace has them, small integers. */
  replay(endpoints) {
    const placement = createPlacement();
    for (let i = 0; i < endpoints; i += 1) placement.join(`node-${i}/chat-0`, { capacityBlocks: 4096 });
    return { placement, place: placement.place, request: ({ tokens, chain }, id) => ({ id, tokens, chain }) };
  },
  /** As the gateway asks: keys of 53 bits, a model that endpoints must serve, a set of those already tried, an observer. */
  gateway(endpoints) {
    const observer = { decided() {}, refused() {}, placed() {}, firstToken() {}, released() {} };
    const placement = new InMemoryModelPlacement({ observer });
    for (let i = 0; i < endpoints; i += 1)
      placement.upsert(
        readyEndpoint({ id: `node-${i}/chat-0`, servedModels: [nameOfItsOwn()], maxConcurrent: 256 }),
      );
    return {
      placement,
      place: (request, nowMs) => placement.decide(request, nowMs),
      request: ({ tokens, chain }, id) => ({
        id,
        tokens,
        chain: chain.map(wideKey),
        exclude: new Set(),
        streams: true,
        servedName: nameOfItsOwn(),
        requestId: id,
      }),
    };
  },
};

/** Another string each time, as names are that come over the wire. */
function nameOfItsOwn() {
  return Buffer.from('meta-llama/Llama-3.1-8B-Instruct').toString();
}

/** A key of 53 bits, the same for the same block. */
function wideKey(block) {
  return (Math.imul(block, 0x27d4eb2f) & 0x1fffff) * 2 ** 32 + (Math.imul(block, 0x9e3779b1) >>> 0);
}

function playRound(requests, { placement, place, request }, timesUs) {
  const inFlight = [];
  requests.forEach((one, index) => {
    const asked = request(one, String(index));
    const start = process.hrtime.bigint();
    place(asked, one.atMs);
    timesUs[index] = Number(process.hrtime.bigint() - start) / 1000;
    inFlight.push(asked.id);
    if (inFlight.length > 50) placement.firstToken(inFlight[inFlight.length - 50], one.atMs);
    if (inFlight.length > 200) placement.done(inFlight.shift(), one.atMs);
  });
}
