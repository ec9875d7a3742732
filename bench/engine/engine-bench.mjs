// Engine supervision measured with real keepers and processes over simulated vLLM; no GPU, so "memory free" is not in the
// figures. Prints a table and writes JSON; rows of other parts that stand in the file stay, each with its own date and load.
// Usage: node bench/engine/engine-bench.mjs [--parts crashes,hangs,saturation,adoption,standby,agent-restart] [--rounds 10] [--saturate-s 600] [--json FILE]
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Registry } from 'prom-client';
import { agentSchema } from '../../dist/config/agent-config.js';
import { EngineFleet } from '../../dist/engine/engine-fleet.js';
import { EngineMetrics } from '../../dist/engine/engine-metrics.js';
import { nativePath } from '../../dist/native/native-paths.js';
import { systemClock } from '../../dist/runtime/clock.js';
import { silentLogger } from '../../dist/runtime/logger.js';
import { agentRestart } from './agent-restart.mjs';

const { values: options } = parseArgs({
  options: {
    parts: { type: 'string', default: 'crashes,hangs,saturation,adoption,standby,agent-restart' },
    rounds: { type: 'string', default: '10' },
    'saturate-s': { type: 'string', default: '600' },
    json: { type: 'string' },
  },
});
const rounds = Number(options.rounds);
const main = new URL('../../dist/main.js', import.meta.url).pathname;
const directory = mkdtempSync(join(tmpdir(), 'infernode-engine-bench-'));
const watchdogMs = 5000;
const loadMs = 200;
const rows = [];
let work = [];
/** The fleet's timers do not keep a process alive. */
const alive = setInterval(() => undefined, 1000);

function open(count, overrides = {}, standby = []) {
  const { templates, engines } = agentSchema.parse({
    templates: {
      chat: {
        model: 'bench',
        command: [process.execPath, main, 'sim', 'engine'],
        env: { INFERNODE_SIM_LOAD_MS: String(loadMs) },
        watchdogMs,
        stopGraceMs: 5000,
        ...overrides,
      },
    },
    engines: Array.from({ length: count }, (_, n) => ({
      id: `e${n}`,
      template: 'chat',
      devices: [n],
      ...standby[n],
    })),
  });
  const fleet = new EngineFleet({
    nodeName: 'bench',
    templates,
    engines,
    stateDir: directory,
    clock: systemClock,
    logger: silentLogger(),
    metrics: new EngineMetrics(new Registry(), 'bench'),
    keeperPath: nativePath('infernode-keeper'),
    resolveDevice: (ref) => `GPU-${ref}`,
    freeDevices: () => [],
    devicesReleased: async () => true,
    inputs: { workOn: () => work },
    settings: { backoffBaseMs: 1, backoffCapMs: 1, stableMs: 1, standbyReturnMs: 100 },
  });
  return fleet;
}

/** Resolves with the moment at which an engine's status holds. */
function until(fleet, id, holds) {
  return new Promise((resolve) => {
    const look = () => {
      const status = fleet.list().find((engine) => engine.id === id);
      if (status && holds(status)) resolve({ status, atMs: performance.now() });
      return status && holds(status);
    };
    if (!look()) fleet.onChange(() => void look());
  });
}

function record(what, budget, samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (q) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] * 10) / 10;
  rows.push({ what, budget, n: sorted.length, p50: at(0.5), max: at(1) });
}

async function crashes(fleet) {
  const detected = [];
  const dead = [];
  const restart = [];
  for (let round = 0; round < rounds; round++) {
    const { status } = await until(fleet, 'e0', (s) => s.state === 'ready');
    const seen = until(fleet, 'e0', (s) => s.evicting);
    const next = until(fleet, 'e0', (s) => s.state === 'starting' && s.incarnation !== status.incarnation);
    const ready = until(fleet, 'e0', (s) => s.state === 'ready' && s.incarnation !== status.incarnation);
    const fromMs = performance.now();
    process.kill(status.pid, 'SIGKILL');
    detected.push((await seen).atMs - fromMs);
    const startMs = (await next).atMs;
    // The next start begins only when the tree is proven to be gone.
    dead.push(startMs - fromMs);
    restart.push((await ready).atMs - startMs);
  }
  record('crash -> detected, ms', '<= 100 p99', detected);
  record('crash -> tree proven dead and next start, ms', '<= 1000 beyond the grace', dead);
  record(`start -> ready, simulated load of ${loadMs} ms included, ms`, 'load + 1000', restart);
}

async function hangs(fleet) {
  const late = [];
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    const { status } = await until(fleet, 'e0', (s) => s.state === 'ready');
    work = [{ leaseId: 'b/1', requestId: 'b/1' }];
    const seen = until(fleet, 'e0', (s) => s.evicting && s.incarnation === status.incarnation);
    const fromMs = performance.now();
    await post(`${status.url}/sim/fault`, { fault: 'hang' });
    late.push((await seen).atMs - fromMs - watchdogMs);
    work = [];
    await until(fleet, 'e0', (s) => s.state === 'ready' && s.incarnation !== status.incarnation);
  }
  record('hang -> detected, beyond the watchdog time, ms', '<= 2000', late);
}

