// What the agent costs and how fast it is, against its budgets: see README.md. Everything is simulated but the processes.
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Nvml } from '../../dist/native/nvml.js';
import { hangCall, releaseCalls } from '../../dist/sim/gpu-edits.js';
import { editScenario } from '../../dist/sim/gpu-scenario.js';
import { cpuOf, measureCost, pause, slopeOf } from './measure-cost.mjs';
import { measureEvents } from './measure-events.mjs';
import { untilHung, watchRounds } from './measure-hang.mjs';
import { startWork } from './reported-work.mjs';
import { mergeParts, tableOf, writeResults } from './results.mjs';
import { startAgent } from './running-agent.mjs';

const gpus = 8;
const engines = 4;
const requestsPerSecond = 100;
const parts = { idle, work, nvml, kmsg, hang, snapshot };

const usage = `npm run bench:agent-cost -- [--only PART,... (${Object.keys(parts).join(', ')})] [--seconds N (60)] [--rounds N (50)] [--settle N (20)]
                            [--soak MINUTES] [--json FILE] [--markdown FILE]
`;
const text = { type: 'string' };
const { values } = parseArgs({
  options: {
    ...{ only: text, seconds: text, rounds: text, settle: text, soak: text, json: text, markdown: text },
    help: { type: 'boolean' },
  },
});
const wanted = values.only?.split(',') ?? Object.keys(parts);
const stranger = wanted.find((name) => !(name in parts));
// In the order of the list: a device that hung needs a while until its events are heard again.
const chosen = values.soak ? ['soak'] : Object.keys(parts).filter((name) => wanted.includes(name));
if (values.help || stranger) {
  process.stdout.write(stranger ? `no part is called "${stranger}"\n${usage}` : usage);
  process.exit(stranger ? 2 : 0);
}
const seconds = Number(values.seconds ?? 60);
const rounds = Number(values.rounds ?? 50);
/** Code is compiled and buffers get their sizes in the first seconds of a process; the budgets are of one that runs for months. */
const settleMs = 1000 * Number(values.settle ?? 20);
const title = values.soak ? 'The idle agent over a long time' : 'What the agent costs';

const quantile = (numbers, q) =>
  [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * q))];
const row = (what, value, unit, budget = null) => ({
  what,
  value: Math.round(value * 100) / 100,
  unit,
  budget,
});
const results = {};
const agent = await startAgent({ gpus, engines });
try {
  await untilReady();
  for (const name of chosen) {
    const load = loadavg()[0];
    const rows = await (name === 'soak' ? soak() : parts[name]());
    results[name] = { conditions: conditionsSince(load), rows };
  }
} finally {
  await agent.stop();
}
process.stdout.write(tableOf(title, results));
writeResults(values, title, mergeParts(values.json, results));

async function untilReady() {
  for (;;) {
    const { state } = await agent.client.getNode();
    const ready = state.engines.filter((engine) => engine.state === 'ready').length;
    if (ready === engines && state.devices.length === gpus) return pause(settleMs);
    await pause(200);
  }
}

function conditionsSince(load) {
  const [now] = loadavg();
  return `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (load ${load.toFixed(1)} before, ${now.toFixed(1)} after), Node ${process.versions.node}, ${gpus} simulated GPUs, ${engines} simulated engines, one scrape per 15 s`;
}

async function idle() {
  const { agentCpu, samplerCpu, last } = await measureCost(agent, seconds * 1000);
  return [
    row('agent CPU, idle', agentCpu, '% of a core'),
    row('sampler CPU, idle', samplerCpu, '% of a core'),
    row('agent and sampler CPU, idle', agentCpu + samplerCpu, '% of a core', 1),
    row('agent RSS', last.agentMib, 'MiB'),
    row('sampler RSS', last.samplerMib, 'MiB'),
    row('agent and sampler RSS', last.totalMib, 'MiB', 100),
  ];
}

