// Shows that a wrong configuration is refused with field, value and remedy, and that flags beat environment, file, defaults.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { agentSchema } from '../../../src/config/agent-config.js';
import { coordinatorSchema } from '../../../src/config/coordinator-config.js';
import { loadConfig } from '../../../src/config/load-config.js';
import { effectiveValues } from '../../../src/config/print-config.js';

const directory = mkdtempSync(join(tmpdir(), 'infernode-config-'));

function agentFile(yaml: string): string {
  const file = join(directory, `${Math.random().toString(36).slice(2)}.yaml`);
  writeFileSync(file, yaml);
  return file;
}

const load = (yaml: string, set: string[] = [], env: NodeJS.ProcessEnv = {}) =>
  loadConfig(agentSchema, { file: agentFile(yaml), set, env });

const templates = 'templates: { chat: { model: m } }\n';

describe('a wrong agent configuration names field, value and remedy', () => {
  test.each([
    ['unknown key', 'nvml: { librari: x }', /nvml\.librari: unknown key; remove it or correct its spelling/],
    ['wrong type', 'nvml: { sampleIntervalMs: soon }', /nvml\.sampleIntervalMs: expected number, got "soon"/],
    ['wrong address', 'listen: { control: nowhere }', /listen\.control: expected HOST:PORT.*"nowhere"/],
    [
      'duplicate engine id',
      `${templates}engines: [{ id: a, template: chat, devices: [0] }, { id: a, template: chat, devices: [1] }]`,
      /engines\[1\]\.id: duplicate engine id "a"; give each engine its own id/,
    ],
    [
      'device claimed twice',
      `${templates}engines: [{ id: a, template: chat, devices: [0] }, { id: b, template: chat, devices: [0] }]`,
      /engines\[1\]\.devices: device 0 is claimed twice, by "a" and "b"/,
    ],
    [
      'unknown template',
      'engines: [{ id: a, template: chat }]',
      /engines\[0\]\.template: unknown template "chat"; known: none/,
    ],
    [
      'open control listener',
      'listen: { control: 0.0.0.0:9470 }',
      /listen\.control: a non-loopback address needs tls/,
    ],
    ['not YAML', 'node: [', /not valid YAML at line 1/],
  ])('%s', (_, yaml, message) => {
    expect(() => load(yaml)).toThrow(message);
  });

  test('a missing file', () => {
    expect(() => loadConfig(agentSchema, { file: '/nonexistent/agent.yaml', env: {} })).toThrow(
      /\/nonexistent\/agent\.yaml: cannot read the configuration file.*check --config/,
    );
  });
});

test('flags beat environment, environment beats file, file beats defaults', () => {
  const yaml = 'stateDir: /from/file\nnvml: { library: file.so, sampleIntervalMs: 200 }\n';
  const env = {
    INFERNODE_NVML__LIBRARY: 'env.so',
    INFERNODE_NVML__SAMPLE_INTERVAL_MS: '300',
    INFERNODE_SIM_SEED: '1',
  };
  const { config, layers } = load(yaml, ['nvml.sampleIntervalMs=400'], env);
  expect(config.nvml).toMatchObject({ library: 'env.so', sampleIntervalMs: 400, callDeadlineMs: 3000 });
  const sources = Object.fromEntries(
    effectiveValues(config, layers).map(({ path, source }) => [path, source]),
  );
  expect(sources).toMatchObject({
    stateDir: 'file',
    'nvml.library': 'environment',
    'nvml.sampleIntervalMs': 'flag',
    'nvml.callDeadlineMs': 'default',
  });
});

test('secrets are masked in the effective configuration', () => {
  const yaml = 'templates: { chat: { model: m, env: { HF_TOKEN: hf_verysecret } } }';
  const { config, layers } = load(yaml);
  expect(JSON.stringify(effectiveValues(config, layers))).not.toContain('verysecret');
});

test('secrets are masked in arguments and in messages; what only sounds like one is shown', () => {
  const yaml = (args: string, token: string) =>
    `templates: { chat: { model: m, args: ${args}, env: { HF_TOKEN: ${token} } } }`;
  const args =
    '[--api-key, verysecret, --hf-token=verysecret, --max-num-batched-tokens, "8192", --tokenizer, t]';
  const { config, layers } = load(yaml(args, 'verysecret'));
  const shown = effectiveValues(config, layers).find(({ path }) => path === 'templates.chat.args')?.value;
  expect(shown).toEqual([
    ...['--api-key', '[masked]', '--hf-token=[masked]'],
    ...['--max-num-batched-tokens', '8192', '--tokenizer', 't'],
  ]);
  expect(() => load(yaml('[]', '12345678'))).toThrow(/env\.HF_TOKEN: expected string, got \[masked\]/);
});

test('an attached engine and the defaults are accepted, and the result is frozen', () => {
  const { config } = load(
    'engines: [{ id: legacy, origin: attached, url: "http://127.0.0.1:8001", devices: [1] }]',
  );
  expect(config.engines[0]).toMatchObject({ id: 'legacy', origin: 'attached' });
  expect(Object.isFrozen(config.listen.control)).toBe(true);
});

test('a coordinator refuses an open gateway, an alias of two models and agents that it cannot tell apart', () => {
  const load = (yaml: string) => loadConfig(coordinatorSchema, { file: agentFile(yaml), env: {} });
  expect(() => load('listen: { gateway: 0.0.0.0:8080 }')).toThrow(
    /listen\.gateway: a non-loopback address needs tls/,
  );
  expect(() => load('models: { a: { aliases: [x] }, b: { aliases: [x] } }')).toThrow(
    /alias "x" already belongs to "a"/,
  );
  expect(() => load('models: { a: { aliases: [b] }, b: {} }')).toThrow(/alias "b" already belongs to "b"/);
  expect(() => load('agents: [{ address: gpu-a }]')).toThrow(
    /agents\[0\]\.address: expected HOST:PORT, such as 10\.0\.0\.5:9470 \(got "gpu-a"\)/,
  );
  expect(() => load('agents: [{ address: gpu-a:1 }, { address: gpu-a:1 }]')).toThrow(
    /agents\[1\]\.address: already listed; list each agent once/,
  );
  const owners = 'lease: { namespace: n }, lock: { url: "redis://:secret-of-redis@cache:6379" }';
  const twice = (): unknown => load(`autoscaling: { actuator: on, ${owners} }`);
  expect(twice).toThrow(/autoscaling\.lock: expected either lease \(Kubernetes\) or lock/);
  expect(twice).not.toThrow(/secret-of-redis/);
});
