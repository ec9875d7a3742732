// The agent under test: its own process on simulated GPUs, with simulated engines, and what the machine says of its cost.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { NodeServiceClient } from '../../dist/rpc/node-service-client.js';
import { createSimulatedNode } from '../../dist/sim/gpu-scenario.js';

const mainFile = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const pageBytes = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }));

const loopDelay = fileURLToPath(new URL('loop-delay.mjs', import.meta.url));

/** `nodeFlags` go to the agent's Node, before everything else. */
export async function startAgent({ gpus, engines, nodeFlags = [] }) {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-agent-cost-'));
  const gpuDirectory = join(directory, 'gpu');
  mkdirSync(gpuDirectory);
  const { libraryPath, uuids } = createSimulatedNode(gpuDirectory, { gpus, profile: 'H100-80', seed: 1 });
  const config = {
    node: { name: 'bench', machineId: 'bench' },
    stateDir: join(directory, 'state'),
    listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
    nvml: { library: libraryPath, drill: true },
    kmsg: { path: join(gpuDirectory, 'kmsg') },
    templates: {
      chat: {
        model: 'meta-llama/Llama-3.1-8B-Instruct',
        command: [process.execPath, mainFile, 'sim', 'engine'],
        args: ['--max-model-len', '131072'],
        env: { INFERNODE_SIM_NODE_DIR: gpuDirectory, INFERNODE_SIM_SEED: '1' },
      },
    },
    engines: Array.from({ length: engines }, (_, i) => ({
      id: `engine-${i}`,
      template: 'chat',
      devices: [i],
    })),
  };
  const configFile = join(directory, 'agent.yaml');
  writeFileSync(configFile, JSON.stringify(config));
  const loopDelayFile = join(directory, 'loop-delay.json');
  const child = spawn(
    process.execPath,
    [
      ...nodeFlags,
      '--import',
      loopDelay,
      mainFile,
      'agent',
      '--config',
      configFile,
      '--ready-json',
      '--with-parent',
    ],
    {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, INFERNODE_LOG_LEVEL: 'error', LOOP_DELAY_FILE: loopDelayFile },
    },
  );
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    void exited.then((code) => reject(new Error(`the agent ended with ${code}`)));
  });
  const { control, metrics } = JSON.parse(line).listening;
  const client = new NodeServiceClient({ address: control });
  return {
    ...{ client, uuids, gpuDirectory, libraryPath, loopDelayFile, pid: child.pid },
    metricsUrl: `http://${metrics}/metrics`,
    /** The page. */
    scrape: async () => (await fetch(`http://${metrics}/metrics`)).text(),
    async stop() {
      client.close();
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
      await exited;
      clearTimeout(timer);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Agent and sampler: CPU seconds so far and resident bytes, each by name. Keepers and engines are not the agent's cost. */
export function costOf(pid) {
  const samplers = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => parentAndName(name)?.parent === pid && parentAndName(name)?.name === 'infernode-sampl');
  const own = usage(pid);
  const helpers = samplers.map((name) => usage(Number(name)));
  const sum = (key) => helpers.reduce((total, one) => total + one[key], 0);
  return { agent: own, sampler: { cpuSeconds: sum('cpuSeconds'), rssBytes: sum('rssBytes') } };
}

function usage(pid) {
  const fields = statOf(pid);
  const rss = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * pageBytes;
  return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond, rssBytes: rss };
}

function statOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function parentAndName(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return { parent: Number(statOf(pid)[1]), name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')) };
  } catch {
    return null;
  }
}
