// The proxies that are compared, each on one thread, in front of the same upstreams.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Shared by everything measured: client and upstream on one CPU, the proxy alone on another, where there are two. */
export const proxyCpu = '1';
export const otherCpu = '0';

function pinned(cpu, command, args) {
  const taskset = spawnSync('taskset', ['-c', cpu, 'true']).status === 0;
  return taskset ? ['taskset', ['-c', cpu, command, ...args]] : [command, args];
}

/** Starts a child; resolves with it and the JSON of its first line when `json` is set. */
export async function start(command, args, { cpu = otherCpu, json = false, ipc = false } = {}) {
  const [program, programArgs] = pinned(cpu, command, args);
  const child = spawn(program, programArgs, {
    stdio: ['ignore', 'pipe', 'inherit', ...(ipc ? ['ipc'] : [])],
  });
  if (!json) return { child };
  let text = '';
  const line = await new Promise((resolve, reject) => {
    child.stdout.on('data', (data) => {
      text += data;
      if (text.includes('\n')) resolve(text);
    });
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}`)));
  });
  return { child, ...JSON.parse(line) };
}

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export const here = new URL('.', import.meta.url).pathname;

export const peers = {
  infernode: (ports) => nodeProxy('infernode-proxy.mjs', ports),

  /** No peer but a limit: two sockets and a copy between them. */
  'bare-relay': (ports) => nodeProxy('bare-relay.mjs', ports),

  workers: (ports, workers) => nodeProxy('infernode-workers.mjs', ports, String(workers)),

  haproxy: (ports) => haproxy(ports, ''),

  /** By default HAProxy holds small writes back, up to 200 ms, for more to follow; with this option it streams. */
  'haproxy-no-delay': (ports) => haproxy(ports, '  option http-no-delay'),

  async nginx(ports) {
    if (spawnSync('nginx', ['-v']).error) return null;
    const directory = mkdtempSync(join(tmpdir(), 'bench-nginx-'));
    const port = await freePort();
    writeFileSync(
      join(directory, 'nginx.conf'),
      `worker_processes 1;
daemon off;
master_process off;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events { worker_connections 8000; }
http {
  access_log off;
  client_body_temp_path ${directory}; proxy_temp_path ${directory}; fastcgi_temp_path ${directory};
  uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
  keepalive_requests 100000000;
  upstream engines {
    hash $http_x_session_id consistent;
${ports.map((p) => `    server 127.0.0.1:${p};`).join('\n')}
    keepalive 1024;
    keepalive_requests 100000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://engines;
      proxy_http_version 1.1;
      proxy_set_header connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`,
    );
    const { child } = await start(
      'nginx',
      ['-c', join(directory, 'nginx.conf'), '-e', join(directory, 'error.log')],
      {
        cpu: proxyCpu,
      },
    );
    return {
      port,
      pid: child.pid,
      stop: () => (child.kill(), rmSync(directory, { recursive: true, force: true })),
    };
  },
};

async function nodeProxy(script, ports, ...args) {
  const { child, port } = await start(process.execPath, [join(here, script), ports.join(','), ...args], {
    cpu: proxyCpu,
    json: true,
  });
  return { port, pid: child.pid, stop: () => child.kill() };
}

async function haproxy(ports, option) {
  if (spawnSync('haproxy', ['-v']).error) return null;
  const directory = mkdtempSync(join(tmpdir(), 'bench-haproxy-'));
  const port = await freePort();
  writeFileSync(
    join(directory, 'haproxy.cfg'),
    `global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 2s
  timeout client 600s
  timeout server 600s
  option http-keep-alive
  http-reuse always
${option}
frontend in
  bind 127.0.0.1:${port}
  default_backend engines
backend engines
  balance hdr(x-session-id)
  hash-type consistent
  hash-balance-factor 125
${ports.map((p, i) => `  server e${i} 127.0.0.1:${p}`).join('\n')}
`,
  );
  const { child } = await start('haproxy', ['-db', '-f', join(directory, 'haproxy.cfg')], {
    cpu: proxyCpu,
  });
  return {
    port,
    pid: child.pid,
    stop: () => (child.kill(), rmSync(directory, { recursive: true, force: true })),
  };
}

/** CPU time of a process and its children, seconds, all threads: nanoseconds from the scheduler, where /proc/PID/stat has hundredths. */
export function cpuSeconds(pid) {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
  );
  const own = nanoseconds.reduce((sum, ns) => sum + ns, 0) / 1e9;
  return childrenOf(pid).reduce((sum, child) => sum + cpuSeconds(child), own);
}

function childrenOf(pid) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
}

export function rssKib(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
}
