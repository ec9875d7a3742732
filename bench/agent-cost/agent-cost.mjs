// What the agent costs and how fast it is, against its budgets: see README.md. Everything is simulated but the processes.
import { cpus, loadavg } from 'node:os';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Nvml } from '../../dist/native/nvml.js';
import { addXid, hangCall, releaseCalls } from '../../dist/sim/gpu-edits.js';
import { editScenario } from '../../dist/sim/gpu-scenario.js';
import { appendKernelLog, xidLine } from '../../dist/sim/kernel-log.js';
import { costOf, startAgent } from './running-agent.mjs';

const usage = `npm run bench:agent-cost -- [--seconds N (60)] [--rounds N (50)] [--soak MINUTES] [--json FILE] [--markdown FILE]`;
const text = { type: 'string' };
const { values } = parseArgs({
  options: { seconds: text, rounds: text, soak: text, json: text, markdown: text, help: { type: 'boolean' } },
});
if (values.help) {
  process.stdout.write(`${usage}\n`);
  process.exit(0);
}
const gpus = 8;
const engines = 4;
const seconds = Number(values.seconds ?? 60);
const rounds = Number(values.rounds ?? 50);
const soakMinutes = Number(values.soak ?? 0);
const scrapeMs = 15_000;
const requestsPerSecond = 100;
/** One that the sampler makes for each device in each round. */
const fastCall = 'nvmlDeviceGetTemperature';
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const quantile = (numbers, q) =>
  [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * q))];
const mib = (bytes) => bytes / 1024 ** 2;

const agent = await startAgent({ gpus, engines });
const rows = [];
const row = (what, value, unit, budget) =>
  rows.push({ what, value: Math.round(value * 100) / 100, unit, budget });
const load = loadavg()[0];
try {
  await untilReady();
  const idle = await measureCost((soakMinutes > 0 ? soakMinutes * 60 : seconds) * 1000);
  row('agent CPU, idle', idle.agentCpu, '% of a core', null);
  row('sampler CPU, idle', idle.samplerCpu, '% of a core', null);
  row('agent and sampler CPU, idle', idle.agentCpu + idle.samplerCpu, '% of a core', 1);
  row('agent RSS', mib(idle.last.agent.rssBytes), 'MiB', null);
  row('sampler RSS', mib(idle.last.sampler.rssBytes), 'MiB', null);
  row('agent and sampler RSS', mib(idle.last.agent.rssBytes + idle.last.sampler.rssBytes), 'MiB', 100);
  // The memory of a process in its first minutes says nothing of its slope.
  if (idle.seconds >= 300)
    row(`RSS slope over ${Math.round(idle.seconds / 60)} min`, idle.slopeMibPerHour, 'MiB/h', null);
  const work = await startWork(requestsPerSecond);
  const busy = await measureCost(seconds * 1000);
  work.stop();
  row(`agent CPU, ${requestsPerSecond} requests/s`, busy.agentCpu, '% of a core', null);
  row(
    `agent and sampler RSS, ${requestsPerSecond} requests/s`,
    mib(busy.last.agent.rssBytes + busy.last.sampler.rssBytes),
    'MiB',
    null,
  );
  for (const source of ['nvml', 'kmsg']) {
    const delays = await measureEvents(source);
    row(`${source} event to cordon on WatchNode, p50`, quantile(delays, 0.5), 'ms', null);
    row(
      `${source} event to cordon on WatchNode, p99`,
      quantile(delays, 0.99),
      'ms',
      source === 'nvml' ? 50 : null,
    );
  }
  const before = await watchRounds(seconds * 500, gpus);
  row('event-loop delay before, p99', before.delayMs, 'ms', null);
  editScenario(agent.gpuDirectory, (scenario) => hangCall(scenario, 'nvmlDeviceGetMemoryInfo_v2', 7));
  await untilHung();
  const after = await watchRounds(seconds * 500, gpus - 1);
  editScenario(agent.gpuDirectory, (scenario) => releaseCalls(scenario));
  row('event-loop delay with one device hanging, p99', after.delayMs, 'ms', 20);
  row(
    'cadence of the other seven beside it',
    (100 * after.perSecond) / before.perSecond,
    '% of before',
    null,
  );
  const reads = await measureSnapshots();
  row('snapshot of 8 GPUs in one crossing, p50', quantile(reads, 0.5), 'ms', 1);
  row('snapshot of 8 GPUs in one crossing, p99', quantile(reads, 0.99), 'ms', null);
} finally {
  await agent.stop();
}
report();

