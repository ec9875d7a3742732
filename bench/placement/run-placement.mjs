/**
 * `node bench/placement/run-placement.mjs [--trace FILE] [--quick] [--out DIR]`: simulates the policies on the public
 * conversation trace (or a generated workload) and prints the ratios. Needs `npm run build` first. About two minutes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadTrace } from '../trace/read-trace.mjs';
import { measureTimes, timesRows } from './measure-times.mjs';
import { coordinators, kubeAi, leastOutstanding, oracle, ours, roundRobin } from './policies.mjs';
import { fewScenarios, mainScenarios, otherScenarios, saturationScenarios } from './scenarios.mjs';
import { simulate } from './simulate.mjs';
import { table } from './table.mjs';

const { values: flags } = parseArgs({
  options: {
    trace: { type: 'string' },
    seed: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    out: { type: 'string', default: resolve(dirname(fileURLToPath(import.meta.url)), '../results') },
  },
});

const policies = {
  leastOutstanding: leastOutstanding(),
  kubeAi: kubeAi(),
  oracle: oracle(),
  roundRobin: roundRobin(),
  chwblClassic: ours({ strategy: 'chwbl-classic' }),
  ours: ours(),
};

function compare(scenario, chosen = policies) {
  const results = {};
  for (const [name, policy] of Object.entries(chosen)) results[name] = simulate({ ...scenario, policy });
  process.stderr.write(`done: ${scenario.name}\n`);
  return { scenario: scenario.name, results };
}

/** Coordinators, and after how many ms each hears of the others' work. */
const sharing = [
  [2, 25],
  [4, 25],
  [2, 50],
  [4, 50],
  [2, Infinity],
];
const unseenShares = [0, 0.2, 0.5, 1];

const ratio = (value, base) => (value / base).toFixed(2);
const percent = (share) => `${(share * 100).toFixed(1)} %`;

function ttftRow({ scenario, results }) {
  const { ours: own, leastOutstanding: lor, kubeAi: kube, oracle: best } = results;
  const mean = (of) => ratio(own.meanTtftMs, of.meanTtftMs);
  return [
    scenario,
    `${mean(lor)} / ${mean(kube)} / ${mean(best)}`,
    ratio(own.p99TtftMs, lor.p99TtftMs),
    own.meanTtftMs.toFixed(0),
    [own, lor, kube, best].map((r) => percent(r.hitRate)).join(' / '),
  ];
}

const ttftHead = [
  'scenario',
  'mean TTFT to LOR / KubeAI / oracle',
  'p99 to LOR',
  'mean TTFT, ms',
  'hit rate ours / LOR / KubeAI / oracle',
];

const { source, requests } = loadTrace({ path: flags.trace, seed: Number(flags.seed) });
const machine = { cpus: cpus().length, loadAverage: loadavg()[0] };
// First: a coordinator has not run seventeen simulations before.
const times = measureTimes(requests);
const main = mainScenarios(requests).map((s) => compare(s));
const others = flags.quick ? [] : otherScenarios(requests, Number(flags.seed)).map((s) => compare(s));
const { roundRobin: _r, chwblClassic: _c, oracle: _o, ...throughputPolicies } = policies;
const saturation = flags.quick
  ? []
  : saturationScenarios(requests).map((s) => compare(s, throughputPolicies));
const some = flags.quick ? [] : fewScenarios(requests, Number(flags.seed));
const shared = some.map((scenario) => ({
  scenario: scenario.name,
  meanTtftMs: [[1, 0], ...sharing].map(
    ([count, delayMs]) => simulate({ ...scenario, policy: coordinators(count, delayMs) }).meanTtftMs,
  ),
}));
const unstreamed = some.map((scenario) => ({
  scenario: scenario.name,
  meanTtftMs: unseenShares.map(
    (unseenShare) => simulate({ ...scenario, policy: ours({}, { unseenShare }) }).meanTtftMs,
  ),
  leastOutstandingMs: simulate({ ...scenario, policy: leastOutstanding() }).meanTtftMs,
}));
const parts = [
  `Workload: ${source}.`,
  table(ttftHead, main.map(ttftRow)),
  table(ttftHead, others.map(ttftRow)),
  table(
    ['saturation', 'prompt tokens/s ours / LOR / KubeAI', 'ours to LOR'],
    saturation.map(({ scenario, results: r }) => [
      scenario,
      [r.ours, r.leastOutstanding, r.kubeAi].map((x) => x.tokensPerSecond.toFixed(0)).join(' / '),
      ratio(r.ours.tokensPerSecond, r.leastOutstanding.tokensPerSecond),
    ]),
  ),
  table(
    [
      'mean TTFT to that of one coordinator',
      ...sharing.map(([count, ms]) => `${count}, told ${ms === Infinity ? 'never' : `after ${ms} ms`}`),
    ],
    shared.map(({ scenario, meanTtftMs: [one, ...others] }) => [
      scenario,
      ...others.map((several) => ratio(several, one)),
    ]),
  ),
  table(
    [
      'mean TTFT, ms, by the share of answers that do not stream',
      ...unseenShares.map((share) => `${share * 100} %`),
      'LOR',
    ],
    unstreamed.map(({ scenario, meanTtftMs, leastOutstandingMs }) => [
      scenario,
      ...[...meanTtftMs, leastOutstandingMs].map((ms) => ms.toFixed(0)),
    ]),
  ),
  table(['time, us', 'p50', 'p99'], timesRows(times)),
  `${machine.cpus} CPUs, load average ${machine.loadAverage.toFixed(1)}; ${times.replay.cpuUsPerRequest.toFixed(1)} us of process CPU per request and its end.`,
];
const markdown = parts.filter((part) => part.split('\n').length !== 2).join('\n\n');
process.stdout.write(`${markdown}\n`);
mkdirSync(flags.out, { recursive: true });
writeFileSync(resolve(flags.out, 'placement.md'), `${markdown}\n`);
writeFileSync(
  resolve(flags.out, 'placement.json'),
  `${JSON.stringify({ source, main, others, saturation, shared, unstreamed, times, machine }, null, 2)}\n`,
);
