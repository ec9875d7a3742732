// A small program with vLLM's surface for tests of supervision: `fake-engine.mjs serve MODEL --port N ...`. What it does
// wrong is told by FAKE_ENGINE, a JSON object:
//   readyAfterMs   listens only then (default 0)
//   exit           {afterMs, code}: ends by itself, printing a traceback when code is not 0
//   ignoreTerm     SIGTERM is ignored
//   child          "plain" | "stubborn": a child in a session of its own; stubborn ignores SIGTERM
//   sharedFile     makes this file, as its shared memory, and holds it open
//   flood          writes this many bytes to stdout before it goes on
//   floodStderr    the same to stderr
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { createServer } from 'node:http';

if (process.argv.includes('--version')) {
  console.log('0.26.0');
  process.exit(0);
}
if (process.argv.includes('--help=all')) {
  console.log(
    'options:\n  --api-key API_KEY\n  --seed N\n  --max-num-seqs N\n  --cudagraph-capture-sizes N\n  --compilation-config JSON\n  --gpu-memory-utilization N\n  --served-model-name NAME\n  --shutdown-timeout N\n  --enforce-eager, --no-enforce-eager',
  );
  process.exit(0);
}

const plan = JSON.parse(process.env.FAKE_ENGINE ?? '{}');
const flag = (name) => process.argv[process.argv.indexOf(name) + 1];
const state = {
  running: 0,
  waiting: 0,
  health: 200,
  steps: 0,
  metrics: 200,
  canary: 200,
  preemptions: 0,
  kv: 0.25,
  // 0: the true page; else one of these
  garbage: 0,
  reads: 0,
};
const garbage = [
  '',
  '<html>502 Bad Gateway</html>',
  '\u0000\uffff'.repeat(1000),
  'vllm:num_requests_running{engine="0"} NaN\nvllm:iteration_tokens_total_count{',
];

process.on('SIGTERM', () => {
  if (!plan.ignoreTerm) process.exit(0);
});

if (plan.child) {
  const script =
    plan.child === 'stubborn' ? 'trap "" TERM; while :; do sleep 1; done' : 'while :; do sleep 1; done';
  const child = spawn('sh', ['-c', script], { detached: true, stdio: 'ignore' });
  child.unref();
  console.log(`child ${child.pid}`);
}

if (plan.sharedFile) openSync(plan.sharedFile, 'w');

async function flood(stream, bytes = 0) {
  const line = `${'x'.repeat(1023)}\n`.repeat(1024);
  for (let written = 0; written < bytes; written += line.length)
    if (!stream.write(line)) await new Promise((resolve) => stream.once('drain', resolve));
}
await Promise.all([flood(process.stdout, plan.flood), flood(process.stderr, plan.floodStderr)]);

if (plan.exit)
  setTimeout(() => {
    if (plan.exit.code !== 0)
      console.error(
        'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: the fake was told to end',
      );
    process.exit(plan.exit.code);
  }, plan.exit.afterMs);

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://fake');
  if (url.pathname === '/health') response.writeHead(state.health).end();
  else if (url.pathname === '/v1/models')
    response.end(JSON.stringify({ object: 'list', data: [{ id: process.argv[3] }] }));
  else if (url.pathname === '/metrics') {
    // 0: never answered
    state.reads += 1;
    if (state.metrics === 200) response.end(state.garbage > 0 ? garbage[state.garbage] : metricsPage());
  } else if (url.pathname === '/v1/completions') {
    if (state.canary > 0) response.writeHead(state.canary).end('{}');
  } else if (url.pathname === '/set') {
    for (const [name, value] of url.searchParams) state[name] = Number(value);
    response.end();
  } else if (url.pathname === '/share') response.end(String(openSync(url.searchParams.get('file'), 'w')));
  else if (url.pathname === '/reads') response.end(String(state.reads));
  else if (url.pathname === '/env') response.end(JSON.stringify(process.env));
  else if (url.pathname === '/exit') process.exit(Number(url.searchParams.get('code')));
  else response.writeHead(404).end();
});
setTimeout(() => server.listen(Number(flag('--port')), '127.0.0.1'), plan.readyAfterMs ?? 0);

function metricsPage() {
  return [
    `vllm:num_requests_running{engine="0",model_name="m"} ${state.running}.0`,
    `vllm:num_requests_waiting{engine="0",model_name="m"} ${state.waiting}.0`,
    `vllm:kv_cache_usage_perc{engine="0",model_name="m"} ${state.kv}`,
    `vllm:iteration_tokens_total_count{engine="0",model_name="m"} ${state.steps}.0`,
    `vllm:num_preemptions_total{engine="0",model_name="m"} ${state.preemptions}.0`,
    'vllm:cache_config_info{block_size="16",engine="0",num_gpu_blocks="1000"} 1.0',
    '',
  ].join('\n');
}
