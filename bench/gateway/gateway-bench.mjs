// The gateway beside HAProxy and nginx: same upstreams, same client, one thread and one CPU each, one run. `--help` says how.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { markdownOf } from './report.mjs';
import { cpuSeconds, here, peers, rssKib, start } from './peers.mjs';

const usage = `node bench/gateway/gateway-bench.mjs [options], after npm run build

  --modes LIST          json, burst, paced, added, idle, workers (default: all; added and workers need json and burst)
  --peers LIST          haproxy, haproxy-no-delay, nginx, bare-relay, infernode (default: all; one that is not installed is left out, and said so)
  --connections LIST    of json, burst and paced (default 64,512)
  --seconds N           of a row (default 4); --paced-seconds N of a paced one (default 15)
  --idle N              streams that are held open (default 1000)
  --out FILE            JSON; the table goes beside it as .md (default bench/results/gateway.json)`;
const { values: flags } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '4' },
    'paced-seconds': { type: 'string', default: '15' },
    connections: { type: 'string', default: '64,512' },
    idle: { type: 'string', default: '1000' },
    peers: { type: 'string', default: 'haproxy,haproxy-no-delay,nginx,bare-relay,infernode' },
    modes: { type: 'string', default: 'json,burst,paced,added,idle,workers' },
    out: { type: 'string', default: join(here, '../results/gateway.json') },
  },
});
if (flags.help) {
  console.log(usage);
  process.exit(0);
}
const modes = flags.modes.split(',');
/** A paced load asks for one request a second per connection: its rows take longer to mean something. */
const secondsOf = (mode) => Number(mode === 'paced' ? flags['paced-seconds'] : flags.seconds);
const loadBefore = loadavg();
const rows = [];
const running = [];
process.on('exit', () => running.forEach((stop) => stop()));

async function client(options) {
  const { child, ...result } = await start(
    process.execPath,
    [join(here, 'load-client.mjs'), JSON.stringify({ seconds: secondsOf(options.mode), ...options })],
    { json: true, ipc: true },
  );
  child.kill();
  return result;
}

/** One load on one proxy: what the client saw, and what it cost the proxy. */
async function measure(name, proxy, options) {
  const settle = new Promise((resolve) => setTimeout(resolve, 1000 * (options.warmupSeconds ?? 1)));
  let cpu = 0;
  let startedMs = 0;
  void settle.then(() => {
    startedMs = performance.now();
    cpu = cpuSeconds(proxy.pid);
  });
  const result = await client({ port: proxy.port, ...options });
  const used = cpuSeconds(proxy.pid) - cpu;
  const wall = (performance.now() - startedMs) / 1000;
  const row = {
    proxy: name,
    ...options,
    ...result,
    requestsPerSecond: result.requests / (options.seconds ?? secondsOf(options.mode)),
    cpuSeconds: used,
    cpuShare: used / wall,
    requestsPerCpuSecond:
      used > 0 ? result.requests / (options.seconds ?? secondsOf(options.mode)) / (used / wall) : null,
    rssKib: rssKib(proxy.pid),
  };
  rows.push(row);
  return row;
}

const upstream = await start(process.execPath, [join(here, 'dummy-upstream.mjs'), '4'], { json: true });
running.push(() => upstream.child.kill());

const line = (cells) =>
  console.log(
    cells
      .map((cell, i) => String(cell)[i === 0 ? 'padEnd' : 'padStart'](i === 0 ? 24 : i === 1 ? 18 : 12))
      .join(''),
  );
console.log(
  `${cpus()[0]?.model ?? 'CPU'}, ${cpus().length} CPUs, Linux ${release()}, Node ${process.version}`,
);
line([
  'load',
  'proxy',
  'req/s',
  'p50 ms',
  'p99 ms',
  'first byte',
  'req/CPU-s',
  'of HAProxy',
  'no delay',
  'RSS MiB',
  'errors',
]);

const direct = { port: upstream.ports[0], pid: upstream.child.pid };
const names = flags.peers.split(',');
for (const name of names) {
  const proxy = await peers[name](upstream.ports);
  if (proxy === null) {
    console.log(`${name} is not installed (apt-get install ${name.split('-')[0]}); left out`);
    continue;
  }
  running.push(proxy.stop);
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const mode of modes.filter((mode) => rowsOf(name).includes(mode)))
    for (const connections of flags.connections.split(',').map(Number)) {
      const row = await measure(name, proxy, { mode, connections, warmupSeconds: warmupOf(name, mode) });
      print(`${mode}, ${connections} connections`, row);
    }
  proxy.stop();
}
if (names.includes('infernode')) {
  if (modes.includes('added')) await addedLatency();
  if (modes.includes('idle')) await idleStreams();
  if (modes.includes('workers')) await twoWorkers();
}

/** Of 64 requests a second a compiler at run time needs some thousand events and hundreds of requests to see what is hot. */
function warmupOf(name, mode) {
  if (mode !== 'paced') return 2;
  return name === 'infernode' || name === 'bare-relay' ? 20 : 4;
}

/** Without delay HAProxy differs in streams only; the bare relay keeps a connection to one upstream, and is a limit for streams. */
function rowsOf(name) {
  return name === 'haproxy-no-delay' || name === 'bare-relay' ? ['paced'] : ['json', 'burst', 'paced'];
}

/** A fresh gateway for one measurement. */
async function fresh(run, peer = 'infernode', ...args) {
  const proxy = await peers[peer](upstream.ports, ...args);
  running.push(proxy.stop);
  const result = await run(proxy);
  proxy.stop();
  return result;
}

