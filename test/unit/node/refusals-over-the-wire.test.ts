/**
 * What callers of a real agent's `NodeService` are refused over the wire: status, reason and words, with the real engine
 * fleet (keepers and fake engine processes) and the real book of reported work behind it.
 */
import { credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatAddress } from '../../../src/config/listen-address.js';
import { InfernodeError } from '../../../src/domain/error-codes.js';
import { NodeMetrics } from '../../../src/node/node-metrics.js';
import { NodeStatePublisher } from '../../../src/node/publish-node-state.js';
import { ReportedWork } from '../../../src/node/reported-work.js';
import type { RpcServer } from '../../../src/rpc/create-rpc-server.js';
import type { NodeServiceClient } from '../../../src/rpc/generated/infernode/node/v1/NodeService.js';
import type { WorkReport } from '../../../src/rpc/generated/infernode/node/v1/WorkReport.js';
import { nodeProto } from '../../../src/rpc/node-package.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { aFleet, type FleetCase } from '../../support/engine-fleet.js';
import { serveNodeService } from './serve-node-service.js';

let test: FleetCase;
let server: RpcServer;
let publisher: NodeStatePublisher;
let work: ReportedWork;
let stub: NodeServiceClient;

beforeEach(async () => {
  test = aFleet();
  await test.fleet.start();
  const metrics = new NodeMetrics(new Registry());
  const node = { node: 'gpu-a', machineId: 'm', agentVersion: '1', epoch: 'e2' };
  publisher = new NodeStatePublisher({ ...node, clock: systemClock, metrics });
  work = new ReportedWork({ clock: systemClock, metrics, onFold: (fold) => publisher.publishWork(fold) });
  const publish = () => {
    work.setEngines(test.fleet.list());
    publisher.publish({ engines: test.fleet.list() });
  };
  test.fleet.onChange(publish);
  publish();
  const unknown = async (device: string): Promise<never> => {
    throw new InfernodeError('device-unknown', `no device "${device}"`);
  };
  const never = (): never => {
    throw new Error('not a matter of these tests');
  };
  server = await serveNodeService({
    publisher,
    engines: test.fleet,
    devices: { cordonDevice: unknown, uncordonDevice: unknown },
    faults: {
      acknowledge: never,
      incident: () => null,
      unsupportedNodeChecks: () => [],
      explain: never,
      entriesAfter: () => [],
      onEntry: () => () => undefined,
    },
    driver: { releaseDriver: never, acquireDriver: never },
    work,
    metrics,
  });
  stub = new nodeProto.NodeService(formatAddress(server.address), credentials.createInsecure());
});

afterEach(async () => {
  stub.close();
  publisher.close();
  work.close();
  await server.close();
  await test.clear();
});

type Refused = [code: number, reason: string | undefined, details: string];
const refusal = (error: ServiceError | null): Refused => {
  if (!error) throw new Error('expected a refusal, got an answer');
  return [error.code, error.metadata.get('infernode-reason')[0]?.toString(), error.details];
};
type Method =
  | 'startEngine'
  | 'stopEngine'
  | 'drainEngine'
  | 'cordonDevice'
  | 'uncordonDevice'
  | 'plan'
  | 'acknowledgeCondition'
  | 'getIncident'
  | 'releaseDriver'
  | 'acquireDriver';
const call = async (method: Method, request: object): Promise<Refused> => {
  // One signature for all: they differ in their messages only.
  const unary = stub[method].bind(stub) as (
    request: object,
    metadata: Metadata,
    done: (error: ServiceError | null) => void,
  ) => void;
  return refusal(await new Promise((resolve) => unary(request, new Metadata(), resolve)));
};

describe('an engine in the wrong state', () => {
  it('a running engine is not started again', async () => {
    await test.until('ready');
    const [code, reason, details] = await call('startEngine', { engineId: 'chat-0' });
    expect([code, reason]).toEqual([status.FAILED_PRECONDITION, 'engine-wrong-state']);
    expect(details).toMatch(/expected engine "chat-0" to .*, it is ready/);
    expect(test.status().state).toBe('ready');
  });

  it('a stopped engine has nothing to drain', async () => {
    await test.until('ready');
    await test.fleet.stopEngine('chat-0');
    await test.until('stopped');
    const [code, reason] = await call('drainEngine', { engineId: 'chat-0' });
    expect([code, reason]).toEqual([status.FAILED_PRECONDITION, 'engine-wrong-state']);
  });
});