async function untilReady() {
  for (;;) {
    const { state } = await agent.client.getNode();
    const ready = state.engines.filter((engine) => engine.state === 'ready').length;
    if (ready === engines && state.devices.length === gpus) return pause(3000);
    await pause(200);
  }
}

/** One scrape each 15 s, as Prometheus would. */
async function measureCost(forMs) {
  const samples = [{ atMs: performance.now(), ...costOf(agent.pid) }];
  const endMs = performance.now() + forMs;
  while (performance.now() < endMs) {
    await scrape();
    await pause(Math.min(scrapeMs, Math.max(100, endMs - performance.now())));
    samples.push({ atMs: performance.now(), ...costOf(agent.pid) });
  }
  const [first, last] = [samples[0], samples.at(-1)];
  const share = (part) =>
    (100_000 * (last[part].cpuSeconds - first[part].cpuSeconds)) / (last.atMs - first.atMs);
  const points = samples.map((s) => [s.atMs / 3_600_000, mib(s.agent.rssBytes + s.sampler.rssBytes)]);
  return {
    agentCpu: share('agent'),
    samplerCpu: share('sampler'),
    last,
    seconds: (last.atMs - first.atMs) / 1000,
    slopeMibPerHour: slope(points),
  };
}

/**
 * As one coordinator reports its leases and hears those of the others: each request is placed, has its first token and is done, told in deltas
 * each 50 ms. Nothing reaches the engines; the agent does all that it does for real requests.
 */
async function startWork(perSecond) {
  const everyMs = 50;
  const perStep = (perSecond * everyMs) / 1000;
  const { state } = await agent.client.getNode();
  const watch = agent.client.watchNode({ onUpdate: () => undefined, onEnd: () => undefined }, 'other');
  const stream = agent.client.reportWork({
    onAck: () => undefined,
    onDrain: () => undefined,
    onEnd: () => undefined,
  });
  let sequence = 0;
  let next = 0;
  stream.write({
    kind: 'opening',
    sequence: sequence++,
    coordinator: 'bench',
    chainVersion: 'bench',
    leases: [],
  });
  const lives = [];
  const timer = setInterval(() => {
    const events = [];
    for (let i = 0; i < perStep; i++) {
      const { id: engineId, incarnation } = state.engines[next % engines];
      const id = String(next++);
      const lease = { id, requestId: id, engineId, incarnation, tokens: 1000, uncachedTokens: 200 };
      events.push({ kind: 'placed', lease: { ...lease, chain: new Uint8Array(), started: false }, ageMs: 0 });
      lives.push(id);
    }
    // A request lasts for a second, and its first token comes after half of it.
    const half = lives.length - perSecond / 2;
    for (const id of half > 0 ? lives.slice(Math.max(0, half - perStep), half) : [])
      events.push({ kind: 'first-token', id, cachedTokens: 800, ageMs: 0 });
    while (lives.length > perSecond) events.push({ kind: 'done', id: lives.shift(), ageMs: 0 });
    stream.write({ kind: 'delta', sequence: sequence++, events });
  }, everyMs);
  return {
    stop() {
      clearInterval(timer);
      stream.cancel();
      watch.cancel();
    },
  };
}

/** Least squares. */
function slope(points) {
  const mean = (i) => points.reduce((sum, point) => sum + point[i], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const over = points.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0);
  const under = points.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
  return under === 0 ? 0 : over / under;
}

/**
 * From the moment in which the scenario, or the line of the log, is in its file to the cordon on the stream; devices 4 to 7 have no engines. An
 * edit of the scenario is a rename at its end.
 */
