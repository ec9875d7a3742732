/** Several coordinators and one lease, over a real API surface that enforces resourceVersion. Each has a clock of its own. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { KubeClient } from '../../../src/kubernetes/kube-client.js';
import { KubernetesMetrics } from '../../../src/kubernetes/kubernetes-metrics.js';
import { LeaseElection } from '../../../src/kubernetes/lease-election.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { FakeKubeApi } from '../../support/fake-kube-api.js';
import { ManualClock } from '../../support/manual-clock.js';
import { eventually } from '../../support/running-up.js';

const leases = '/apis/coordination.k8s.io/v1/namespaces/infernode/leases';
let api: FakeKubeApi;
let directory: string;
let server: string;
const open: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  api = new FakeKubeApi();
  server = await api.start();
  directory = mkdtempSync(join(tmpdir(), 'infernode-kube-'));
  writeFileSync(join(directory, 'token'), `${api.token}\n`);
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
  await api.stop();
  rmSync(directory, { recursive: true, force: true });
});

function candidate(identity: string): { election: LeaseElection; clock: ManualClock } {
  const clock = new ManualClock();
  const client = new KubeClient({ server, tokenFile: join(directory, 'token') });
  const election = new LeaseElection({
    client,
    namespace: 'infernode',
    name: 'scaler',
    identity,
    clock,
    logger: silentLogger(),
    metrics: new KubernetesMetrics(new Registry()),
    durationSeconds: 14,
  });
  open.push(client, election);
  return { election, clock };
}

const spec = () => api.get(leases, 'scaler')?.['spec'] as Record<string, unknown>;
const calls = () => api.requests.length;

/** Lets a round of the election run and answers when the server has seen it. */
async function round({ clock }: { clock: ManualClock }, ms = 2_000): Promise<void> {
  const before = calls();
  clock.advance(ms);
  await eventually('a round', () => calls() > before);
  // The answer, and the write that may follow it.
  await eventually('the round is over', async () => {
    const seen = calls();
    await new Promise((resolve) => setTimeout(resolve, 30));
    return calls() === seen;
  });
}

it('the first takes it, the second waits, and takes over when the first gives it back', async () => {
  const a = candidate('a');
  await eventually('a leads', () => a.election.leading);
  const b = candidate('b');
  await round(b);
  expect([a.election.leading, b.election.leading]).toEqual([true, false]);
  expect(spec()).toMatchObject({ holderIdentity: 'a', leaseDurationSeconds: 14, leaseTransitions: 0 });
  expect(spec()['renewTime']).toMatch(/\.\d{6}Z$/);
  await a.election.close();
  expect(a.election.leading).toBe(false);
  await round(b);
  expect(b.election.leading).toBe(true);
  expect(spec()).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
});

it('an owner that cannot renew steps down before another may take over', async () => {
  const a = candidate('a');
  await eventually('a leads', () => a.election.leading);
  const b = candidate('b');
  await round(b);
  api.failing = 503;
  // Ten of fourteen seconds: still an owner to others, no longer to itself.
  await round(a, 10_001);
  expect(a.election.leading).toBe(false);
  api.failing = null;
  await round(b, 12_000);
  expect(b.election.leading).toBe(false);
  await round(b, 2_001);
  expect(b.election.leading).toBe(true);
});

it('two that find it free at the same version: one write wins, the other is told', async () => {
  api.put(leases, {
    metadata: { name: 'scaler' },
    spec: { holderIdentity: '', leaseDurationSeconds: 1 },
  });
  const both = [candidate('a'), candidate('b')];
  await eventually('one leads', () => both.some(({ election }) => election.leading));
  for (const one of both) await round(one);
  expect(both.filter(({ election }) => election.leading)).toHaveLength(1);
});

it('a server that refuses the account leads nowhere and ends nothing', async () => {
  writeFileSync(join(directory, 'token'), 'wrong');
  const a = candidate('a');
  await round(a);
  expect(a.election.leading).toBe(false);
  // The kubelet has replaced the file: the next round reads it.
  writeFileSync(join(directory, 'token'), api.token);
  await round(a);
  await eventually('a leads', () => a.election.leading);
});
