/**
 * `node bench/cluster/many-agents.mjs [--agents 1000] [--changes 200] [--seconds 20] [--out DIR]`: one real coordinator process
 * before many light agents over real gRPC. Reports its CPU and memory when nothing happens, and how long a cordon takes from
 * the agent's write to a placement that heeds it, seen from outside by `Explain`, asked each 5 ms: without pause the question would
 * be the load. The agents share the machine; their CPU is told apart.
 */
import { fork, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PlacementServiceClient } from '../../dist/rpc/placement-service-client.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { values: flags } = parseArgs({
  options: {
    agents: { type: 'string', default: '1000' },
    changes: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '20' },
    out: { type: 'string', default: here('../results') },
  },
});
const [count, changes, seconds] = [flags.agents, flags.changes, flags.seconds].map(Number);
const askEveryMs = 5;
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const agents = fork(here('light-agents.mjs'));
const answer = (message) =>
  new Promise((done) => {
    agents.once('message', done);
    agents.send(message);
  });
const directory = mkdtempSync(join(tmpdir(), 'infernode-bench-'));
let coordinator = null;

function usageOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const cpuMs = (Number(fields[11]) + Number(fields[12])) * 10;
  const rssMiB = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
  return { cpuMs, rssMiB };
}

async function startCoordinator(addresses) {
  const file = join(directory, 'coordinator.yaml');
  const any = '127.0.0.1:0';
  const listen = { gateway: any, control: any, probe: any, metrics: any };
  writeFileSync(file, JSON.stringify({ listen, agents: addresses.map((address) => ({ address })) }));
  const startedMs = nowMs();
  coordinator = spawn(
    process.execPath,
    [here('../../dist/main.js'), 'coordinator', '--config', file, '--ready-json'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const line = await new Promise((done, failed) => {
    createInterface({ input: coordinator.stdout }).once('line', done);
    coordinator.once('exit', (code) => failed(new Error(`the coordinator ended with ${code}`)));
  });
  return { listening: JSON.parse(line).listening, startedMs };
}

async function metric(address, name) {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  return Number(new RegExp(`^${name.replace(/[{}"]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1] ?? 'NaN');
}

/** Time from the agent's write to the first answer that heeds it, up to `askEveryMs` and an answer too long. */
async function changeSeenMs(client, index, on) {
  const written = answer({ cordon: index, on });
  for (;;) {
    const { refused } = await client.explain({ model: `model-${index % 10}`, session: 's' });
    if (refused.some(({ endpoint }) => endpoint === `node-${index}/chat-0`) === on)
      return nowMs() - (await written).writtenMs;
    await sleep(askEveryMs);
  }
}

/** Upper edge of the bucket that holds the share, in ms. */
async function updateMs(address, share) {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  const name = 'infernode_cluster_update_seconds';
  const total = Number(new RegExp(`^${name}_count (\\S+)$`, 'm').exec(text)[1]);
  for (const [, edge, count] of text.matchAll(new RegExp(`^${name}_bucket{le="([^"]+)"} (\\S+)$`, 'gm')))
    if (Number(count) >= share * total) return edge === '+Inf' ? Infinity : Number(edge) * 1000;
  return Infinity;
}

const at = (sorted, share) => sorted[Math.floor(share * (sorted.length - 1))];

try {
  const { addresses } = await answer({ start: count });
  const { listening, startedMs } = await startCoordinator(addresses);
  while ((await metric(listening.metrics, 'infernode_cluster_nodes{state="watching"}')) < count)
    await sleep(50);
  const allWatchedMs = nowMs() - startedMs;
  await sleep(5_000);
  const before = usageOf(coordinator.pid);
  const agentsBefore = usageOf(agents.pid);
  await sleep(seconds * 1000);
  const after = usageOf(coordinator.pid);
  const agentsAfter = usageOf(agents.pid);
  const client = new PlacementServiceClient({ address: listening.control });
  const seen = [];
  for (let i = 0; i < changes; i += 1) {
    const index = (i * 7919) % count;
    seen.push(await changeSeenMs(client, index, true), await changeSeenMs(client, index, false));
    await sleep(20);
  }
  client.close();
  const inCoordinatorMs = {
    p50: await updateMs(listening.metrics, 0.5),
    p99: await updateMs(listening.metrics, 0.99),
  };
  seen.sort((a, b) => a - b);
  const result = {
    agents: count,
    changes: seen.length,
    allWatchedMs: Math.round(allWatchedMs),
    cpuShareOfOneCore: (after.cpuMs - before.cpuMs) / (seconds * 1000),
    agentsCpuShareOfOneCore: (agentsAfter.cpuMs - agentsBefore.cpuMs) / (seconds * 1000),
    rssMiB: Math.round(after.rssMiB),
    changeSeenMs: { p50: at(seen, 0.5), p90: at(seen, 0.9), p99: at(seen, 0.99), max: seen.at(-1) },
    inCoordinatorMs,
    machine: { cpus: cpus().length, loadAverage: loadavg()[0] },
  };
  const ms = (value) => `${value.toFixed(1)} ms`;
  const { p50, p90, p99, max } = result.changeSeenMs;
  const markdown = [
    `| one coordinator before ${count} light agents | |`,
    '| --- | --- |',
    `| process start to all watched | ${(result.allWatchedMs / 1000).toFixed(1)} s |`,
    `| CPU at rest (a heartbeat per agent and second) | ${(100 * result.cpuShareOfOneCore).toFixed(1)} % of one core |`,
    `| CPU of the process with all agents, meanwhile | ${(100 * result.agentsCpuShareOfOneCore).toFixed(1)} % of one core |`,
    `| RSS at rest | ${result.rssMiB} MiB |`,
    `| a cordon heeded by placement, p50 / p90 / p99 / max of ${seen.length} | ${[p50, p90, p99, max].map(ms).join(' / ')} |`,
    `| the coordinator's part of a message, p50 / p99, at most | ${inCoordinatorMs.p50} / ${inCoordinatorMs.p99} ms |`,
    '',
    `${result.machine.cpus} CPUs, load average ${result.machine.loadAverage.toFixed(1)}.`,
  ].join('\n');
  process.stdout.write(`${markdown}\n`);
  mkdirSync(flags.out, { recursive: true });
  writeFileSync(resolve(flags.out, 'many-agents.md'), `${markdown}\n`);
  writeFileSync(resolve(flags.out, 'many-agents.json'), `${JSON.stringify(result, null, 2)}\n`);
} finally {
  coordinator?.kill('SIGKILL');
  agents.disconnect();
  rmSync(directory, { recursive: true, force: true });
}
