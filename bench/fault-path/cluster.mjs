// The cluster under test: a given `infernode up` with simulated GPUs, or one that is started here and stopped again.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findRunningUp } from '../../dist/cli/up/up-state.js';

export const mainFile = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const readyTimeoutMs = 120_000;
const stopTimeoutMs = 60_000;

/** `up` is what `infernode up --json` printed; `stop` ends what was started here. */
export async function findCluster({ stateDir, seed }) {
  if (stateDir === undefined) return startUp(seed);
  const up = findRunningUp(stateDir);
  if (!up) throw new Error(`${stateDir}: no \`infernode up\` runs there`);
  return { up: simulated(up), origin: `the running one in ${stateDir}`, stop: async () => {} };
}

async function startUp(seed) {
  const stateDir = mkdtempSync(join(tmpdir(), 'infernode-fault-path-'));
  const options = ['--nodes', '2', '--gpus', '2', '--engines', '2', '--seed', String(seed)];
  const child = spawn(
    process.execPath,
    [mainFile, 'up', '--json', '--simulate', '--gateway', '127.0.0.1:0', '--state-dir', stateDir, ...options],
    { stdio: ['ignore', 'pipe', 'inherit'], detached: true },
  );
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
      await exited;
      clearTimeout(timer);
    }
    rmSync(stateDir, { recursive: true, force: true });
  };
  try {
    const up = simulated(JSON.parse(await firstLine(child, exited)));
    return { up, origin: `infernode up --simulate ${options.join(' ')}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function firstLine(child, exited) {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`\`infernode up\` was not ready within ${readyTimeoutMs / 1000} s`));
    const timer = setTimeout(late, readyTimeoutMs);
    createInterface({ input: child.stdout }).once('line', (line) => {
      clearTimeout(timer);
      resolve(line);
    });
    void exited.then((code) => {
      clearTimeout(timer);
      reject(new Error(`\`infernode up\` ended with ${code}`));
    });
  });
}

function simulated(up) {
  if (up.agents.every(({ nvmlScenario }) => nvmlScenario !== null)) return up;
  throw new Error('expected simulated GPUs on every node: this bench breaks what it measures');
}

/** Every engine with what is needed to hurt it. The first of its devices is the one that fails. */
export function victimsOf(up) {
  return up.engines.map(({ id, node, url, devices }) => {
    const agent = up.agents.find((each) => each.node === node);
    return {
      endpoint: `${node}/${id}`,
      engineId: id,
      node,
      url,
      uuid: devices[0],
      scenarioDir: dirname(agent.nvmlScenario),
    };
  });
}
