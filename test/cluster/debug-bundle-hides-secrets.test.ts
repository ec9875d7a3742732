/**
 * `infernode debug bundle` on a running cluster into which a secret of every kind was planted: in both configurations, in the environment, in a
 * token file, in logs of services and of an engine, in the kernel log. None is in the archive, and what is worth having is.
 */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { eventually, startUp, type RunningUp } from '../support/running-up.js';

/** Every one different, so that a leak names its kind. */
const secrets = {
  argument: 'Arg0nly-kept-in-argv',
  template: 'Templ4te-environment',
  password: 'Redis-p4ssword-in-url',
  operatorToken: 'Op3rator-token-of-a-file',
  agentToken: 'Ag3nt-token-of-a-file',
  environment: 'Env1ronment-of-the-shell',
  bearer: 'B3arer.abcdefghijklmnop',
  basic: 'QmFzaWM6YXV0aA0123',
  hugging: 'hf_AbCdEfGhIjKlMnOpQrStUv',
  openai: 'sk-proj-AbCdEfGhIjKlMnOp0123',
  pem: 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49',
  urlPassword: 'Url-p4ss',
  kernelLog: 'K3rnel-log-secret',
  engineLog: 'Eng1ne-log-secret',
  cookie: 'Session-c00kie-value',
};
const logLines = [
  `{"msg":"call","headers":{"authorization":"Bearer ${secrets.bearer}","cookie":"${secrets.cookie}"}}`,
  `Proxy-Authorization: Basic ${secrets.basic}`,
  `pulling with ${secrets.hugging} and ${secrets.openai}`,
  `-----BEGIN PRIVATE KEY-----\n${secrets.pem}\n-----END PRIVATE KEY-----`,
  `connecting to amqp://user:${secrets.urlPassword}@broker:5672`,
  `vllm serve m --api-key ${secrets.argument}`,
  `the token ${secrets.operatorToken} was given by hand`,
  `cache answered to ${secrets.password}`,
  `engine has ${secrets.template} in its environment`,
  `shell has ${secrets.environment}`,
  'a line worth having',
].join('\n');

let up: RunningUp;
let state: string;
let scratch: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'infernode-bundle-test-'));
  process.env['PLANTED_API_KEY'] = secrets.environment;
  up = await startUp('--nodes', '1', '--gpus', '1', '--engines', '1');
  delete process.env['PLANTED_API_KEY'];
  [state = ''] = readdirSync(join(up.directory, 'infernode'))
    .map((name) => join(up.directory, 'infernode', name))
    .filter((directory) => existsSync(join(directory, 'up.json')));
  writeFileSync(join(scratch, 'tokens'), `${secrets.operatorToken} operator alice\n`);
  writeFileSync(join(scratch, 'agent-token'), `${secrets.agentToken}\n`);
  edit(join(state, 'nodes/node-0/agent.yaml'), (config) => {
    const { chat } = config['templates'] as Record<string, { args: string[]; env: Record<string, string> }>;
    chat?.args.push('--api-key', secrets.argument);
    Object.assign(chat?.env ?? {}, { HF_TOKEN: secrets.template });
    config['tls'] = { certificate: 'c.pem', key: 'k.pem', tokenFile: join(scratch, 'tokens') };
  });
  edit(join(state, 'coordinator.yaml'), (config) => {
    config['gateway'] = { sharedStore: { url: `redis://me:${secrets.password}@127.0.0.1:1` } };
    config['agents'] = [
      { address: '127.0.0.1:1', tls: { ca: 'ca.pem', tokenFile: join(scratch, 'agent-token') } },
    ];
  });
  for (const log of readdirSync(join(state, 'logs'))) appendFileSync(join(state, 'logs', log), logLines);
  // Once it is ready it is silent, and nothing is written over what is planted.
  await eventually('the engine is ready', async () =>
    /"state":"ready"/.test((await up.infernode('engines', 'list', '--json')).stdout),
  );
  const engineLog = await eventually('the engine has a log', () =>
    readdirSync(state, { recursive: true, encoding: 'utf8' }).find((path) =>
      /engines\/engine-0\/.*\.log$/.test(path),
    ),
  );
  appendFileSync(join(state, engineLog), `\n${logLines}\npassword=${secrets.engineLog}\n`);
  await up.infernode('sim', 'gpu', 'log', `NVRM: Xid (PCI:0000:18:00): 63, token=${secrets.kernelLog}`);
  await eventually('the event is known', async () => /Xid 63/.test((await up.infernode('events')).stdout));
});
afterAll(async () => {
  await up?.interrupt();
  rmSync(scratch, { recursive: true, force: true });
});

function edit(file: string, change: (config: Record<string, unknown>) => void): void {
  const config = parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  change(config);
  writeFileSync(file, stringify(config));
}

async function bundle(name: string): Promise<Map<string, string>> {
  const out = join(scratch, `${name}.tar.gz`);
  const { code, stderr } = await up.infernode('debug', 'bundle', '--out', out);
  expect(code, stderr).toBe(0);
  const tar = (...args: string[]) => execFileSync('tar', args, { encoding: 'utf8', maxBuffer: 64 << 20 });
  const names = tar('tzf', out).trim().split('\n');
  return new Map(names.map((file) => [file, tar('xzOf', out, file)]));
}

function expectNoSecret(files: Map<string, string>): void {
  for (const [file, text] of files)
    for (const [kind, secret] of Object.entries(secrets))
      expect(text.includes(secret), `${kind} in ${file}`).toBe(false);
}

it('no secret is in it, and what is worth having is', async () => {
  const files = await bundle('valid');
  expectNoSecret(files);
  for (const part of ['config-agent.txt', 'config-coordinator.txt', 'coordinator.log', 'engine-engine-0.log'])
    expect(/\[masked\]/.test(files.get(part) ?? ''), part).toBe(true);
  expect(files.get('events.txt')).toMatch(/Xid 63.*\[masked\]/);
  expect(files.get('coordinator.log')).toContain('a line worth having');
});

it('nor where a configuration is not valid: the reason is there, and the rest', async () => {
  edit(join(state, 'nodes/node-0/agent.yaml'), (config) => {
    config['tokens'] = secrets.agentToken;
    config['stateDir'] = 7;
  });
  const files = await bundle('invalid');
  expectNoSecret(files);
  expect(files.get('config-agent.txt')).toMatch(/not valid[\s\S]*stateDir: expected string, got 7/);
  expect(files.get('node.json')).toContain('node-0');
});
