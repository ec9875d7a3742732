// Keys: digests in a file, 401 in OpenAI's form, nothing sent upstream without one.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ApiKeys } from '../../../src/gateway/keys/api-keys.js';
import { chatBody, post, startGateway, type Harness } from '../../support/gateway-harness.js';
import { answerJson, ScriptedEngine } from '../../support/scripted-engine.js';

const directory = mkdtempSync(join(tmpdir(), 'infernode-keys-'));
const file = join(directory, 'keys.yaml');
const digest = (key: string): string => createHash('sha256').update(key).digest('hex');
const write = (...keys: string[]): void =>
  writeFileSync(
    file,
    `keys:\n${keys.map((key, i) => `  - { id: team-${i}, sha256: ${digest(key)} }\n`).join('')}`,
  );

let engine: ScriptedEngine;
let harness: Harness;
beforeAll(async () => {
  write('key-one');
  engine = await ScriptedEngine.start(answerJson);
  harness = await startGateway([engine], { keys: { file } });
});
afterAll(async () => {
  await harness.close();
  await engine.close();
  rmSync(directory, { recursive: true });
});

const ask = async (authorization?: string): Promise<number> =>
  (await post(`${harness.url}/v1/chat/completions`, chatBody, authorization ? { authorization } : {})).status;

test('only who has a key is served', async () => {
  const answer = await post(`${harness.url}/v1/chat/completions`);
  expect([answer.status, answer.json.error?.type, answer.json.error?.code]).toEqual([
    401,
    'AuthenticationError',
    'unauthenticated',
  ]);
  expect(await ask('Bearer wrong')).toBe(401);
  expect(await ask(`Bearer ${digest('key-one')}`)).toBe(401);
  expect(await ask('Basic key-one')).toBe(401);
  expect(engine.calls).toHaveLength(0);
  expect(await ask('Bearer key-one')).toBe(200);
});

test('a reload takes new keys, and keeps the old ones when the file is broken', async () => {
  write('key-two');
  harness.gateway.reloadKeys();
  expect([await ask('Bearer key-one'), await ask('Bearer key-two')]).toEqual([401, 200]);
  writeFileSync(file, 'keys: [{ id: a, sha256: short }]');
  expect(() => harness.gateway.reloadKeys()).toThrow(/keys\.yaml.*64 hexadecimal/);
  expect(await ask('Bearer key-two')).toBe(200);
});

test('a file that is not there says which', () => {
  expect(() => ApiKeys.fromFile('/nowhere/keys.yaml')).toThrow(/nowhere/);
});
