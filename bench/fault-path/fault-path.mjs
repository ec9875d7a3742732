// From a fault to everything that follows, watched from outside with one monotonic clock; see bench/README.md.
// Exit code 0: every request ended well or with the coded event; 1: one did not, or the cluster could not be used;
// 2: wrong options; 130: interrupted.
import { writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Clients } from './clients.mjs';
import { findCluster, victimsOf } from './cluster.mjs';
import { LoneEngine } from './lone-engine.mjs';
import { CoordinatorView, NodeView } from './node-view.mjs';
import { readOptions } from './options.mjs';
import { killRound, xidRound } from './rounds.mjs';
import { countOutcomes, quantiles, renderMarkdown, summarize } from './summarize.mjs';

const options = readOptions(process.argv.slice(2));
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => (interrupted = true));

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`bench:fault-path: ${error.stack}\n`);
  process.exitCode = 1;
}

async function main() {
  const { up, origin, stop } = await findCluster(options);
  const lone = new LoneEngine();
  try {
    await lone.start(options.seed);
    const result = await measure(up, lone);
    if (interrupted) return 130;
    const report = { ...result, about: describeRun(origin, result.seconds) };
    const markdown = renderMarkdown(report);
    process.stdout.write(markdown);
    if (options.markdown !== undefined) writeFileSync(options.markdown, markdown);
    if (options.json !== undefined) writeJson(report);
    return result.outcomes.bad === 0 ? 0 : 1;
  } finally {
    await lone.stop();
    await stop();
  }
}

async function measure(up, lone) {
  const startedMs = performance.now();
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const nodes = new NodeView(up.agents);
  const coordinator = new CoordinatorView(up.coordinator);
  const clients = new Clients({ gateway: up.gateway, model: 'chat', seed: options.seed });
  const rounds = { xid: [], kill: [] };
  const loadBefore = loadavg()[0];
  try {
    clients.start(options.streams);
    await lone.hurt();
    loop.enable();
    await play(rounds, { nodes, coordinator, clients }, victimsOf(up));
  } finally {
    loop.disable();
    await clients.stop();
    nodes.close();
    coordinator.close();
  }
  return {
    figures: summarize(rounds),
    outcomes: countOutcomes(clients.finished),
    lone: lone.report(),
    observer: {
      getClusterMs: quantiles(coordinator.gapsMs),
      loopDelayMs: { p50: loop.percentile(50) / 1e6, p99: loop.percentile(99) / 1e6, max: loop.max / 1e6 },
      loadAverage: [loadBefore, loadavg()[0]],
    },
    seconds: (performance.now() - startedMs) / 1000,
    rounds,
  };
}

/** Victims in turn, beginning at one that the seed names, so that no engine's restart back-off is what is measured. */
async function play(rounds, cluster, victims) {
  const kinds = { xid: xidRound, kill: killRound };
  let turn = options.seed;
  for (const [name, play] of Object.entries(kinds)) {
    for (let i = 0; i < options.rounds && !interrupted; i++) {
      const victim = victims[turn++ % victims.length];
      const again = rounds[name].some((earlier) => earlier.victim === victim.endpoint);
      const round = await play(cluster, victim, { ...options, again });
      rounds[name].push({ victim: victim.endpoint, ...round });
      const { ineligible, firstCoded, memoryFree } = round;
      const figures = { ineligible, firstCoded, memoryFree };
      say(`${name} ${i + 1} of ${options.rounds} on ${victim.endpoint}: ${JSON.stringify(figures)}`);
    }
  }
}

function describeRun(origin, seconds) {
  const { rounds, streams, waiting, effects } = options;
  return (
    `${new Date().toISOString().slice(0, 10)}, ${availableParallelism()} cores (load average at the end ${loadavg()[0].toFixed(1)}), ` +
    `Node ${process.versions.node}, ${origin}, ${rounds} rounds of each fault in ${seconds.toFixed(0)} s, ` +
    `${streams} streams and ${waiting} long prompts at each fault${effects ? ', GPU off the bus with its Xid' : ''}.`
  );
}

function writeJson(report) {
  const { rounds, streams, waiting, seed, effects } = options;
  const settings = { rounds, streams, waiting, seed, effects };
  const content = { bench: 'fault-path', simulated: ['gpu', 'engine'], settings, ...report };
  writeFileSync(options.json, `${JSON.stringify(content, null, 2)}\n`);
}

function say(line) {
  process.stderr.write(`bench:fault-path: ${line}\n`);
}
