// The door under a manual clock: order, bounds, time-outs, and what wakes those who wait.
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import {
  Admission,
  type AdmissionRequest,
  type AdmissionWait,
} from '../../../src/gateway/admission/admission.js';
import { GatewayMetrics } from '../../../src/gateway/gateway-metrics.js';
import type { Lease } from '../../../src/gateway/admission/lease.js';
import { anEndpoint, FakeRouting } from '../../support/gateway-harness.js';
import { ManualClock } from '../../support/manual-clock.js';

function setUp(maxConcurrent = 1): {
  admission: Admission;
  clock: ManualClock;
  routing: FakeRouting;
  request: (exclude?: string[]) => AdmissionRequest;
} {
  const clock = new ManualClock();
  const routing = new FakeRouting();
  routing.set(anEndpoint('a', 'http://127.0.0.1:1', { maxConcurrent }));
  const admission = new Admission({
    limits: { maxQueuedRequests: 2, queueTimeoutMs: 1000 },
    routing,
    clock,
    metrics: new GatewayMetrics(new Registry()),
    instance: 'test',
  });
  const request = (exclude: string[] = []): AdmissionRequest => ({
    model: 'model',
    placement: routing.placement,
    tokens: 100,
    chain: [1],
    sessionKey: undefined,
    exclude: new Set(exclude),
  });
  return { admission, clock, routing, request };
}

const isLease = (entry: Lease | AdmissionWait): entry is Lease => 'release' in entry;
const lease = (entry: Lease | AdmissionWait): Lease => {
  if (!isLease(entry)) throw new Error('expected a lease at once');
  return entry;
};
const wait = (entry: Lease | AdmissionWait): AdmissionWait => {
  if (isLease(entry)) throw new Error('expected to wait');
  return entry;
};

test('those who wait are served in order, one for each lease that ends', async () => {
  const { admission, request } = setUp();
  const first = lease(admission.admit(request()));
  const order: string[] = [];
  const second = wait(admission.admit(request())).lease.then((l) => (order.push('second'), l));
  const third = wait(admission.admit(request())).lease.then((l) => (order.push('third'), l));
  first.release();
  (await second)?.release();
  (await third)?.release();
  expect(order).toEqual(['second', 'third']);
  expect(admission.liveLeases).toBe(0);
});

test('a lease is released once, however often it is asked to', () => {
  const { admission, request, routing } = setUp(2);
  const one = lease(admission.admit(request()));
  lease(admission.admit(request()));
  one.release();
  one.release();
  expect([admission.liveLeases, routing.inFlight()]).toEqual([1, 1]);
});

test('a full queue says so; a wait has an end; both with their code', async () => {
  const { admission, clock, request } = setUp();
  lease(admission.admit(request()));
  const waits = [wait(admission.admit(request())), wait(admission.admit(request()))];
  expect(() => admission.admit(request())).toThrow(expect.objectContaining({ code: 'queue-full' }) as Error);
  const ends = Promise.allSettled(waits.map((w) => w.lease));
  clock.advance(1001);
  for (const end of await ends) expect(end).toMatchObject({ reason: { code: 'no-eligible-endpoint' } });
});

test('who gives up leaves the queue', async () => {
  const { admission, request } = setUp();
  const first = lease(admission.admit(request()));
  const gone = wait(admission.admit(request()));
  const next = wait(admission.admit(request()));
  gone.cancel();
  expect(await gone.lease).toBeNull();
  first.release();
  expect(await next.lease).not.toBeNull();
});

test('a cluster that changes, and time alone, wake the queue', async () => {
  const { admission, clock, request, routing } = setUp();
  lease(admission.admit(request()));
  const one = wait(admission.admit(request()));
  routing.set(anEndpoint('b', 'http://127.0.0.1:2', { maxConcurrent: 1 }));
  expect((await one.lease)?.endpointId).toBe('b');
  const two = wait(admission.admit(request()));
  // A breaker that half-opens, or another coordinator's lease that ends: nobody calls.
  routing.placement.upsert(anEndpoint('c', 'http://127.0.0.1:3'));
  clock.advance(250);
  expect((await two.lease)?.endpointId).toBe('c');
});

test('nothing to wait for: no endpoint at all, or all of them tried', () => {
  const { admission, request, routing } = setUp();
  expect(() => admission.admit(request(['a']))).toThrow(
    expect.objectContaining({ code: 'no-eligible-endpoint' }) as Error,
  );
  routing.placement.leave('a');
  expect(() => admission.admit(request())).toThrow(
    expect.objectContaining({ code: 'no-eligible-endpoint' }) as Error,
  );
});

test('an endpoint that is on its way is waited for', async () => {
  const { admission, request, routing } = setUp();
  routing.set(anEndpoint('a', 'http://127.0.0.1:1', { engineState: 'starting' }));
  const entry = wait(admission.admit(request()));
  routing.set(anEndpoint('a', 'http://127.0.0.1:1'));
  expect((await entry.lease)?.endpointId).toBe('a');
});

test('a rerouted request that only waits for a tried endpoint does not hold up the others', async () => {
  const { admission, request, routing } = setUp();
  routing.set(anEndpoint('b', 'http://127.0.0.1:2', { maxConcurrent: 1 }));
  const a = lease(admission.admit(request(['b'])));
  lease(admission.admit(request(['a'])));
  const rerouted = wait(admission.admit(request(['a'])));
  const fresh = wait(admission.admit(request()));
  a.release();
  expect((await fresh.lease)?.endpointId).toBe('a');
  rerouted.cancel();
});

test('closing sends everybody who waits away', async () => {
  const { admission, request } = setUp();
  lease(admission.admit(request()));
  const entry = wait(admission.admit(request()));
  const end = expect(entry.lease).rejects.toMatchObject({ code: 'shutting-down' });
  admission.close();
  await end;
  expect(() => admission.admit(request())).toThrow(
    expect.objectContaining({ code: 'shutting-down' }) as Error,
  );
});
