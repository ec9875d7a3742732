/**
 * `infernode certs init` (Debian package `openssl`) and what its certificates are good for: mTLS with roles between real processes' parts;
 * expired, not yet valid, of another authority and with another name are refused.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { runAgent } from '../../src/agent.js';
import { agentSchema } from '../../src/config/agent-config.js';
import { coordinatorSchema } from '../../src/config/coordinator-config.js';
import type { ClientTlsConfig } from '../../src/config/tls-config.js';
import { runCoordinator } from '../../src/coordinator.js';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { InfernodeError } from '../../src/domain/error-codes.js';
import { FakeFleet, FakeSampler, fakeParts } from '../support/fake-agent-parts.js';
import { aNodeSample } from '../support/node-fixtures.js';
import { eventually, mainFile } from '../support/running-up.js';

let directory: string;
const closers: (() => Promise<void> | void)[] = [];
const certs = (...args: string[]) =>
  execFileSync(process.execPath, [mainFile, 'certs', 'init', ...args], { encoding: 'utf8', stdio: 'pipe' });
const file = (name: string) => join(directory, 'lab', name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'infernode-certs-'));
  certs('--out', file(''), '--agent', 'localhost,127.0.0.1', '--coordinator', 'front', '--client', 'alice');
  certs('--out', join(directory, 'other'), '--client', 'alice');
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function agentAddress(certificate = 'localhost'): Promise<string> {
  const agent = await runAgent(
    agentSchema.parse({
      node: { name: 'gpu-a', machineId: 'm' },
      stateDir: mkdtempSync(join(directory, 'state-')),
      listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
      tls: {
        certificate: file(`${certificate}.crt`),
        key: file(`${certificate}.key`),
        clientCa: file('ca.crt'),
        roles: { front: 'scaler', alice: 'operator', victor: 'viewer' },
      },
    }),
    {
      clock: systemClock,
      logger: silentLogger(),
      version: '0',
      parts: fakeParts(new FakeSampler(aNodeSample()), new FakeFleet([])),
    },
  );
  closers.push(() => agent.close());
  return agent.addresses.control;
}

/** Its own certificate is the one that it shows to agents. */
async function coordinatorAddress(agent: string): Promise<string> {
  certs('--out', file(''), '--coordinator', 'front', '--agent', '127.0.0.1');
  const any = '127.0.0.1:0';
  const coordinator = await runCoordinator(
    coordinatorSchema.parse({
      listen: { gateway: any, control: any, probe: any, metrics: any },
      tls: {
        certificate: file('127.0.0.1.crt'),
        key: file('127.0.0.1.key'),
        clientCa: file('ca.crt'),
        roles: { alice: 'operator', victor: 'viewer' },
      },
      agents: [{ address: agent, tls: as('front') }],
    }),
    { clock: systemClock, logger: silentLogger(), version: '0' },
  );
  closers.push(() => coordinator.close());
  return coordinator.addresses.control;
}

async function outcome(address: string, tls: ClientTlsConfig): Promise<string> {
  const client = new NodeServiceClient({ address, tls });
  try {
    return (await client.listEngines()).length === 0 ? 'ok' : 'engines';
  } catch (error) {
    return error instanceof InfernodeError ? error.code : String(error);
  } finally {
    client.close();
  }
}
const as = (name: string, folder = 'lab'): ClientTlsConfig => ({
  ca: file('ca.crt'),
  certificate: join(directory, folder, `${name}.crt`),
  key: join(directory, folder, `${name}.key`),
});

