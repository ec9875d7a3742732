import { generateConversations } from '../trace/generate-conversations.mjs';
import { scaleToRate } from '../trace/read-trace.mjs';
import { modelDefaults } from './replica-model.mjs';

/**
 * Load is the offered prompt tokens per second over the prefill rate of all replicas together, cached or not: at 0.85
 * a cluster without any reuse would prefill 85 % of the time. Above 1 only the hits make it bearable.
 */
function scenario(name, requests, { replicas, load, power, changes = [] }) {
  const speed = power ?? replicas.length;
  const offered = speed * modelDefaults.prefillTokensPerSecond * load;
  return { name, requests: scaleToRate(requests, offered), replicas, changes };
}

function replicasOf(count, capacityBlocks, of = () => ({})) {
  return Array.from({ length: count }, (_, i) => ({ id: `r${i}`, capacityBlocks, ...of(i) }));
}

/** The four that have targets. */
export function mainScenarios(requests) {
  return [
    [8, 4096, 0.7],
    [8, 4096, 0.85],
    [8, 960, 0.85],
    [16, 4096, 0.7],
  ].map(([count, blocks, load]) =>
    scenario(`${count} replicas, ${blocks} blocks, ${load * 100} %`, requests, {
      replicas: replicasOf(count, blocks),
      load,
    }),
  );
}

/** Other shapes of work and cluster, so that nothing is fitted to one trace. `seed` other than 1 draws fresh ones. */
export function otherScenarios(requests, seed = 1) {
  const generate = (options) => generateConversations({ ...options, seed: options.seed + 1000 * (seed - 1) });
  const plain = generate({ seed: 7, count: 8000 });
  const at = (count, blocks, load, more = {}) => ({ replicas: replicasOf(count, blocks), load, ...more });
  return [
    scenario('generated, 8/2048, 80 %', plain, at(8, 2048, 0.8)),
    scenario(
      'hot prefixes (4 documents, half of the conversations), 8/2048, 110 %',
      generate({ seed: 8, count: 8000, hot: 0.5, opening: 4 }),
      at(8, 2048, 1.1),
    ),
    scenario(
      'one hot prefix of 30 blocks, 8/2048, 110 %',
      generate({ seed: 18, count: 8000, hot: 0.6, hotPrefixes: 1, hotBlocks: 30 }),
      at(8, 2048, 1.1),
    ),
    scenario('bursts of 3x, 8/4096, 60 %', generate({ seed: 9, count: 8000, burst: 3 }), at(8, 4096, 0.6)),
    scenario('one replica at half speed, not told, 8/4096, 65 %', requests, {
      replicas: replicasOf(8, 4096, (i) => (i === 3 ? { speed: 0.5 } : {})),
      load: 0.65,
      power: 7.5,
    }),
    scenario('half of the replicas twice as fast, told as weights, 8/2048, 70 %', plain, {
      replicas: replicasOf(8, 2048, (i) => (i < 4 ? { speed: 2, weight: 2 } : { weight: 1 })),
      load: 0.7,
      power: 12,
    }),
    scenario('one killed and back, one joins, one leaves, 8/4096, 70 %', requests, {
      ...at(8, 4096, 0.7),
      changes: [
        { atMs: 300_000, kind: 'kill', replica: { id: 'r2' } },
        { atMs: 400_000, kind: 'join', replica: { id: 'r2', capacityBlocks: 4096 } },
        { atMs: 700_000, kind: 'join', replica: { id: 'r8', capacityBlocks: 4096 } },
        { atMs: 1_100_000, kind: 'leave', replica: { id: 'r5' } },
      ],
    }),
    scenario(
      'short prompts, 16/1024, 80 %',
      generate({ seed: 10, count: 16_000, medianTokens: 800, opening: 2 }),
      at(16, 1024, 0.8),
    ),
    scenario('small caches, 4/512, 80 %', plain, at(4, 512, 0.8)),
    scenario('64 replicas, 64/2048, 75 %', generate({ seed: 11, count: 12_000 }), at(64, 2048, 0.75)),
    scenario(
      'long conversations, 8/4096, 120 %',
      generate({ seed: 12, count: 8000, followUpShare: 0.75, medianTokens: 3000 }),
      at(8, 4096, 1.2),
    ),
  ];
}

/** Those on which something is tried in several ways: a main one, hot prefixes, bursts, a slow replica, short prompts. */
export function fewScenarios(requests, seed = 1) {
  const others = otherScenarios(requests, seed);
  return [mainScenarios(requests)[0], ...[1, 3, 4, 7].map((index) => others[index])];
}

/** Far more than can be served: what counts is the work done per second. */
export function saturationScenarios(requests) {
  const some = requests.slice(0, 5000);
  return [
    [8, 4096],
    [8, 960],
    [16, 4096],
  ].map(([count, blocks]) =>
    scenario(`${count} replicas, ${blocks} blocks, 160 %`, some, {
      replicas: replicasOf(count, blocks),
      load: 1.6,
    }),
  );
}