/** Requests a second that take half of a core, by the row of this run. */
function halfOfCore(mode) {
  const full = rows.find((row) => row.proxy === 'infernode' && row.mode === mode && row.connections === 64);
  return Math.floor((full?.requestsPerCpuSecond ?? 4000) / 2);
}

/** At half of what one core carries, in turns with the upstream alone; the median of the differences. */
async function addedLatency() {
  const rate = halfOfCore('json');
  const load = { mode: 'json', connections: 64, rate, warmupSeconds: 2 };
  const turns = await fresh(async (proxy) => {
    const differences = [];
    for (let i = 0; i < 3; i++) {
      const through = await measure('infernode', proxy, load);
      const without = await client({ port: direct.port, ...load });
      differences.push({
        p50Ms: through.p50Ms - without.p50Ms,
        p99Ms: through.p99Ms - without.p99Ms,
        cpuShare: through.cpuShare,
      });
    }
    return differences.sort((a, b) => a.p50Ms - b.p50Ms);
  });
  rows.push({ proxy: 'infernode', mode: 'added latency at half load', rate, turns, ...turns[1] });
  console.log(
    `added at half load (${rate} req/s): p50 ${turns.map(({ p50Ms }) => p50Ms.toFixed(2)).join(', ')} ms`,
  );
}

async function idleStreams() {
  const streams = Number(flags.idle);
  await fresh(async (proxy) => {
    // A short load first: what code and pools take once is not the streams'.
    await client({ port: proxy.port, mode: 'burst', connections: 64 });
    const before = rssKib(proxy.pid);
    const idleCpu = cpuSeconds(proxy.pid);
    const startedMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const idleCpuShare = (cpuSeconds(proxy.pid) - idleCpu) / ((performance.now() - startedMs) / 1000);
    const load = { mode: 'idle', connections: streams, hold: true, warmupSeconds: 5 + streams / 500 };
    const { open, rssKib: after } = await measure('infernode', proxy, load);
    const kib = (after - before) / open;
    rows.push({ proxy: 'infernode', mode: 'memory per idle stream', streams, open, kib, idleCpuShare });
    console.log(
      `${open} of ${streams} idle streams open: ${kib.toFixed(1)} KiB each; idle CPU ${(100 * idleCpuShare).toFixed(2)} %`,
    );
  });
}

/**
 * The same load on the gateway in the coordinator's process and on two workers, in turns, all on the proxy's CPU. Where a rate
 * is given, one process at half of it stands beside: each of two workers has that, and a process that wakes for fewer
 * requests at a time takes more for each.
 */
async function twoWorkers() {
  const loads = [
    { mode: 'json', rate: 1000, connections: 64 },
    { mode: 'json', rate: halfOfCore('json'), connections: 64 },
    { mode: 'burst', rate: halfOfCore('burst'), connections: 64 },
    { mode: 'paced', rate: 0, connections: 512 },
  ];
  for (const load of loads) {
    const timed = { ...load, warmupSeconds: 8, seconds: 2 * Number(flags.seconds) };
    const one = () => fresh((proxy) => measure('infernode', proxy, timed));
    const two = () => fresh((proxy) => measure('2 workers', proxy, timed), 'workers', 2);
    const half = () => fresh((proxy) => measure('infernode', proxy, { ...timed, rate: load.rate / 2 }));
    const cpu = { one: [], two: [], half: [] };
    for (let i = 0; i < 2; i++) {
      cpu.one.push(await one());
      cpu.two.push(await two());
      if (load.rate > 0) cpu.half.push(await half());
    }
    const perRequest = (measured) =>
      measured.reduce((sum, row) => sum + row.cpuShare, 0) /
      measured.reduce((sum, row) => sum + row.requestsPerSecond, 0);
    const ratio = perRequest(cpu.two) / perRequest(cpu.one);
    const halfRatio = load.rate > 0 ? perRequest(cpu.half) / perRequest(cpu.one) : null;
    rows.push({ proxy: '2 workers', mode: 'two workers', load, ratio, halfRatio });
    console.log(`two workers, ${JSON.stringify(load)}: ${ratio.toFixed(2)} of the CPU per request`);
  }
}

function print(load, row) {
  const ofPeer = (name) => {
    const peer = rows.find(
      ({ proxy, mode, connections }) =>
        proxy === name && mode === row.mode && connections === row.connections,
    );
    return peer ? row.requestsPerCpuSecond / peer.requestsPerCpuSecond : null;
  };
  row.ofHaproxy = ofPeer('haproxy');
  row.ofHaproxyNoDelay = ofPeer('haproxy-no-delay');
  line([
    load,
    row.proxy,
    Math.round(row.requestsPerSecond),
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.firstByteP50Ms.toFixed(2),
    Math.round(row.requestsPerCpuSecond),
    row.ofHaproxy?.toFixed(2) ?? '-',
    row.ofHaproxyNoDelay?.toFixed(2) ?? '-',
    (row.rssKib / 1024).toFixed(0),
    row.errors,
  ]);
}

mkdirSync(dirname(flags.out), { recursive: true });
const machine = {
  cpu: cpus()[0]?.model ?? null,
  cpus: cpus().length,
  kernel: release(),
  node: process.version,
  loadAverage: loadBefore,
};
const memory = /MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
const date = new Date().toISOString().slice(0, 10);
writeFileSync(flags.out.replace(/\.json$/, '.md'), markdownOf({ date, machine, seconds: flags, rows }));
writeFileSync(
  flags.out,
  `${JSON.stringify({ date, machine: { ...machine, memoryKib: Number(memory) }, flags, rows }, null, 2)}\n`,
);
console.log(`written: ${flags.out}`);
process.exit(0);
