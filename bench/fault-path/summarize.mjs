// From rounds to figures, and from figures to a table.

const xidRows = [
  ['unhealthy', 'injection -> unhealthy and health cordon on WatchNode', '<= 60 ms (50 + 10)'],
  ['evicting', 'injection -> engine given up on WatchNode', '<= 60 ms (50 + 10)'],
  [
    'firstAct',
    'injection -> first act of the coordinator: not eligible, or a coded event',
    '<= 80 ms (50 + 10 + 20)',
  ],
  ['ineligible', 'injection -> not eligible in an answer of GetCluster', '<= 80 ms (50 + 10 + 20)'],
  ['firstCoded', 'injection -> first coded error event at a begun stream', '<= 1 s'],
  ['coded', 'the same, every begun stream there', '<= 1 s'],
  [
    'rerouted',
    'injection -> first byte elsewhere, every rerouted request (with queue and prefill there)',
    '<= 1 s to reroute',
  ],
  ['untouched', 'beside it: first byte of long prompts that waited at the other engines all along', ''],
  ['treeDead', 'injection -> engine tree dead', '<= 5 s after grace'],
  ['memoryFree', 'injection -> GPU memory free', '<= 5 s after grace'],
  ['agentSaysGone', 'injection -> agent calls the engine stopped (proven)', '<= 5 s after grace'],
  ['resetHealthy', 'reset -> device healthy', ''],
  ['resetStarting', 'reset -> engine starting', ''],
  ['load', 'engine starting -> ready (simulated model load)', ''],
  ['resetEligible', 'reset -> engine ready and eligible', 'load + 1 s'],
  ['resetEligibleLessLoad', 'the same without starting -> ready', '<= 1 s'],
];
const killRows = [
  ['evicting', 'kill -> engine given up on WatchNode', '<= 60 ms (50 + 10)'],
  [
    'firstAct',
    'kill -> first act of the coordinator: not eligible, or a coded event',
    '<= 80 ms (50 + 10 + 20)',
  ],
  ['ineligible', 'kill -> not eligible in an answer of GetCluster', '<= 80 ms (50 + 10 + 20)'],
  ['firstCoded', 'kill -> first coded error event at a begun stream', '<= 1 s'],
  ['coded', 'the same, every begun stream there', '<= 1 s'],
  [
    'rerouted',
    'kill -> first byte elsewhere, every rerouted request (with queue and prefill there)',
    '<= 1 s to reroute',
  ],
  ['untouched', 'beside it: first byte of long prompts that waited at the other engines all along', ''],
  ['treeDead', 'kill -> engine tree dead', '<= 5 s'],
  ['memoryFree', 'kill -> GPU memory free', '<= 5 s'],
  ['starting', 'kill -> engine starting again, first death', ''],
  ['startingAgain', 'the same, killed again within 60 s of that (restart back-off, meant so)', ''],
  ['load', 'engine starting -> ready (simulated model load)', ''],
  ['eligible', 'kill -> engine ready and eligible, first death', 'load + 1 s'],
  ['eligibleLessLoad', 'the same without starting -> ready', '<= 1 s'],
];

export function summarize(rounds) {
  const names = { xid: xidRows, kill: killRows };
  return Object.fromEntries(
    Object.entries(names).map(([fault, rows]) => [
      fault,
      rows.map(([key, step, budget]) => {
        const values = rounds[fault].flatMap((round) => round[key] ?? []);
        const missing = rounds[fault].filter((round) => round[key] === null).length;
        return { key, step, budget, count: values.length, missing, ...quantiles(values) };
      }),
    ]),
  );
}

export function quantiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q) => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? null;
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}

export function countOutcomes(records) {
  const of = (outcome) => records.filter((record) => record.outcome === outcome);
  const bad = of('bad');
  return {
    requests: records.length,
    well: of('well').length,
    rerouted: of('well').filter(({ attempts }) => attempts > 1).length,
    coded: of('coded').length,
    bad: bad.length,
    badDetails: [
      ...new Set(bad.map(({ detail, endpoint, attempts }) => `${detail} (${endpoint}, attempt ${attempts})`)),
    ].slice(0, 10),
  };
}

const ms = (value) => (value === null ? '-' : value < 10 ? value.toFixed(1) : String(Math.round(value)));

export function renderMarkdown({ about, figures, outcomes, lone, observer }) {
  return [
    `GPU and engine are simulated; agents, coordinator, gateway, keepers, gRPC, HTTP and processes are real. ${about}`,
    '',
    ...tableOf('Xid 79 (the engine hangs, its /health stays 200)', figures.xid),
    '',
    ...tableOf('kill -9 of the API server', figures.kill),
    '',
    `Requests: ${outcomes.requests} in all, ${outcomes.well} ended well (${outcomes.rerouted} of them after a reroute), ` +
      `${outcomes.coded} with the coded error event, ${outcomes.bad} in another way.`,
    ...outcomes.badDetails.map((detail) => `- ${detail}`),
    `GetCluster answered every ${ms(observer.getClusterMs.p50)} ms (p95 ${ms(observer.getClusterMs.p95)}), which is how fine ` +
      `eligibility was seen; the bench's own event loop was late by ${ms(observer.loopDelayMs.p99)} ms at p99.`,
    '',
    '| what you use now | detection |',
    '| --- | --- |',
    `| a poller of /health each second, measured: an engine without an agent, hung by Xid 79 at the beginning of this run | ` +
      `${lone.ok} of ${lone.ok + lone.notOk} answers were 200 in ${lone.watchedSeconds.toFixed(0)} s, while its open stream got ` +
      `${lone.bytesSentLaterThan1s} bytes: ${lone.notOk === 0 ? 'never' : `${lone.notOk} not 200`} |`,
    '| /health every 10 s, 3 failures, hang: arithmetic, not measured | never, while it answers 200 |',
    '| /health every 10 s, 3 failures, dead process: arithmetic, not measured | 20 to 30 s (two whole intervals and the rest of one) |',
    '',
  ].join('\n');
}

function tableOf(title, rows) {
  return [
    `| ${title} | n | p50, ms | p95, ms | max, ms | budget |`,
    '| --- | --: | --: | --: | --: | --- |',
    ...rows.map(
      ({ step, count, missing, p50, p95, max, budget }) =>
        `| ${step} | ${count}${missing > 0 ? ` (${missing} not seen)` : ''} | ${ms(p50)} | ${ms(p95)} | ${ms(max)} | ${budget} |`,
    ),
  ];
}
