/**
 * Several coordinators and one lease: on a Kubernetes API surface that enforces resourceVersion, and on a real redis-server. Each candidate has a
 * clock of its own that moves only when told.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RedisLease } from '../../../src/autoscaling/redis-lease.js';
import { SharedStore } from '../../../src/gateway/keys/shared-store.js';
import { KubeClient } from '../../../src/kubernetes/kube-client.js';
import { KubernetesLease } from '../../../src/kubernetes/kubernetes-lease.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { LeaseElection, type LeaseStore } from '../../../src/runtime/lease-election.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { FakeKubeApi } from '../../support/fake-kube-api.js';
import { ManualClock } from '../../support/manual-clock.js';
import { startRedis } from '../../support/redis-server.js';
import { eventually } from '../../support/running-up.js';

const durationMs = 14_000;
/** Ten of fourteen seconds after the last renewal an owner is none to itself, and still one to the others. */
const safeMs = 10_000;
const renewMs = 2_000;

/** Where the lease is, and what can happen to it there. */
interface Place {
  open(clock: ManualClock): Promise<LeaseStore>;
  /** Nothing answers until it is back. */
  away(away: boolean): Promise<void>;
  /** The lease is gone, as after a flush, an eviction, a restart without persistence or a `kubectl delete`. */
  lose(): Promise<void>;
  close(): Promise<void>;
}

const leases = '/apis/coordination.k8s.io/v1/namespaces/infernode/leases';

