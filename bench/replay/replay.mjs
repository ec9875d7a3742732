// Sends a conversation trace through the gateway of a running cluster with a real client; see bench/README.md.
// Exit code 0: no request failed; 1: some did, or the cluster could not be used; 2: wrong options; 130: interrupted.
import { writeFileSync } from 'node:fs';
import { request } from 'undici';
import { loadTrace } from '../trace/read-trace.mjs';
import { cacheUse, readEngineCounters } from './engine-counters.mjs';
import { readOptions } from './options.mjs';
import { reusableShare } from './prompt-text.mjs';
import { replayTrace } from './replay-trace.mjs';
import { findCluster } from './running-cluster.mjs';
import { renderTable, summarize } from './summarize.mjs';

const options = readOptions(process.argv.slice(2));
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`bench:replay: ${error.message}\n`);
  process.exitCode = 1;
}

async function main() {
  const trace = loadTrace({ path: options.trace, seed: options.seed, limit: options.requests });
  const input = `${trace.source}, ${trace.requests.length} requests`;
  say(input);
  const cluster = await findCluster({ gateway: options.gateway, onNews: say });
  try {
    const model = options.model ?? (await firstModel(cluster.gateway));
    const report = await measure(cluster, model, trace.requests);
    if (stop.signal.aborted) return 130;
    const result = { ...report, input };
    process.stdout.write(`${renderTable({ input, cluster, model, options, result })}\n`);
    if (options.json !== undefined) writeJson({ cluster, model, result });
    return result.errors === 0 ? 0 : 1;
  } finally {
    await cluster.stop();
  }
}

async function measure(cluster, model, requests) {
  const before = await readEngineCounters(cluster.engines);
  const replay = await replayTrace(requests, {
    gateway: cluster.gateway,
    model,
    options,
    onProgress: progressLine(requests.length),
    signal: stop.signal,
  });
  if (process.stderr.isTTY) process.stderr.write('\n');
  const cache = cacheUse(before, await readEngineCounters(cluster.engines));
  return summarize({ ...replay, cache, engines: cluster.engines, reusable: reusableShare(requests) });
}

async function firstModel(gateway) {
  const { statusCode, body } = await request(`${gateway}/v1/models`);
  const { data } = await body.json();
  if (statusCode !== 200 || !data?.[0]) throw new Error(`${gateway} lists no model (status ${statusCode})`);
  return data[0].id;
}

/** One line that changes on a terminal, a line now and then elsewhere. */
function progressLine(total) {
  const everyMs = process.stderr.isTTY ? 200 : 5000;
  const startedMs = performance.now();
  let toldMs = startedMs;
  return ({ sent, finished, failed }) => {
    const nowMs = performance.now();
    if (nowMs - toldMs < everyMs && finished < total) return;
    toldMs = nowMs;
    const line = `${sent} of ${total} sent, ${finished} finished, ${failed} failed, ${((nowMs - startedMs) / 1000).toFixed(0)} s`;
    process.stderr.write(process.stderr.isTTY ? `\r${line.padEnd(78)}` : `${line}\n`);
  };
}

function writeJson({ cluster, model, result }) {
  const { gateway, origin } = cluster;
  const settings = { ...options, gateway, origin, model };
  writeFileSync(options.json, `${JSON.stringify({ bench: 'replay', settings, result }, null, 2)}\n`);
  say(`results written to ${options.json}`);
}

function say(line) {
  process.stderr.write(`bench:replay: ${line}\n`);
}
