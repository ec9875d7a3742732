// The gateway beside HAProxy and nginx: same upstreams, same client, one thread and one CPU each, one run.
//   node bench/gateway/gateway-bench.mjs [--seconds 4] [--connections 64,512] [--idle 1000] [--out bench/results/gateway.json]
// (a) 200-byte answers, (b) 40 events at once, (c) 40 events paced over a second, (d) added latency at half load,
// (e) memory per idle stream. Build first (npm run build). A peer that is not installed is left out, and said so.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { cpuSeconds, here, peers, rssKib, start } from './peers.mjs';

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '64,512' },
    idle: { type: 'string', default: '1000' },
    peers: { type: 'string', default: 'haproxy,nginx,infernode' },
    modes: { type: 'string', default: 'json,burst,paced' },
    out: { type: 'string', default: join(here, '../results/gateway.json') },
  },
});
const seconds = Number(flags.seconds);
const loadBefore = loadavg();
const rows = [];
const running = [];
process.on('exit', () => running.forEach((stop) => stop()));

async function client(options) {
  const { child, ...result } = await start(
    process.execPath,
    [join(here, 'load-client.mjs'), JSON.stringify({ seconds, ...options })],
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
    requestsPerSecond: result.requests / seconds,
    cpuSeconds: used,
    cpuShare: used / wall,
    requestsPerCpuSecond: used > 0 ? result.requests / seconds / (used / wall) : null,
    rssKib: rssKib(proxy.pid),
  };
  rows.push(row);
  return row;
}

const upstream = await start(process.execPath, [join(here, 'dummy-upstream.mjs'), '4'], { json: true });
running.push(() => upstream.child.kill());

const line = (cells) =>
  console.log(
    cells.map((cell, i) => String(cell)[i === 0 ? 'padEnd' : 'padStart'](i === 0 ? 30 : 12)).join(''),
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
  'CPU share',
  'req/CPU-s',
  'of HAProxy',
  'RSS MiB',
  'errors',
]);

const direct = { port: upstream.ports[0], pid: upstream.child.pid };
const names = flags.peers.split(',');
const rates = {};
for (const name of names) {
  const proxy = await peers[name](upstream.ports);
  if (proxy === null) {
    console.log(`${name} is not installed (apt-get install ${name}); left out`);
    continue;
  }
  running.push(proxy.stop);
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const mode of flags.modes.split(','))
    for (const connections of flags.connections.split(',').map(Number)) {
      // At a few thousand events a second a compiler needs some seconds to see what is hot; everybody gets them.
      const row = await measure(name, proxy, { mode, connections, warmupSeconds: mode === 'paced' ? 4 : 2 });
      print(`${mode}, ${connections} connections`, row);
      if (name === 'infernode' && mode === 'json' && connections === 64) rates.full = row.requestsPerSecond;
    }
  if (name === 'infernode') {
    const rate = Math.floor((rates.full ?? 2000) / 2);
    const through = await measure(name, proxy, { mode: 'json', connections: 64, rate });
    const without = await client({ port: direct.port, mode: 'json', connections: 64, rate });
    const added = { p50Ms: through.p50Ms - without.p50Ms, p99Ms: through.p99Ms - without.p99Ms };
    rows.push({ proxy: name, mode: 'added latency at half load', rate, ...added });
    console.log(
      `added at half load (${rate} req/s): p50 ${added.p50Ms.toFixed(2)} ms, p99 ${added.p99Ms.toFixed(2)} ms`,
    );
    const idle = Number(flags.idle);
    const before = rssKib(proxy.pid);
    await measure(name, proxy, {
      mode: 'idle',
      connections: idle,
      hold: true,
      warmupSeconds: 1 + idle / 5000,
    });
    const perStream = (rows.at(-1).rssKib - before) / idle;
    rows.push({ proxy: name, mode: 'memory per idle stream', streams: idle, kib: perStream });
    console.log(`${idle} idle streams: ${perStream.toFixed(1)} KiB each`);
  }
  proxy.stop();
}

function print(load, row) {
  const peer = rows.find(
    (r) => r.proxy === 'haproxy' && r.mode === row.mode && r.connections === row.connections,
  );
  row.ofHaproxy = peer ? row.requestsPerCpuSecond / peer.requestsPerCpuSecond : null;
  line([
    load,
    row.proxy,
    Math.round(row.requestsPerSecond),
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.cpuShare.toFixed(2),
    Math.round(row.requestsPerCpuSecond),
    row.ofHaproxy === null ? '-' : row.ofHaproxy.toFixed(2),
    (row.rssKib / 1024).toFixed(0),
    row.errors,
  ]);
}

/** The same as a table to be read, with the conditions in its head. */
function markdown(date, machine) {
  const table = rows.filter((row) => row.requestsPerCpuSecond);
  const cell = (row) =>
    [
      `${row.mode}, ${row.connections} connections${row.rate ? `, ${row.rate} requests/s` : ''}`,
      row.proxy,
      Math.round(row.requestsPerSecond),
      row.p50Ms.toFixed(2),
      row.p99Ms.toFixed(2),
      Math.round(1e6 / row.requestsPerCpuSecond),
      row.ofHaproxy ? row.ofHaproxy.toFixed(2) : '-',
      (row.rssKib / 1024).toFixed(0),
      row.errors,
    ].join(' | ');
  const added = rows.find(({ mode }) => mode === 'added latency at half load');
  const idle = rows.find(({ mode }) => mode === 'memory per idle stream');
  return [
    `# Gateway beside HAProxy and nginx`,
    '',
    `${date}, ${machine.cpu}, ${machine.cpus} CPUs, Linux ${machine.kernel}, Node ${machine.node}; load average before the run ` +
      `${machine.loadAverage.map((n) => n.toFixed(1)).join(' ')} (other work on the same CPUs when it is not near 0). ` +
      `${seconds} s per row, loopback, one CPU for the proxy, one for client and upstream.`,
    '',
    '| load | proxy | req/s | p50 ms | p99 ms | CPU us/req | req/CPU-s of HAProxy | RSS MiB | errors |',
    '|---|---|---|---|---|---|---|---|---|',
    ...table.map((row) => `| ${cell(row)} |`),
    '',
    added &&
      `Added latency at half load (${added.rate} requests/s): p50 ${added.p50Ms.toFixed(2)} ms, p99 ${added.p99Ms.toFixed(2)} ms.`,
    idle && `RSS growth with ${idle.streams} idle streams: ${idle.kib.toFixed(1)} KiB each.`,
    '',
  ]
    .filter((line) => line !== undefined)
    .join('\n');
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
writeFileSync(flags.out.replace(/\.json$/, '.md'), markdown(date, machine));
writeFileSync(
  flags.out,
  `${JSON.stringify({ date, machine: { ...machine, memoryKib: Number(memory) }, seconds, rows }, null, 2)}\n`,
);
console.log(`written: ${flags.out}`);
process.exit(0);
