// A warm standby on simulated vLLM: it goes to rest by itself, is found asleep by the next agent, wakes when a serving engine
// is killed, and serves long before that one is back. Sleep and wake by hand go the same way.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, expect, it } from 'vitest';
import { agentSchema } from '../../src/config/agent-config.js';
import { aFleet, type FleetCase } from '../support/engine-fleet.js';
import { eventually, mainFile } from '../support/running-up.js';

let current: FleetCase | null = null;
const directory = mkdtempSync(join(tmpdir(), 'infernode-standby-'));
afterEach(async () => {
  await current?.clear();
  current = null;
  rmSync(directory, { recursive: true, force: true });
});

const model = 'meta-llama/Llama-3.1-8B-Instruct';

it('wakes for a lost engine, serves, and rests again', async () => {
  const { templates, engines } = agentSchema.parse({
    templates: {
      chat: {
        model,
        command: [process.execPath, mainFile, 'sim', 'engine'],
        env: { INFERNODE_SIM_LOAD_MS: '2000' },
        sleep: { level: 1 },
        drainTimeoutMs: 500,
        stopGraceMs: 3000,
      },
    },
    engines: [
      { id: 'chat-0', template: 'chat', devices: [0] },
      { id: 'spare-0', template: 'chat', devices: [1], standby: 'warm' },
    ],
  });
  const settings = { standbyReturnMs: 50 };
  current = aFleet({}, { templates, engines, settings });
  await current.fleet.start();
  const { pid } = await current.until('ready', ({ id }) => id === 'chat-0');
  await current.until('asleep', ({ id }) => id === 'spare-0');
  expect(current.history.some((s) => 'id' in s && s.id === 'spare-0' && s.state === 'ready')).toBe(false);

  // Another agent finds it asleep and leaves it so.
  current = await current.nextAgent();
  await current.fleet.start();
  await current.until('asleep', ({ id }) => id === 'spare-0');
  await current.until('ready', ({ id }) => id === 'chat-0');

  process.kill(pid!, 'SIGKILL');
  const spare = await current.until('ready', ({ id }) => id === 'spare-0');
  const answer = await request(`${spare.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, prompt: 'hello', max_tokens: 2 }),
  });
  await answer.body.dump();
  expect(answer.statusCode).toBe(200);
  expect(await current.metric('infernode_engine_promotions_total')).toBe(1);

  await current.until('ready', ({ id, incarnation }) => id === 'chat-0' && incarnation === '2');
  await current.until('asleep', ({ id }) => id === 'spare-0');

  await current.fleet.sleepEngine('chat-0', 2);
  await current.until('asleep', ({ id, reason }) => id === 'chat-0' && reason.includes('dropped'));
  await expect(current.fleet.sleepEngine('chat-0')).rejects.toMatchObject({ code: 'engine-wrong-state' });
  await current.fleet.wakeEngine('chat-0');
  await current.until('ready', ({ id }) => id === 'chat-0');
  await current.fleet.restartEngine('chat-0', 1);
  await current.until('ready', ({ id, incarnation }) => id === 'chat-0' && incarnation === '3');
  const deaths = await eventually('its death is kept', async () => {
    const found = await current!.fleet.archive.explain('chat-0', null);
    return found.length > 0 ? found : null;
  });
  expect(deaths).toMatchObject([{ incarnation: '1', cause: 'killed' }]);
  const texts: string[] = [];
  const tail = { engineId: 'chat-0', incarnation: null, tailBytes: null, follow: false };
  for await (const text of current.fleet.archive.tail(tail, new AbortController().signal)) texts.push(text);
  expect(texts.join('')).toContain('Application startup complete');
});

it('is started, serves and is stopped again when it is a cold one', async () => {
  const { templates, engines } = agentSchema.parse({
    templates: {
      chat: {
        model,
        command: [process.execPath, mainFile, 'sim', 'engine'],
        env: { INFERNODE_SIM_LOAD_MS: '100' },
        drainTimeoutMs: 500,
        stopGraceMs: 3000,
      },
    },
    engines: [
      { id: 'chat-0', template: 'chat', devices: [0] },
      { id: 'spare-0', template: 'chat', devices: [1], standby: 'cold' },
    ],
  });
  // The lost engine stays away for as long as the next start waits.
  const settings = { standbyReturnMs: 50, stableMs: 3_600_000 };
  current = aFleet({}, { templates, engines, settings });
  await current.fleet.start();
  const { pid } = await current.until('ready', ({ id }) => id === 'chat-0');
  expect(current.status('spare-0')).toMatchObject({ state: 'stopped', incarnation: '0', standby: 'cold' });

  process.kill(pid!, 'SIGKILL');
  const spare = await current.until('ready', ({ id }) => id === 'spare-0');
  expect(spare).toMatchObject({ incarnation: '1', standby: 'cold' });
  expect(spare.pid).toBeGreaterThan(0);
  await current.until('ready', ({ id, incarnation }) => id === 'chat-0' && incarnation === '2');
  await current.until('stopped', ({ id, incarnation }) => id === 'spare-0' && incarnation === '1');
  expect(await current.metric('infernode_engine_promotions_total')).toBe(1);
});