async function kubernetes(): Promise<Place & { api: FakeKubeApi; tokenFile: string }> {
  const api = new FakeKubeApi();
  const server = await api.start();
  const directory = mkdtempSync(join(tmpdir(), 'infernode-kube-'));
  const tokenFile = join(directory, 'token');
  writeFileSync(tokenFile, `${api.token}\n`);
  const client = new KubeClient({ server, tokenFile });
  return {
    api,
    tokenFile,
    open: (clock) =>
      Promise.resolve(new KubernetesLease({ client, namespace: 'infernode', name: 'scaler', clock })),
    away: (away) => Promise.resolve(void (api.failing = away ? 503 : null)),
    lose: () => Promise.resolve(api.remove(leases, 'scaler')),
    close: async () => {
      await client.close();
      await api.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function redis(): Promise<Place> {
  const server = await startRedis();
  const stores: SharedStore[] = [];
  let down = false;
  return {
    open: async () => {
      const store = new SharedStore({
        url: server.url,
        timeoutMs: 5_000,
        clock: systemClock,
        logger: silentLogger(),
      });
      stores.push(store);
      await store.start();
      const command = (args: string[]) =>
        down ? Promise.reject(new Error('connection lost')) : store.command(args);
      return new RedisLease({ key: 'infernode:scaler', command });
    },
    away: (away) => Promise.resolve(void (down = away)),
    lose: async () => void (await server.cli('FLUSHALL')),
    close: async () => {
      for (const store of stores) store.destroy();
      await server.close();
    },
  };
}

class Candidate {
  readonly clock = new ManualClock();
  readonly told: boolean[] = [];
  failures = 0;
  election!: LeaseElection;
  #calls = 0;
  #ended = 0;

  static async start(place: Place, identity: string): Promise<Candidate> {
    const one = new Candidate();
    const store = await place.open(one.clock);
    const counted = async <T>(call: Promise<T>): Promise<T> => {
      one.#calls += 1;
      return call.finally(() => (one.#ended += 1));
    };
    one.election = new LeaseElection({
      store: {
        name: store.name,
        read: () => counted(store.read()),
        write: (lease, version) => counted(store.write(lease, version)),
      },
      identity,
      clock: one.clock,
      logger: silentLogger(),
      onLeading: (leading) => one.told.push(leading),
      onFailure: () => (one.failures += 1),
      durationMs,
    });
    await one.#settled();
    return one;
  }

  get leads(): boolean {
    return this.election.leading;
  }

  /** Its time goes on by so much in steps of a renewal, each of them carried out. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= renewMs) {
      const before = this.#calls;
      this.clock.advance(Math.min(left, renewMs));
      if (left >= renewMs) await eventually('a round', () => this.#calls > before);
      await this.#settled();
    }
  }

  /** Its process stands still and then goes on, as one that was stopped or starved. */
  async freeze(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.#settled();
  }

  async #settled(): Promise<void> {
    await eventually('the round is over', async () => {
      const seen = this.#calls;
      await new Promise((resolve) => setImmediate(resolve));
      return this.#calls === seen && this.#ended === seen && seen > 0;
    });
  }
}

describe.each([
  ['a Kubernetes Lease', kubernetes],
  ['Valkey or Redis', redis],
])('%s', (_, open) => {
  let place: Place;
  const candidates: Candidate[] = [];
  const candidate = async (identity: string): Promise<Candidate> => {
    const one = await Candidate.start(place, identity);
    candidates.push(one);
    return one;
  };
  const leaders = () => candidates.filter(({ leads }) => leads).length;

  beforeEach(async () => (place = await open()));
  afterEach(async () => {
    await place.away(false);
    for (const one of candidates.splice(0)) await one.election.close();
    await place.close();
  });

  it('the first leads after a whole duration, the second waits, and takes over at once when it is given back', async () => {
    const a = await candidate('a');
    await a.pass(durationMs - renewMs);
    expect(a.leads).toBe(false);
    await a.pass(renewMs);
    expect(a.leads).toBe(true);
    const b = await candidate('b');
    await b.pass(renewMs);
    expect([a.leads, b.leads]).toEqual([true, false]);
    await a.election.close();
    expect(a.leads).toBe(false);
    await b.pass(renewMs);
    expect(b.leads).toBe(true);
    expect(a.told).toEqual([false, true, false]);
  });

  it('two that want it at the same moment: one has it', async () => {
    const [a, b] = await Promise.all([candidate('a'), candidate('b')]);
    for (let i = 0; i < 10; i += 1) {
      await Promise.all([a.pass(renewMs), b.pass(renewMs)]);
      expect(leaders()).toBeLessThanOrEqual(1);
    }
    expect(leaders()).toBe(1);
  });

  it('an owner that was killed is followed after a whole duration, not before', async () => {
    const [a, b] = [await candidate('a'), await candidate('b')];
    await a.pass(durationMs);
    await b.pass(renewMs);
    // `a` is heard no more.
    await b.pass(durationMs - renewMs);
    expect(b.leads).toBe(false);
    await b.pass(renewMs);
    expect(b.leads).toBe(true);
    // Back from the dead, with a clock that stood still, it sees at its next round.
    await a.pass(renewMs);
    expect([a.leads, b.leads]).toEqual([false, true]);
  });

  it('nobody leads while the lease cannot be reached, and the owner knows before the others may take over', async () => {
    const [a, b] = [await candidate('a'), await candidate('b')];
    await a.pass(durationMs);
    await b.pass(renewMs);
    await place.away(true);
    await a.pass(safeMs);
    expect(a.leads).toBe(false);
    expect(a.failures).toBeGreaterThan(0);
    await b.pass(2 * durationMs);
    expect(b.leads).toBe(false);
    await place.away(false);
    await b.pass(renewMs);
    expect(leaders()).toBe(1);
  });

  it('an owner whose process stood still does not act on what it remembers', async () => {
    const [a, b] = [await candidate('a'), await candidate('b')];
    await a.pass(durationMs);
    await b.pass(durationMs + renewMs);
    expect(b.leads).toBe(true);
    a.clock.advance(safeMs + 1);
    expect(a.leads).toBe(false);
    await a.freeze(renewMs);
    expect([a.leads, b.leads]).toEqual([false, true]);
  });

  it('a lease that is lost is nobody’s for a whole duration: its owner may not know yet', async () => {
    const [a, b] = [await candidate('a'), await candidate('b')];
    await a.pass(durationMs);
    await place.lose();
    await b.pass(renewMs);
    expect([a.leads, b.leads]).toEqual([true, false]);
    await a.pass(renewMs);
    expect(a.leads).toBe(false);
    await b.pass(durationMs);
    expect([a.leads, b.leads]).toEqual([false, true]);
  });
});

it('a Lease says who holds it since when, as Kubernetes’ own controllers do', async () => {
  const place = await kubernetes();
  const spec = () => place.api.get(leases, 'scaler')?.['spec'] as Record<string, unknown>;
  const a = await Candidate.start(place, 'a');
  expect(spec()).toMatchObject({ holderIdentity: 'a', leaseDurationSeconds: 14, leaseTransitions: 0 });
  expect(spec()['renewTime']).toMatch(/\.\d{6}Z$/);
  await a.election.close();
  expect(spec()).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 });
  const b = await Candidate.start(place, 'b');
  expect(spec()).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
  // The account is refused: nothing ends, and the token is read again at each call.
  writeFileSync(place.tokenFile, 'wrong');
  await b.pass(renewMs);
  expect(b.failures).toBe(1);
  writeFileSync(place.tokenFile, place.api.token);
  await b.pass(renewMs);
  expect([b.failures, b.leads]).toEqual([1, true]);
  await b.election.close();
  await place.close();
});

it('a key that holds something else is an error, and nobody leads', async () => {
  const server = await startRedis();
  const store = new SharedStore({
    url: server.url,
    timeoutMs: 5_000,
    clock: systemClock,
    logger: silentLogger(),
  });
  await store.start();
  const lease = new RedisLease({ key: 'k', command: (args) => store.command(args) });
  await server.cli('SET', 'k', 'text');
  await expect(lease.read()).rejects.toThrow('WRONGTYPE');
  await server.cli('DEL', 'k');
  await server.cli('HSET', 'k', 'version', '1', 'holder', 'x', 'durationMs', 'soon');
  await expect(lease.read()).rejects.toThrow(
    'expected holder, durationMs and version in the hash k, got x,soon,1',
  );
  store.destroy();
  await server.close();
});
