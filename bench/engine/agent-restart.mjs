// Clients through the gateway of a real `infernode up` with eight simulated engines, while the agent is killed with SIGKILL and
// its successor takes the engines over. What fails is counted by what the client sees.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeServiceClient } from '../../dist/rpc/node-service-client.js';

const main = new URL('../../dist/main.js', import.meta.url).pathname;
const clients = 32;
const beforeMs = 5000;
const afterMs = 5000;

/** Rows of the table. */
export async function agentRestart() {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-bench-up-'));
  const args = [
    'up',
    '--json',
    '--simulate',
    '--gateway',
    '127.0.0.1:0',
    '--nodes',
    '1',
    '--gpus',
    '8',
    '--engines',
    '8',
  ];
  const env = { ...process.env, XDG_STATE_HOME: directory };
  const up = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise((resolve) => up.once('exit', resolve));
  try {
    const ready = JSON.parse(
      await new Promise((resolve) => createInterface({ input: up.stdout }).once('line', resolve)),
    );
    const agent = new NodeServiceClient({ address: ready.agents[0].grpc });
    const before = await until(agent, () => true);
    const load = startLoad(ready.gateway);
    await sleep(beforeMs);
    const fromMs = performance.now();
    process.kill(agentOf(directory), 'SIGKILL');
    const after = await until(agent, ({ epoch }) => epoch !== before.epoch);
    const adoptedMs = Math.round(performance.now() - fromMs);
    await sleep(afterMs);
    const { served, failed } = await load.stop();
    agent.close();
    const same = after.engines.filter(({ id, pid }) =>
      before.engines.some((one) => one.id === id && one.pid === pid),
    );
    return [
      {
        what: 'agent killed -> its successor has adopted 8 engines, start of its process included, ms',
        budget: '-',
        ...one(adoptedMs),
      },
      { what: 'of these the same processes', budget: '8', ...one(same.length) },
      {
        what: `failed requests over that restart, of ${served + failed} streams of ${clients} clients`,
        budget: '0',
        ...one(failed),
      },
    ];
  } finally {
    up.kill('SIGINT');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  }
}

const one = (value) => ({ n: 1, p50: value, max: value });

/** The node's state once all eight engines are ready and the condition holds. */
async function until(agent, holds) {
  for (;;) {
    const state = await agent.getNode().then(
      ({ state }) => state,
      () => null,
    );
    const all = state?.engines.length === 8 && state.engines.every((engine) => engine.state === 'ready');
    if (all && holds(state)) return state;
    await sleep(20);
  }
}

function agentOf(directory) {
  const isAgent = (pid) => {
    try {
      return (
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0agent\0') &&
        readFileSync(`/proc/${pid}/environ`, 'utf8').includes(directory)
      );
    } catch {
      return false;
    }
  };
  return Number(readdirSync('/proc').find((name) => /^\d+$/.test(name) && isAgent(name)));
}

/** Each client sends one stream after the other. */
function startLoad(gateway) {
  let stopping = false;
  const counts = { served: 0, failed: 0 };
  const client = async (number) => {
    for (let round = 0; !stopping; round++) {
      const good = await stream(gateway, `client ${number}, round ${round}`).catch(() => false);
      counts[good ? 'served' : 'failed'] += 1;
    }
  };
  const all = Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  return {
    stop: async () => {
      stopping = true;
      await all;
      return counts;
    },
  };
}

async function stream(gateway, content) {
  const response = await fetch(`${gateway}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'chat',
      messages: [{ role: 'user', content }],
      max_tokens: 40,
      ignore_eos: true,
      stream: true,
    }),
  });
  const text = await response.text();
  return response.status === 200 && text.trimEnd().endsWith('data: [DONE]') && !text.includes('"error"');
}