async function measureEvents(source) {
  const delays = [];
  for (let round = 0; round < rounds; round++) {
    const position = 4 + (round % 4);
    const uuid = agent.uuids[position];
    let startedMs = 0;
    const seen = nextUpdate((update) => {
      const devices = update.kind === 'delta' ? update.delta.devices : [];
      return devices.some(
        (d) => d.identity.uuid === uuid && d.cordons.some(({ holder }) => holder === 'health:xid'),
      );
    });
    await seen.open;
    let line = '';
    if (source === 'kmsg')
      editScenario(agent.gpuDirectory, ({ devices }) => (line = xidLine(devices[position], 79)));
    if (source === 'kmsg') appendKernelLog(agent.gpuDirectory, line);
    else editScenario(agent.gpuDirectory, (scenario) => addXid(scenario, position, 79));
    startedMs = performance.now();
    delays.push((await seen.found) - startedMs);
    await agent.client.acknowledgeCondition({ device: uuid, check: 'xid' });
    await agent.client
      .acknowledgeCondition({ device: uuid, check: 'xid_after_reset' })
      .catch(() => undefined);
    await pause(1100);
  }
  return delays;
}

/** `open` when the stream has begun, `found` with the moment of the first update that fits. */
function nextUpdate(fits) {
  let opened;
  const open = new Promise((resolve) => (opened = resolve));
  const found = new Promise((resolve, reject) => {
    const watch = agent.client.watchNode({
      onUpdate: (update) => {
        const nowMs = performance.now();
        if (update.kind === 'snapshot') opened();
        if (!fits(update)) return;
        resolve(nowMs);
        watch.cancel();
      },
      onEnd: (error) => error && reject(error),
    });
  });
  return { open, found };
}

/**
 * Rounds of the fast class a second and device, from the count of one of its calls, and the event-loop delay of the same time: each scrape begins its
 * histogram anew, so that there is none in between.
 */
async function watchRounds(forMs, devices) {
  const callsOn = (page) =>
    metric(page, `infernode_nvml_call_seconds_count\\{[^}]*call="${fastCall}"[^}]*\\}`);
  const first = await scrape();
  const startedMs = performance.now();
  await pause(forMs);
  const last = await scrape();
  const calls = callsOn(last) - callsOn(first);
  return {
    perSecond: calls / devices / ((performance.now() - startedMs) / 1000),
    delayMs: 1000 * metric(last, 'nodejs_eventloop_lag_p99_seconds'),
  };
}

async function untilHung() {
  for (;;) {
    const { state } = await agent.client.getNode();
    if (state.devices[7].health === 'unknown') return;
    await pause(100);
  }
}

async function measureSnapshots() {
  const nvml = new Nvml(agent.libraryPath);
  const times = [];
  for (let i = 0; i < 300; i++) {
    const startedMs = performance.now();
    await nvml.snapshot();
    if (i >= 50) times.push(performance.now() - startedMs);
  }
  await nvml.close();
  return times;
}

async function scrape() {
  return (await fetch(agent.metricsUrl)).text();
}

function metric(page, name) {
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'm').exec(page)?.[1] ?? NaN);
}

function report() {
  const table = [
    '| what | value | budget |',
    '| --- | --- | --- |',
    ...rows.map(
      ({ what, value, unit, budget }) =>
        `| ${what} | ${value} ${unit} | ${budget === null ? '' : `${budget} ${unit}${value <= budget ? '' : ' (missed)'}`} |`,
    ),
  ].join('\n');
  const [now] = loadavg();
  const conditions = `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores shared with other work (load ${load.toFixed(1)} at the start, ${now.toFixed(1)} at the end), ${gpus} simulated GPUs, ${engines} simulated engines, one scrape per 15 s`;
  process.stdout.write(`${conditions}\n\n${table}\n`);
  if (values.json)
    writeFileSync(
      values.json,
      `${JSON.stringify({ conditions, gpus, engines, seconds, rounds, rows }, null, 2)}\n`,
    );
  if (values.markdown)
    writeFileSync(values.markdown, `# What the agent costs\n\n${conditions}.\n\n${table}\n`);
}
