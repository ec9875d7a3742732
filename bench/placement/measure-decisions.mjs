import { createPlacement } from '../../dist/placement/index.js';

/** Time of `place` alone, with 200 requests in flight, after the first tenth of the decisions. Microseconds. */
export function measureDecisions(requests, { endpoints }) {
  const placement = createPlacement();
  for (let i = 0; i < endpoints; i += 1) placement.join(`node-${i}/chat-0`, { capacityBlocks: 4096 });
  const timesUs = [];
  const inFlight = [];
  requests.forEach((request, index) => {
    const asked = { id: String(index), tokens: request.tokens, chain: request.chain };
    const start = process.hrtime.bigint();
    placement.place(asked, request.atMs);
    timesUs.push(Number(process.hrtime.bigint() - start) / 1000);
    inFlight.push(asked.id);
    if (inFlight.length > 50) placement.firstToken(inFlight[inFlight.length - 50], request.atMs);
    if (inFlight.length > 200) placement.done(inFlight.shift(), request.atMs);
  });
  const settled = timesUs.slice(Math.floor(timesUs.length / 10)).sort((a, b) => a - b);
  const at = (share) => settled[Math.floor(share * (settled.length - 1))];
  return { endpoints, decisions: settled.length, p50Us: at(0.5), p99Us: at(0.99) };
}
