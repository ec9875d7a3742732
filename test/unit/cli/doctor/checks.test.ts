/** Each check of the doctor, in order and out of it: what it finds, and a remedy whenever something is amiss. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { runAgent } from '../../../../src/agent.js';
import { examine, renderFindings } from '../../../../src/cli/doctor-command.js';
import { checkCuda } from '../../../../src/cli/doctor/cuda-check.js';
import { checkEngines } from '../../../../src/cli/doctor/engine-checks.js';
import type { Finding } from '../../../../src/cli/doctor/finding.js';
import { checkCgroup, checkDescriptors, checkStateDir } from '../../../../src/cli/doctor/host-checks.js';
import { serviceOf, type InstalledService } from '../../../../src/cli/doctor/installed-service.js';
import {
  checkAgents,
  checkCertificate,
  checkPort,
  ownerOfPort,
} from '../../../../src/cli/doctor/network-checks.js';
import { agentSchema } from '../../../../src/config/agent-config.js';
import { systemClock } from '../../../../src/runtime/clock.js';
import { silentLogger } from '../../../../src/runtime/logger.js';
import { SimulatedCuda } from '../../../support/simulated-cuda.js';
import { FakeFleet, FakeSampler, fakeParts } from '../../../support/fake-agent-parts.js';
import { aNodeSample } from '../../../support/node-fixtures.js';

const directory = mkdtempSync(join(tmpdir(), 'infernode-doctor-checks-'));
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const service = (over: Partial<InstalledService> = {}): InstalledService => ({
  unit: 'infernode-agent',
  active: true,
  user: 'infernode',
  uid: 995,
  delegate: true,
  openFiles: 65_536,
  stateDirectories: ['/var/lib/infernode'],
  ...over,
});

async function listen(): Promise<AddressInfo> {
  const server: Server = createServer();
  closers.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server.address() as AddressInfo;
}

it('reads what systemctl shows, and that a unit is not there', () => {
  const shown =
    'LoadState=loaded\nActiveState=active\nUser=infernode\nUID=995\nDelegate=yes\nLimitNOFILE=65536\nStateDirectory=infernode\n';
  expect(serviceOf('infernode-agent', shown)).toEqual(service());
  expect(serviceOf('infernode-agent', 'LoadState=not-found\n')).toBeNull();
  const bare = 'LoadState=loaded\nUID=[not set]\nLimitNOFILE=infinity\n';
  expect(serviceOf('x', bare)).toMatchObject({ user: 'root', uid: null, openFiles: Number.MAX_SAFE_INTEGER });
});

it('judges a service by what its unit grants', () => {
  expect(checkCgroup(service())).toMatchObject({ level: 'ok' });
  expect(checkCgroup(service({ delegate: false })).found).toMatch(/infernode-agent has no Delegate=yes/);
  expect(checkDescriptors(service())).toMatchObject({ level: 'ok' });
  expect(checkDescriptors(service({ openFiles: 1024 }))).toMatchObject({
    level: 'warn',
    found: expect.stringMatching(/limit 1024 of infernode-agent: about 512 streams/) as unknown,
  });
  // Of another user and not ours to write: in order, because it is the service's.
  const absent = service({ stateDirectories: [join(directory, 'absent')] });
  expect(checkStateDir(join(directory, 'absent'), absent).found).toMatch(/belongs to infernode/);
  writeFileSync(join(directory, 'file'), '');
  expect(checkStateDir(join(directory, 'file', 'state'), null)).toMatchObject({ level: 'fail' });
  expect(checkStateDir(join(directory, 'new', 'state'), null)).toMatchObject({ level: 'ok' });
});

it('a port is free, or held by somebody who is named', async () => {
  const { port } = await listen();
  expect(ownerOfPort(port)).toMatch(new RegExp(`^process ${process.pid} \\(`));
  const taken = await checkPort('probe', { host: '127.0.0.1', port });
  expect(taken.found).toMatch(/EADDRINUSE.*held by process|is held by process/);
  expect(await checkPort('probe', { host: '127.0.0.1', port: 0 })).toMatchObject({ level: 'ok' });
  expect(ownerOfPort(1)).toBeNull();
});

it('an agent that a coordinator names answers, or it is said what to look at', async () => {
  const agent = await runAgent(
    agentSchema.parse({
      node: { name: 'gpu-a', machineId: 'm' },
      stateDir: mkdtempSync(join(directory, 'state-')),
      listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
    }),
    {
      clock: systemClock,
      logger: silentLogger(),
      version: '1.2.3',
      parts: fakeParts(new FakeSampler(aNodeSample()), new FakeFleet([])),
    },
  );
  closers.push(() => agent.close());
  const { port } = await listen();
  const [good, silent] = await checkAgents({
    agents: [{ address: agent.addresses.control }, { address: `127.0.0.1:${port}` }],
  });
  expect(good).toMatchObject({ level: 'ok', found: 'gpu-a answers, infernode 1.2.3' });
  expect(silent).toMatchObject({ level: 'warn', remedy: expect.stringMatching(/listen.control/) as unknown });
});

it.each([
  [
    '#!/bin/sh\ncase "$1" in --version) echo 0.26.0;; *) echo "  --model X";; esac',
    ['--model=x'],
    'ok',
    /0\.26\.0/,
  ],
  [
    '#!/bin/sh\ncase "$1" in --version) echo 0.26.0;; *) echo "  --model X";; esac',
    ['--modle'],
    'warn',
    /--modle/,
  ],
  ['#!/bin/sh\necho broken >&2; exit 3', [], 'warn', /no version/],
  [null, [], 'fail', /no `vllm` on the PATH/],
] as const)('the program of a template: %j', async (script, args, level, found) => {
  const path = mkdtempSync(join(directory, 'bin-'));
  if (script !== null) {
    writeFileSync(join(path, 'vllm'), script);
    chmodSync(join(path, 'vllm'), 0o755);
  }
  const template = { adapter: 'vllm' as const, command: ['vllm'], args: [...args] };
  const [finding] = await checkEngines({ chat: template }, { PATH: path });
  expect(finding).toMatchObject({ check: 'template chat', level });
  expect(finding?.found).toMatch(found);
  if (level !== 'ok') expect(finding?.remedy).not.toBe('');
});

it('certificates: valid, soon expired, expired, not yet valid, unreadable, and those that only a service sees', () => {
  const tls = join(directory, 'tls');
  mkdirSync(tls, { recursive: true });
  const paths = { certificate: join(tls, 'c.pem'), key: join(tls, 'k.pem') };
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '30',
      '-subj',
      '/CN=a',
    ].concat(['-keyout', paths.key, '-out', paths.certificate]),
    { stdio: 'pipe' },
  );
  const day = 86_400_000;
  const at = (days: number) => checkCertificate('agent', paths, Date.now() + days * day)[0];
  expect(at(0)).toMatchObject({ level: 'ok' });
  expect(at(20)).toMatchObject({ level: 'warn' });
  expect(at(40)).toMatchObject({ level: 'fail', found: expect.stringMatching(/expired/) as unknown });
  expect(at(-2)).toMatchObject({ level: 'fail', remedy: expect.stringMatching(/clock/) as unknown });
  expect(checkCertificate('agent', { ...paths, key: join(tls, 'none') }, Date.now())[0]?.level).toBe('fail');
  const credential = '/run/credentials/infernode-absent.service/certificate';
  expect(
    checkCertificate('agent', { certificate: credential, key: credential }, Date.now())[0],
  ).toMatchObject({
    level: 'info',
    found: expect.stringMatching(/only for infernode-absent\.service/) as unknown,
  });
  expect(readdirSync(tls)).toHaveLength(2);
});

it('a configuration that is not valid is a finding, and the rest is still looked at', async () => {
  const file = join(directory, 'agent.yaml');
  writeFileSync(file, 'nvml: { library: /nowhere.so }\nlisten: { control: 12, metrics: x }\n');
  const findings = await examine({ config: file });
  const [first] = findings;
  expect(first).toMatchObject({ check: 'agent config', level: 'fail' });
  expect(first?.remedy).toMatch(/infernode config check agent --config/);
  expect(findings.length).toBeGreaterThan(10);
  for (const { level, check, remedy } of findings)
    if (level === 'warn' || level === 'fail') expect(remedy, check).not.toBe('');
  for (const line of renderFindings(findings).split('\n')) expect(line).not.toMatch(/^\//);
});

describe('CUDA', () => {
  async function look(...scenario: string[]): Promise<Finding> {
    const cuda = new SimulatedCuda(...scenario);
    vi.stubEnv('INFERNODE_CUDA_SIM', cuda.scenarioPath);
    closers.push(
      () => vi.unstubAllEnvs(),
      () => cuda.remove(),
    );
    return checkCuda(cuda.library);
  }

  it('that loads and computes is told with its version and device', async () => {
    expect(await look('driver 12020')).toEqual({
      check: 'CUDA',
      level: 'ok',
      found:
        'driver for CUDA 12.2, kernels load and compute on infernode simulated GPU (no hardware) (compute 8.0)',
      remedy: '',
    });
  });

  it('that computes wrongly fails, and one that is too old says which driver is needed', async () => {
    const wrong = await look('corrupt launch:infernode_probe_fill');
    expect(wrong).toMatchObject({
      level: 'fail',
      remedy: expect.stringContaining('infernode probe 0') as string,
    });
    expect(await look('driver 11020')).toMatchObject({
      level: 'warn',
      found: expect.stringMatching(/driver.*470/) as string,
    });
  });

  it('that is not there is a note where there is no driver at all', async () => {
    expect(await checkCuda('libnone.so.7')).toMatchObject({ level: 'info', check: 'CUDA' });
  });
});
