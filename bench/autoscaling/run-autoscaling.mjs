/**
 * `node bench/autoscaling/run-autoscaling.mjs [--out DIR]`: replays days of arrivals against the scaling decision and its peers, prints SLO
 * attainment, replica-hours and flaps. Needs `npm run build` first. Some seconds.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { policies } from './policies.mjs';
import { simulateDay } from './simulate-day.mjs';
import { workloads } from './workloads.mjs';

const { values } = parseArgs({
  options: { out: { type: 'string', default: new URL('../results', import.meta.url).pathname } },
});
const replica = { requestsPerSecond: 4, slots: 32, loadSeconds: 90, baseTtftMs: 120, sloMs: 500 };
const bounds = { minReplicas: 1, maxReplicas: 40, slots: replica.slots, loadSeconds: replica.loadSeconds };
const mean = 24;
const hour = 3600;

const { source, days } = workloads(mean);
const cases = [
  ...Object.entries(days).map(([name, rates]) => ({ name, rates })),
  {
    name: 'day and night, a quarter of an hour without metrics every two hours',
    rates: days['day and night'],
    blind: (second) => second % (2 * hour) >= hour && second % (2 * hour) < hour + 900,
  },
  {
    name: 'day and night, 4 replicas fail at noon for 10 minutes',
    rates: days['day and night'],
    lost: (second) => (second >= 12 * hour && second < 12 * hour + 600 ? 4 : 0),
  },
];

const rows = cases.flatMap(({ name, ...world }) =>
  Object.entries(policies(bounds)).map(([policy, create]) => {
    const startReplicas = Math.ceil(world.rates[0] / replica.requestsPerSecond) + 1;
    return { scenario: name, policy, ...simulateDay({ ...world, policy: create(), replica, startReplicas }) };
  }),
);

const percent = (ratio) => `${(100 * ratio).toFixed(2)} %`;
const lines = [
  `Arrivals: ${source}, and made ones; mean ${mean} requests/s. One replica: ${replica.requestsPerSecond} requests/s, ${replica.slots} slots, loads ${replica.loadSeconds} s;`,
  `objective: first token within ${replica.sloMs} ms. A fluid model, deterministic: it compares rules, it does not predict a cluster.`,
  `A flap takes back a change within ten minutes.`,
  '',
  '| day | rule | within the objective | replica-hours | changes | flaps |',
  '| --- | --- | --- | --- | --- | --- |',
  ...rows.map(
    ({ scenario, policy, attainment, replicaHours, changes, flaps }) =>
      `| ${scenario} | ${policy} | ${percent(attainment)} | ${replicaHours.toFixed(0)} | ${changes} | ${flaps} |`,
  ),
];
console.log(lines.join('\n'));
mkdirSync(values.out, { recursive: true });
writeFileSync(join(values.out, 'autoscaling.md'), `${lines.join('\n')}\n`);
writeFileSync(
  join(values.out, 'autoscaling.json'),
  `${JSON.stringify({ source, mean, replica, rows }, null, 2)}\n`,
);
