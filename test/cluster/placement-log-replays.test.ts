/** A coordinator records its placements while it serves; `infernode placement replay` comes to the same decisions. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { coordinatorSchema } from '../../src/config/coordinator-config.js';
import { runCoordinator } from '../../src/coordinator.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { FakeAgent } from '../support/fake-agent.js';
import { aDeviceStatus, anEngineStatus } from '../support/node-fixtures.js';
import { mainFile } from '../support/running-up.js';
import { answerStream, ScriptedEngine } from '../support/scripted-engine.js';
import { openStream } from '../support/sse-client.js';

const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function record(file: string, maxBytes?: number): Promise<void> {
  const engine = await ScriptedEngine.start(answerStream);
  const agents = await Promise.all(
    ['gpu-a', 'gpu-b', 'gpu-c'].map((node) =>
      new FakeAgent({
        node,
        machineId: node,
        devices: [aDeviceStatus(0)],
        engines: [anEngineStatus('chat-0', { url: engine.url })],
      }).start(),
    ),
  );
  closers.push(
    () => engine.close(),
    () => agents.forEach((agent) => agent.stop()),
  );
  const any = '127.0.0.1:0';
  const coordinator = await runCoordinator(
    coordinatorSchema.parse({
      listen: { gateway: any, control: any, probe: any, metrics: any },
      agents: agents.map(({ address }) => ({ address })),
      placement: { log: { file, maxBytes } },
    }),
    { clock: systemClock, logger: silentLogger(), version: '1.2.3' },
  );
  const gateway = `http://${coordinator.addresses.gateway}`;
  const ask = (i: number) => ({
    model: 'model',
    messages: [{ role: 'user', content: `conversation ${i % 5} `.repeat(300) }],
  });
  await Promise.all(Array.from({ length: 20 }, (_, i) => openStream(gateway, ask(i)).result));
  await coordinator.close();
}

it('records, privately, and replays to the same; a changed log is told', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-log-'));
  closers.push(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'placement.jsonl');
  await record(file);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const text = readFileSync(file, 'utf8');
  expect(text).not.toContain('conversation');
  const replay = () => promisify(execFile)(process.execPath, [mainFile, 'placement', 'replay', file]);
  expect((await replay()).stdout).toBe('20 decisions, 0 different\n');
  writeFileSync(
    file,
    text.replace(/"endpoint":"gpu-\w\/chat-0","outcome"/, '"endpoint":"gpu-z/x","outcome"'),
  );
  await expect(replay()).rejects.toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^20 decisions, 1 different\n {2}model {2}\S+: was gpu-z\/x/) as string,
  });
});

it('ends at its size, and the coordinator goes on', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-log-'));
  closers.push(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'placement.jsonl');
  await record(file, 4096);
  expect(statSync(file).size).toBeLessThanOrEqual(4096);
  expect(readFileSync(file, 'utf8').endsWith('}\n')).toBe(true);
});