describe('a caller that speaks to an agent process that is gone', () => {
  it.each([
    ['startEngine', { engineId: 'chat-0' }],
    ['stopEngine', { engineId: 'chat-0' }],
    ['drainEngine', { engineId: 'chat-0' }],
    ['cordonDevice', { device: '0' }],
    ['uncordonDevice', { device: '0' }],
    ['acknowledgeCondition', { device: 'GPU-0', check: 'xid' }],
    ['releaseDriver', {}],
    ['acquireDriver', {}],
  ] as const)('%s is refused before anything is done', async (method, request) => {
    await test.until('ready');
    expect(await call(method, { ...request, expectedEpoch: 'e1' })).toEqual([
      status.ABORTED,
      'stale-epoch',
      "expected epoch e1, the agent's is e2",
    ]);
    expect(test.status().state).toBe('ready');
  });
});

it('what does not exist is named', async () => {
  expect((await call('stopEngine', { engineId: 'nope' })).slice(0, 2)).toEqual([
    status.NOT_FOUND,
    'engine-unknown',
  ]);
  expect((await call('startEngine', { engineId: 'new', template: 'nope' })).slice(0, 2)).toEqual([
    status.NOT_FOUND,
    'template-unknown',
  ]);
  expect((await call('cordonDevice', { device: '9' })).slice(0, 2)).toEqual([
    status.NOT_FOUND,
    'device-unknown',
  ]);
});

describe('a report of work in flight', () => {
  const report = (...messages: WorkReport[]): Promise<Refused> =>
    new Promise((resolve, reject) => {
      const stream = stub.reportWork();
      stream.on('data', () => undefined);
      stream.on('error', (error) => resolve(refusal(error as ServiceError)));
      stream.on('end', () => reject(new Error('expected a refusal, got an end')));
      for (const message of messages) stream.write(message);
    });
  const opening = { coordinator: 'c1', chainVersion: 'v', seedFingerprint: 's', leases: [] };

  it('with a gap ends the stream; the leases wait for the full list', async () => {
    await test.until('ready');
    const { incarnation } = test.status();
    const placed = { id: 'x', engineId: 'chat-0', incarnation, tokens: 1 };
    const [code, reason, details] = await report(
      { sequence: 7, opening },
      { sequence: 8, delta: { events: [{ placed }] } },
      { sequence: 10, delta: { events: [{ done: 'x' }] } },
    );
    expect([code, reason]).toEqual([status.ABORTED, 'report-gap']);
    expect(details).toContain('expected report 9');
    expect(work.inFlight('chat-0')).toMatchObject([{ leaseId: 'c1/x', confirmed: false }]);
  });

  it('must open first, with a name', async () => {
    const first = await report({ sequence: 1, delta: { events: [] } });
    expect(first.slice(0, 2)).toEqual([status.INVALID_ARGUMENT, 'argument-invalid']);
    const nameless = await report({ sequence: 1, opening: { ...opening, coordinator: '' } });
    expect(nameless.slice(0, 2)).toEqual([status.INVALID_ARGUMENT, 'argument-invalid']);
  });
});

it.each([
  ['plan', { model: '' }, /expected model to name one of the catalogue/],
  ['acknowledgeCondition', { device: 'GPU-0', check: '' }, /expected check to name a condition/],
  [
    'acknowledgeCondition',
    { device: 'GPU-0', check: 'xid', holder: 'me' },
    /expected holder to be operator:<name>/,
  ],
  ['getIncident', { id: 'x'.repeat(200) }, /expected the id of an incident that is remembered, got "x{80}"/],
  ['cordonDevice', { device: '0', holder: 'health:xid' }, /not the agent's own health/],
] as const)('%s %j is refused with what was expected', async (method, request, words) => {
  const [code, reason, details] = await call(method, request);
  expect([code, reason]).toEqual([status.INVALID_ARGUMENT, 'argument-invalid']);
  expect(details).toMatch(words);
});

it('one more reader of events than there is room for is told so', async () => {
  const streams = Array.from({ length: 65 }, () => stub.watchEvents({ follow: true }));
  const refused = await Promise.race(
    streams.map(
      (stream) =>
        new Promise<Refused>((resolve) => stream.on('error', (e) => resolve(refusal(e as ServiceError)))),
    ),
  );
  expect(refused.slice(0, 2)).toEqual([status.RESOURCE_EXHAUSTED, 'queue-full']);
  for (const stream of streams) stream.cancel();
});