/** Requests without pause, far more than run at a time, and every answer late. */
async function saturate(fleet, seconds) {
  const { status } = await until(fleet, 'e0', (s) => s.state === 'ready');
  await post(`${status.url}/sim/fault`, { fault: 'health-delay', ms: 5000 });
  const endMs = performance.now() + seconds * 1000;
  let served = 0;
  work = Array.from({ length: 64 }, (_, n) => ({ leaseId: `b/${n}`, requestId: `b/${n}` }));
  const client = async () => {
    while (performance.now() < endMs) {
      await post(`${status.url}/v1/completions`, {
        model: 'bench',
        prompt: 'x '.repeat(4000),
        max_tokens: 64,
        ignore_eos: true,
      });
      served += 1;
    }
  };
  await Promise.all(Array.from({ length: 64 }, client));
  work = [];
  const after = fleet.list().find(({ id }) => id === 'e0');
  rows.push({
    what: `false kills in ${seconds} s of saturation, /health 5 s late, ${served} requests`,
    budget: '0',
    n: 1,
    p50: Number(after.incarnation) - Number(status.incarnation),
    max: Number(after.incarnation) - Number(status.incarnation),
  });
}

async function adoption() {
  let fleet = open(8);
  await fleet.start();
  await Promise.all(fleet.list().map(({ id }) => until(fleet, id, (s) => s.state === 'ready')));
  await fleet.close();
  fleet = open(8);
  const fromMs = performance.now();
  await fleet.start();
  await Promise.all(fleet.list().map(({ id }) => until(fleet, id, (s) => s.state === 'ready')));
  record('restart of the agent: 8 engines adopted and ready, ms', '<= 1000', [performance.now() - fromMs]);
  const kept = fleet.list().filter(({ restarts }) => restarts === 0).length;
  rows.push({ what: 'of these adopted without a new start', budget: '8', n: 8, p50: kept, max: kept });
  await fleet.close({ stopEngines: true });
}

/** A warm standby takes the place of an engine that is killed, whose own start takes five seconds. */
async function standby() {
  const slow = { env: { INFERNODE_SIM_LOAD_MS: '5000' }, sleep: { level: 1 }, drainTimeoutMs: 100 };
  const fleet = open(2, slow, [{}, { standby: 'warm' }]);
  await fleet.start();
  const promoted = [];
  for (let round = 0; round < Math.min(rounds, 5); round++) {
    const { status } = await until(fleet, 'e0', (s) => s.state === 'ready');
    await until(fleet, 'e1', (s) => s.state === 'asleep');
    const serves = until(fleet, 'e1', (s) => s.state === 'ready');
    const fromMs = performance.now();
    process.kill(status.pid, 'SIGKILL');
    promoted.push((await serves).atMs - fromMs);
  }
  record('engine killed -> its warm standby is awake and serves, ms', 'seconds (RTO 5 min)', promoted);
  await fleet.close({ stopEngines: true });
}

async function post(url, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }).catch(() => null);
  await response?.arrayBuffer().catch(() => null);
}

/** One engine at a time in the directory of the parts. */
async function withOne(part) {
  const fleet = open(1);
  await fleet.start();
  await part(fleet);
  await fleet.close({ stopEngines: true });
}

const parts = {
  crashes: () => withOne(crashes),
  hangs: () => withOne(hangs),
  saturation: () => withOne((fleet) => saturate(fleet, Number(options['saturate-s']))),
  adoption,
  standby,
  'agent-restart': async () => void rows.push(...(await agentRestart())),
};

/** What a row is about, without the counts in it. */
const subject = ({ what }) => what.replace(/[\d,]+/g, '#');

try {
  const report = { simulated: true, rows: [] };
  if (options.json && existsSync(options.json)) {
    const { date, loadAverage, rows: before } = JSON.parse(readFileSync(options.json, 'utf8'));
    report.rows = before.map((row) => ({ date, loadAverage, ...row }));
  }
  for (const part of options.parts.split(',')) {
    const loadAverage = loadavg();
    await parts[part]();
    rmSync(join(directory, 'engines'), { recursive: true, force: true });
    for (const row of rows.splice(0)) {
      const at = report.rows.findIndex((one) => subject(one) === subject(row));
      const dated = { date: new Date().toISOString(), loadAverage, ...row };
      report.rows.splice(at < 0 ? report.rows.length : at, at < 0 ? 0 : 1, dated);
    }
  }
  console.table(report.rows.map(({ what, budget, n, p50, max }) => ({ what, budget, n, p50, max })));
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
} finally {
  clearInterval(alive);
  rmSync(directory, { recursive: true, force: true });
}
