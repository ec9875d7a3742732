// Who is next: shares under contention, lending, the guard against starvation, places in a full queue, deadlines.
import { Registry } from 'prom-client';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { defaultPriorities, priorities, type Priority } from '../../../src/domain/priority.js';
import {
  Admission,
  type AdmissionRequest,
  type AdmissionWait,
} from '../../../src/gateway/admission/admission.js';
import { GatewayMetrics } from '../../../src/gateway/gateway-metrics.js';
import type { Lease } from '../../../src/gateway/admission/lease.js';
import { PriorityQueue } from '../../../src/gateway/admission/priority-queue.js';
import {
  anEndpoint,
  chatBody,
  FakeRouting,
  post,
  startGateway,
  type Harness,
} from '../../support/gateway-harness.js';
import { ManualClock } from '../../support/manual-clock.js';
import { eventually } from '../../support/running-up.js';
import { answerJson, ScriptedEngine } from '../../support/scripted-engine.js';

interface Entry {
  priority: Priority;
  sinceMs: number;
  name: string;
}

test('under a flood of every class each gets its share, and nothing is idle', () => {
  fc.assert(
    fc.property(fc.integer({ min: 20, max: 100 }), (capacity) => {
      const queue = new PriorityQueue<Entry>();
      const inFlight: Priority[] = [];
      const served = { critical: 0, high: 0, medium: 0, low: 0 };
      const refill = (): void => {
        for (const priority of priorities)
          while (queue.waiting(priority) < 5) queue.push({ priority, sinceMs: 0, name: priority });
      };
      for (let i = 0; i < capacity * 20; i++) {
        refill();
        if (inFlight.length === capacity) queue.left(inFlight.shift() as Priority);
        const [next] = queue.inOrder(defaultPriorities, -1);
        expect(next).toBeDefined();
        queue.remove(next as Entry);
        queue.took(next!.priority);
        inFlight.push(next!.priority);
        if (i >= capacity * 10) served[next!.priority] += 1;
      }
      for (const priority of priorities)
        expect(served[priority] / (capacity * 10)).toBeGreaterThan(defaultPriorities[priority].share - 0.1);
    }),
    { numRuns: 20 },
  );
});

test('a share that nobody uses is lent: one class alone takes all places', () => {
  const queue = new PriorityQueue<Entry>();
  for (let i = 0; i < 3; i++) queue.push({ priority: 'low', sinceMs: i, name: `${i}` });
  expect([...queue.inOrder(defaultPriorities, -1)].map(({ name }) => name)).toEqual(['0', '1', '2']);
});

test('whoever starves gets every fourth place, whatever his class', () => {
  const queue = new PriorityQueue<Entry>();
  const classes = { ...defaultPriorities, low: { share: 0, places: 100 } };
  queue.push({ priority: 'low', sinceMs: 0, name: 'starving' });
  const order: string[] = [];
  for (let i = 0; i < 5; i++) {
    queue.push({ priority: 'critical', sinceMs: 90, name: 'urgent' });
    const [next] = queue.inOrder(classes, 50);
    order.push(next!.name);
    queue.remove(next!);
    queue.took(next!.priority);
  }
  expect(order.filter((name) => name === 'starving')).toHaveLength(1);
});

function setUp(maxQueuedRequests = 2): {
  admission: Admission;
  clock: ManualClock;
  request: (priority: Priority, deadlineMs?: number) => AdmissionRequest;
} {
  const clock = new ManualClock();
  const routing = new FakeRouting();
  routing.set(anEndpoint('a', 'http://127.0.0.1:1', { maxConcurrent: 1 }));
  const limits = { maxQueuedRequests, queueTimeoutMs: 1000 };
  const metrics = new GatewayMetrics(new Registry());
  const admission = new Admission({ limits, routing, clock, metrics, instance: 'test' });
  const request = (priority: Priority, deadlineMs?: number): AdmissionRequest => ({
    model: 'model',
    placement: routing.placement,
    tokens: 100,
    chain: [1],
    sessionKey: undefined,
    priority,
    deadlineMs,
    exclude: new Set(),
  });
  return { admission, clock, request };
}

const lease = (entry: Lease | AdmissionWait): Lease => entry as Lease;
const wait = (entry: Lease | AdmissionWait): Promise<Lease | null> => (entry as AdmissionWait).lease;

