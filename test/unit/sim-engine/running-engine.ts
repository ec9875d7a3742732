// A real simulated engine as a supervisor would start it: its own process group, output kept, always cleaned up.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { eventually } from '../../support/running-up.js';

const mainFile = new URL('../../../dist/main.js', import.meta.url).pathname;

export interface RunningEngine {
  url: string;
  port: number;
  child: ChildProcess;
  pid: number;
  stdout(): string;
  stderr(): string;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  ready(): Promise<void>;
  fault(fault: string, parameters?: Record<string, unknown>): Promise<number>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  metrics(): Promise<string>;
  /** Value of one series, by the beginning of its line. */
  metric(series: string): Promise<number>;
}

const running: { child: ChildProcess; directories: string[] }[] = [];

afterEach(async () => {
  for (const { child, directories } of running.splice(0)) {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {
      // The whole group is gone.
    }
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  }
});

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface EngineOptions {
  args?: string[];
  env?: Record<string, string>;
  port?: number;
  model?: string;
}

/** Starts it without waiting; loads in 100 ms and runs ten times faster than life unless told otherwise. */
export async function startEngine({
  args = [],
  env = {},
  port,
  model,
}: EngineOptions = {}): Promise<RunningEngine> {
  const chosen = port ?? (await freePort());
  const words = ['serve', model ?? 'demo/llama-8b', '--host', '127.0.0.1', '--port', String(chosen)];
  const child = runSimulator([...words, '--served-model-name', 'chat', ...args], env);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr?.on('data', (data: Buffer) => (stderr += data.toString()));
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  );
  const url = `http://127.0.0.1:${chosen}`;
  const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const metrics = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();
  return {
    url,
    port: chosen,
    child,
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    async ready() {
      await eventually(`engine ready; ${stderr}`, async () => {
        if (child.exitCode !== null) throw new Error(`exit ${child.exitCode}: ${stdout}\n${stderr}`);
        return fetch(`${url}/health`).then(
          (response) => response.status === 200,
          () => false,
        );
      });
    },
    fault: async (fault, parameters = {}) => (await post('/sim/fault', { fault, ...parameters })).status,
    post,
    metrics,
    async metric(series) {
      const line = (await metrics()).split('\n').find((one) => one.startsWith(series));
      return line === undefined ? NaN : Number(line.slice(line.lastIndexOf(' ')).replace('e+0', 'e+'));
    },
  };
}

export async function startReady(options: EngineOptions = {}): Promise<RunningEngine> {
  const engine = await startEngine(options);
  await engine.ready();
  return engine;
}

/** `infernode sim engine ...`, in a group of its own. */
export function runSimulator(argv: string[], env: Record<string, string> = {}): ChildProcess {
  const base = { ...process.env, INFERNODE_SIM_LOAD_MS: '1000', INFERNODE_SIM_TIME_SCALE: '0.1' };
  const child = spawn(process.execPath, [mainFile, 'sim', 'engine', ...argv], {
    env: { ...base, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push({ child, directories: [] });
  return child;
}

export async function outputOf(
  argv: string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = runSimulator(argv, env);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr?.on('data', (data: Buffer) => (stderr += data.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}

/** A directory that goes with the test. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-sim-engine-'));
  running.at(-1)?.directories.push(directory);
  if (running.length === 0)
    running.push({ child: { pid: 0x7fffffff } as ChildProcess, directories: [directory] });
  return directory;
}

export interface FakeNode {
  directory: string;
  uuids: string[];
  edit(change: (scenario: { devices: Record<string, unknown>[]; events: unknown[] }) => void): void;
  /** Processes that hold memory, as their files say. */
  holders(): { pid: number; name: string; devices: { uuid: string; bytes: number }[] }[];
}

/** A simulated node with nothing but its scenario file. */
export function fakeNode(gpus = 2): FakeNode {
  const directory = scratchDirectory();
  const uuids = Array.from({ length: gpus }, (_, i) => `GPU-00000000-0000-0000-0000-00000000000${i}`);
  const file = join(directory, 'scenario.json');
  const write = (scenario: unknown): void => {
    writeFileSync(`${file}.tmp`, JSON.stringify(scenario));
    renameSync(`${file}.tmp`, file);
  };
  write({ schema: 1, devices: uuids.map((uuid) => ({ profile: 'H100-80', uuid, lost: false })), events: [] });
  return {
    directory,
    uuids,
    edit(change) {
      const scenario = JSON.parse(readFileSync(file, 'utf8')) as Parameters<typeof change>[0];
      change(scenario);
      write(scenario);
    },
    holders() {
      const folder = join(directory, 'processes');
      return listed(folder).map(
        (name) =>
          JSON.parse(readFileSync(join(folder, name), 'utf8')) as ReturnType<FakeNode['holders']>[number],
      );
    },
  };
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.json'));
  } catch {
    return [];
  }
}

export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

export interface ReadStream {
  status: number;
  events: string[];
  chunks: Record<string, never>[];
  text: string;
  finish: string | null;
  done: boolean;
}

/** A streamed chat completion read to its end, however it ends. */
export async function readStream(
  engine: RunningEngine,
  body: Record<string, unknown> = {},
): Promise<ReadStream> {
  const response = await engine.post('/v1/chat/completions', {
    model: 'chat',
    messages: [{ role: 'user', content: 'Tell me about blocks' }],
    stream: true,
    ...body,
  });
  let raw = '';
  const decoder = new TextDecoder();
  try {
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>)
      raw += decoder.decode(part);
  } catch {
    // A cut connection: what came before it counts.
  }
  const events = raw.split('\n\n').flatMap((event) => (event.startsWith('data: ') ? [event.slice(6)] : []));
  const chunks = events
    .filter((event) => event !== '[DONE]')
    .map((e) => JSON.parse(e) as Record<string, never>);
  const choices = chunks.flatMap(
    (chunk) => (chunk['choices'] ?? []) as { delta?: { content?: string }; finish_reason?: string | null }[],
  );
  return {
    status: response.status,
    events,
    chunks,
    text: choices.map(({ delta }) => delta?.content ?? '').join(''),
    finish:
      choices.map(({ finish_reason }) => finish_reason ?? null).find((reason) => reason !== null) ?? null,
    done: events.at(-1) === '[DONE]',
  };
}
