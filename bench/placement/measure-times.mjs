/** What a decision costs, asked in both ways, and what comes before it: rendering and hashing. */
import { measureDecisions } from './measure-decisions.mjs';
import { measureHashing } from './measure-hashing.mjs';

export function measureTimes(requests) {
  return {
    replay: measureDecisions(requests, { endpoints: 64, asked: 'replay' }),
    gateway: measureDecisions(requests, { endpoints: 64, asked: 'gateway' }),
    hashing: measureHashing(),
  };
}

export function timesRows({ replay, gateway, hashing }) {
  const least = `64 endpoints, least of ${replay.rounds} rounds`;
  return [
    [`decision, ${least}`, replay.p50Us.toFixed(1), replay.p99Us.toFixed(1)],
    ['the same as it came', replay.rawP50Us.toFixed(1), replay.rawP99Us.toFixed(1)],
    [`decision as the gateway asks, ${least}`, gateway.p50Us.toFixed(1), gateway.p99Us.toFixed(1)],
    ['the same as it came', gateway.rawP50Us.toFixed(1), gateway.rawP99Us.toFixed(1)],
    [
      'rendering and hashing a prompt of 100 kB, as it came',
      hashing.p50Us.toFixed(0),
      hashing.p99Us.toFixed(0),
    ],
  ];
}