test('the more urgent are placed first', async () => {
  const { admission, request } = setUp(8);
  const first = lease(admission.admit(request('medium')));
  const order: Priority[] = [];
  const ends = (['low', 'medium', 'critical', 'high'] as const).map((priority) =>
    wait(admission.admit(request(priority))).then((l) => (order.push(priority), l?.release())),
  );
  first.release();
  await Promise.all(ends);
  expect(order).toEqual(['critical', 'high', 'medium', 'low']);
  expect(admission.liveLeases).toBe(0);
});

test('in a full queue the last of the least urgent makes room, and learns it', async () => {
  const { admission, request } = setUp(2);
  lease(admission.admit(request('medium')));
  const low = wait(admission.admit(request('low')));
  void wait(admission.admit(request('medium')));
  const displaced = expect(low).rejects.toMatchObject({ code: 'queue-full' });
  void wait(admission.admit(request('high')));
  await displaced;
  expect(() => admission.admit(request('medium'))).toThrow(
    expect.objectContaining({ code: 'queue-full' }) as Error,
  );
});

test('a deadline ends a wait before the time-out does', async () => {
  const { admission, clock, request } = setUp();
  lease(admission.admit(request('medium')));
  const late = expect(
    wait(admission.admit(request('medium', clock.monotonicMs() + 100))),
  ).rejects.toMatchObject({
    code: 'deadline-exceeded',
  });
  clock.advance(101);
  await late;
});

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

async function gateway(
  options: Parameters<typeof startGateway>[1] = {},
): Promise<{ engine: ScriptedEngine; harness: Harness }> {
  const engine = await ScriptedEngine.start();
  const harness = await startGateway([engine], options);
  open.push(engine, harness);
  return { engine, harness };
}

test('a deadline in a silent prefill: 504, the engine is told, nobody is blamed', async () => {
  const { engine, harness } = await gateway();
  const answer = await post(`${harness.url}/v1/chat/completions`, chatBody, {
    'x-infernode-timeout-ms': '50',
  });
  expect([answer.status, answer.json.error?.code]).toEqual([504, 'deadline-exceeded']);
  await engine.calls[0]?.closed;
  await eventually('lease released', () => harness.routing.inFlight() === 0);
  expect(await harness.metric('attempts_total', { result: 'deadline' })).toBe(1);
  expect(await harness.metric('reroutes_total')).toBe(0);
});

test('a deadline does not touch an answer that has begun', async () => {
  const { engine, harness } = await gateway();
  const answer = post(`${harness.url}/v1/chat/completions`, chatBody, { 'x-infernode-timeout-ms': '2000' });
  answerJson(await engine.nextCall());
  expect((await answer).status).toBe(200);
});

test.each([
  ['x-infernode-priority', 'urgent'],
  ['x-infernode-timeout-ms', '-1'],
  ['x-infernode-timeout-ms', '1.5'],
])('%s: %s is refused by name', async (header, value) => {
  const { engine, harness } = await gateway();
  const answer = await post(`${harness.url}/v1/chat/completions`, chatBody, { [header]: value });
  expect([answer.status, answer.json.error?.param]).toEqual([400, header]);
  expect(engine.calls).toHaveLength(0);
});

test('a model that wakes holds its requests, up to a bound; one that cannot be woken says 503', async () => {
  const { engine, harness } = await gateway({ limits: { maxHeldRequests: 1, queueTimeoutMs: 50 } });
  const asleep = anEndpoint('node-0/engine', engine.url, { engineState: 'stopped' });
  harness.routing.placement.leave('node-0/engine');
  const url = `${harness.url}/v1/chat/completions`;
  expect((await post(url)).status).toBe(503);
  const asked: string[] = [];
  Object.assign(harness.routing, { wake: (model: string) => (asked.push(model), true) });
  const held = post(url);
  await eventually('asked to wake', () => asked.length === 1);
  await eventually('held', async () => (await harness.metric('queued_requests')) === 1);
  const beyond = await post(url);
  expect([beyond.status, beyond.json.error?.code]).toEqual([429, 'queue-full']);
  engine.script = (call) => answerJson(call);
  harness.routing.set({ ...asleep, engineState: 'ready' });
  expect((await held).status).toBe(200);
  expect(asked).toEqual(['model']);
});