/** A command as an operator types it. */
async function infernode(
  name: string,
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { ca, certificate = '', key = '' } = as(name);
  const tls = ['--tls-ca', ca, '--tls-cert', certificate, '--tls-key', key];
  const child = spawn(process.execPath, [mainFile, ...args, ...tls], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

it('commands over mTLS: a viewer reads, an operator acts, and who has no role is told so', async () => {
  certs('--out', file(''), '--client', 'victor,nobody');
  const agent = await agentAddress();
  const control = await coordinatorAddress(agent);
  const at = ['--agent', agent];
  await eventually('the coordinator watches the agent', async () => {
    const { stdout } = await infernode('victor', 'status', '--coordinator', control);
    return /gpu-a +watching/.test(stdout);
  });
  expect(await infernode('victor', 'engines', 'list', ...at)).toMatchObject({ code: 0 });
  const refused = await infernode('victor', 'cordon', '0', ...at);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toMatch(/CordonDevice.*operator|operator.*CordonDevice/);
  expect(await infernode('victor', 'engines', 'stop', 'chat-0', ...at)).toMatchObject({ stdout: '' });

  const done = await infernode('alice', 'cordon', '0', '--reason', 'fan', ...at);
  expect(done.code).toBe(0);
  expect(done.stdout).toContain('cordoned by operator:');
  await eventually('the viewer sees it', async () => {
    const { stdout } = await infernode('victor', 'status', '--coordinator', control);
    return /cordoned by operator:/.test(stdout);
  });
  const nobody = await infernode('nobody', 'status', '--coordinator', control);
  expect(nobody.code).not.toBe(0);
  expect(nobody.stderr).toMatch(/nobody/);
}, 60_000);

it("keys are their owner's alone; a second run keeps the authority and adds", async () => {
  expect(statSync(file('alice.key')).mode & 0o077).toBe(0);
  expect(statSync(file('ca.key')).mode & 0o077).toBe(0);
  expect(certs('--out', file(''), '--client', 'bob')).toMatch(/the authority that was there/);
  expect(await outcome(await agentAddress(), as('bob'))).toBe('permission-denied');
});

it('who has a certificate of the authority and a role may call; another authority ends in the handshake', async () => {
  const address = await agentAddress();
  expect(await outcome(address, as('alice'))).toBe('ok');
  expect(await outcome(address, as('front'))).toBe('ok');
  expect(await outcome(address, as('alice', 'other'))).toBe('node-unreachable');
});

it('a listener with another name, expired or not yet valid, is not believed', async () => {
  expect(await outcome(await agentAddress('front'), as('alice'))).toBe('node-unreachable');
  // The client's own clock decides; a certificate of yesterday or tomorrow is made by openssl's own options.
  for (const [name, from, until] of [
    ['past', '20200101000000Z', '20200102000000Z'],
    ['future', '20900101000000Z', '20900102000000Z'],
  ] as const) {
    issueWithin(name, from, until);
    expect(await outcome(await agentAddress(name), as('alice'))).toBe('node-unreachable');
    // And the other way round: the listener believes no such client.
    expect(await outcome(await agentAddress(), as(name))).toBe('node-unreachable');
  }
});

it.each([
  [['--days', '0', '--client', 'a'], /expected --days/],
  [['--client', 'a b; rm -rf /'], /expected a host name/],
  [[], /expected at least one of/],
])('refuses %j in words', (args, message) => {
  expect(() => certs('--out', file(''), ...args)).toThrow(message);
});

/** `openssl ca` is the one command of Debian 12's openssl that takes a validity. */
function issueWithin(name: string, startDate: string, endDate: string): void {
  const config = join(directory, `${name}.cnf`);
  const database = join(directory, `${name}.db`);
  writeFileSync(database, '');
  writeFileSync(
    config,
    `[ca]
default_ca=d
[d]
database=${database}
new_certs_dir=${directory}
rand_serial=yes
default_md=sha256
policy=p
x509_extensions=e
[p]
commonName=supplied
[e]
subjectAltName=DNS:localhost,IP:127.0.0.1
`,
  );
  const run = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  run(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    file(`${name}.key`),
    '-out',
    file(`${name}.csr`),
    '-subj',
    `/CN=${name}`,
  );
  run(
    'ca',
    '-batch',
    '-notext',
    '-config',
    config,
    '-cert',
    file('ca.crt'),
    '-keyfile',
    file('ca.key'),
    '-in',
    file(`${name}.csr`),
    '-out',
    file(`${name}.crt`),
    '-startdate',
    startDate,
    '-enddate',
    endDate,
  );
}
