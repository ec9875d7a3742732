// The cluster under test: a given gateway, the running `infernode up`, or one that is started here and stopped again.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const readyTimeoutMs = 120_000;
const stopTimeoutMs = 60_000;

/**
 * @typedef {object} Cluster
 * @property {string} gateway
 * @property {string} origin in words
 * @property {{ id: string, url: string }[]} engines by endpoint id; empty when not known
 * @property {() => Promise<void>} stop ends what was started here
 */

/** @returns {Promise<Cluster>} */
export async function findCluster({ gateway, onNews }) {
  const running = await findRunning();
  const none = async () => {};
  if (gateway !== undefined) {
    const engines = running?.gateway === gateway ? enginesOf(running) : [];
    return { gateway, origin: 'as given', engines, stop: none };
  }
  if (running)
    return {
      gateway: running.gateway,
      origin: 'the running `infernode up`',
      engines: enginesOf(running),
      stop: none,
    };
  onNews('no `infernode up` runs: starting one');
  return startUp();
}

/** Without a build there is no `up` either; a given gateway needs neither. */
async function findRunning() {
  const file = join(dist, 'cli/up/up-state.js');
  return existsSync(file) ? (await import(file)).findRunningUp() : null;
}

function enginesOf({ engines }) {
  return engines.map(({ id, node, url }) => ({ id: `${node}/${id}`, url }));
}

async function startUp() {
  const stateDir = mkdtempSync(join(tmpdir(), 'infernode-replay-'));
  const child = spawn(
    process.execPath,
    [join(dist, 'main.js'), 'up', '--json', '--gateway', '127.0.0.1:0', '--state-dir', stateDir],
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
    const up = JSON.parse(await firstLine(child, exited));
    return { gateway: up.gateway, origin: 'an `infernode up` of its own', engines: enginesOf(up), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function firstLine(child, exited) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`\`infernode up\` was not ready within ${readyTimeoutMs / 1000} s`)),
      readyTimeoutMs,
    );
    createInterface({ input: child.stdout }).once('line', resolve);
    void exited.then((code) => reject(new Error(`\`infernode up\` ended with ${code}`)));
    void exited.finally(() => clearTimeout(timer));
    child.stdout.once('data', () => clearTimeout(timer));
  });
}