async function work() {
  const reported = await startWork(agent, requestsPerSecond);
  const { agentCpu, samplerCpu, last } = await measureCost(agent, seconds * 1000);
  reported.stop();
  return [
    row(`agent and sampler CPU, ${requestsPerSecond} requests/s`, agentCpu + samplerCpu, '% of a core'),
    row(`agent and sampler RSS, ${requestsPerSecond} requests/s`, last.totalMib, 'MiB'),
  ];
}

async function nvml() {
  const delays = await measureEvents(agent, 'nvml', rounds);
  return [
    row('NVML event to cordon on WatchNode, p50', quantile(delays, 0.5), 'ms'),
    row('NVML event to cordon on WatchNode, p99', quantile(delays, 0.99), 'ms', 50),
  ];
}

async function kmsg() {
  const delays = await measureEvents(agent, 'kmsg', rounds);
  return [
    row('kernel log to cordon on WatchNode, p50', quantile(delays, 0.5), 'ms'),
    row('kernel log to cordon on WatchNode, p99', quantile(delays, 0.99), 'ms'),
  ];
}

async function hang() {
  const position = gpus - 1;
  const before = await watchRounds(agent, seconds * 500, gpus);
  editScenario(agent.gpuDirectory, (scenario) => hangCall(scenario, 'nvmlDeviceGetMemoryInfo_v2', position));
  await untilHung(agent, position);
  const after = await watchRounds(agent, seconds * 500, gpus - 1);
  editScenario(agent.gpuDirectory, (scenario) => releaseCalls(scenario));
  return [
    row('event-loop delay before, p99', before.delay.p99Ms, 'ms'),
    row('event-loop delay with one device hanging, p50', after.delay.p50Ms, 'ms'),
    row('event-loop delay with one device hanging, p99', after.delay.p99Ms, 'ms', 20),
    row('event-loop delay with one device hanging, longest', after.delay.maxMs, 'ms'),
    row('cadence of the other seven beside it', (100 * after.perSecond) / before.perSecond, '% of before'),
  ];
}

async function snapshot() {
  const session = new Nvml(agent.libraryPath);
  const times = [];
  for (let i = 0; i < 300; i++) {
    const startedMs = performance.now();
    await session.snapshot();
    if (i >= 50) times.push(performance.now() - startedMs);
  }
  await session.close();
  return [
    row('snapshot of 8 GPUs in one crossing, p50', quantile(times, 0.5), 'ms', 1),
    row('snapshot of 8 GPUs in one crossing, p99', quantile(times, 0.99), 'ms'),
  ];
}

async function soak() {
  const minutes = Number(values.soak);
  const { samples, agentCpu, samplerCpu, last } = await measureCost(agent, minutes * 60_000, tellProgress);
  const { kibPerHour, twoErrors, count } = slopeOf(samples);
  const mib = samples.map(({ totalMib }) => totalMib);
  return [
    row(`agent and sampler CPU over ${minutes} min`, agentCpu + samplerCpu, '% of a core', 1),
    row('agent and sampler RSS, first', mib[0], 'MiB'),
    row('agent and sampler RSS, largest', Math.max(...mib), 'MiB', 100),
    row('agent and sampler RSS, last', last.totalMib, 'MiB'),
    row(`slope of the RSS (least squares, last ${count} samples)`, kibPerHour, 'KiB/h'),
    row('twice the standard error of the slope', twoErrors, 'KiB/h'),
  ];
}

/** A line a minute. */
function tellProgress(samples) {
  const last = samples.at(-1);
  if (samples.length % 4 !== 0) return;
  const { agentCpu, samplerCpu } = cpuOf(samples.slice(-5));
  const minute = ((last.atMs - samples[0].atMs) / 60_000).toFixed(1);
  process.stderr.write(
    `${minute} min: ${last.totalMib.toFixed(1)} MiB, ${(agentCpu + samplerCpu).toFixed(2)} % of a core\n`,
  );
}
