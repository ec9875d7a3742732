/**
 * A client that behaves as KEDA's does, over real gRPC: the spec is read once and kept, the metric is asked for before the activity, a float
 * of 0 falls back to the whole number, and on an error it keeps what it has.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { credentials, status, type ServiceError } from '@grpc/grpc-js';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AutoscalingMetrics } from '../../../src/autoscaling/autoscaling-metrics.js';
import { ExternalScaler } from '../../../src/autoscaling/external-scaler.js';
import type { ModelScaling } from '../../../src/autoscaling/scaling-loop.js';
import { formatAddress } from '../../../src/config/listen-address.js';
import type { TlsConfig } from '../../../src/config/tls-config.js';
import { InfernodeError } from '../../../src/domain/error-codes.js';
import { createRpcServer, type RpcServer } from '../../../src/rpc/create-rpc-server.js';
import type { ExternalScalerClient } from '../../../src/rpc/generated/externalscaler/ExternalScaler.js';
import type { GetMetricSpecResponse__Output } from '../../../src/rpc/generated/externalscaler/GetMetricSpecResponse.js';
import type { GetMetricsResponse__Output } from '../../../src/rpc/generated/externalscaler/GetMetricsResponse.js';
import type { IsActiveResponse__Output } from '../../../src/rpc/generated/externalscaler/IsActiveResponse.js';
import { externalScalerPackage, externalScalerProto } from '../../../src/rpc/external-scaler-package.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { silentLogger } from '../../../src/runtime/logger.js';

/** Of the loop, what the scaler asks: a number, or why there is none. */
class ScriptedLoop {
  desiredReplicas: number | null = 3;
  readonly listeners = new Set<() => void>();
  get(model: string): ModelScaling {
    if (model !== 'm') throw new InfernodeError('model-unknown', `got "${model}"; known: m`);
    return {} as ModelScaling;
  }
  desired(model: string): number {
    this.get(model);
    const { desiredReplicas } = this;
    if (desiredReplicas === null) throw new InfernodeError('scaling-undecided', 'no decision for m');
    return desiredReplicas;
  }
  onRound(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  round(desired: number | null): void {
    this.desiredReplicas = desired;
    for (const listener of this.listeners) listener();
  }
}

/** KEDA's handling of one trigger (kedacore/keda: pkg/scalers/external_scaler.go). */
class KedaTrigger {
  #spec: { name: string; target: number } | null = null;
  constructor(
    readonly client: ExternalScalerClient,
    readonly scalerMetadata: Record<string, string>,
  ) {}

  get ref() {
    return { name: 'chat', namespace: 'default', scalerMetadata: this.scalerMetadata };
  }

  async poll(): Promise<{ replicas: number; active: boolean }> {
    this.#spec ??= await this.#readSpec();
    const { name, target } = this.#spec;
    const { metricValues } = await call<GetMetricsResponse__Output>((done) =>
      this.client.getMetrics({ scaledObjectRef: this.ref, metricName: name }, done),
    );
    const active = (await call<IsActiveResponse__Output>((done) => this.client.isActive(this.ref, done)))
      .result;
    const [{ metricValueFloat = 0, metricValue = '' } = {}] = metricValues;
    const value = metricValueFloat > 0 ? metricValueFloat : Number(metricValue);
    return { replicas: Math.ceil(value / target), active };
  }

  async #readSpec(): Promise<{ name: string; target: number }> {
    const { metricSpecs } = await call<GetMetricSpecResponse__Output>((done) =>
      this.client.getMetricSpec(this.ref, done),
    );
    const [spec] = metricSpecs;
    if (!spec) throw new Error('no spec');
    const { metricName, targetSizeFloat, targetSize } = spec;
    return { name: metricName, target: targetSizeFloat > 0 ? targetSizeFloat : Number(targetSize) };
  }
}

function call<T>(ask: (done: (error: ServiceError | null, value?: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) =>
    ask((error, value) => (error ? reject(error) : resolve(value as T))),
  );
}

const certs = fileURLToPath(new URL('../../support/certs/', import.meta.url));
const mutual = (roles?: TlsConfig['roles']): TlsConfig => ({
  certificate: `${certs}server.pem`,
  key: `${certs}server.key`,
  clientCa: `${certs}ca.pem`,
  ...(roles ? { roles } : {}),
});

let loop: ScriptedLoop;
let scaler: ExternalScaler;
let server: RpcServer;
let client: ExternalScalerClient;
let registry: Registry;

beforeEach(async () => {
  loop = new ScriptedLoop();
  registry = new Registry();
  scaler = new ExternalScaler({ loop, metrics: new AutoscalingMetrics(registry) });
  server = await serve();
  client = new externalScalerProto.ExternalScaler(
    formatAddress(server.address),
    credentials.createInsecure(),
  );
});
async function serve(tls?: TlsConfig): Promise<RpcServer> {
  const started = createRpcServer({
    listen: { host: '127.0.0.1', port: 0 },
    tls,
    services: [{ definition: externalScalerProto.ExternalScaler.service, handlers: scaler.handlers }],
    packages: [externalScalerPackage],
    clock: systemClock,
    logger: silentLogger(),
  });
  await started.start();
  return started;
}
afterEach(async () => {
  client.close();
  scaler.close();
  await server.close();
});

test('the decision is followed up and down with a spec that was read once', async () => {
  const keda = new KedaTrigger(client, { model: 'm' });
  expect(await keda.poll()).toEqual({ replicas: 3, active: true });
  loop.desiredReplicas = 17;
  expect(await keda.poll()).toEqual({ replicas: 17, active: true });
  loop.desiredReplicas = 1;
  expect(await keda.poll()).toEqual({ replicas: 1, active: true });
});

test('a decided 0 is a 0 in both fields, and inactive', async () => {
  loop.desiredReplicas = 0;
  expect(await new KedaTrigger(client, { model: 'm' }).poll()).toEqual({ replicas: 0, active: false });
});

test('what is undecided is an error in both calls, never a 0', async () => {
  const keda = new KedaTrigger(client, { model: 'm' });
  await keda.poll();
  loop.desiredReplicas = null;
  await expect(keda.poll()).rejects.toMatchObject({ code: status.UNAVAILABLE });
  await expect(call((done) => client.isActive(keda.ref, done))).rejects.toMatchObject({
    code: status.UNAVAILABLE,
    details: 'no decision for m',
  });
  loop.desiredReplicas = 4;
  expect(await keda.poll()).toEqual({ replicas: 4, active: true });
});

test('an unknown model, a missing one and another metric are clear errors, and counted', async () => {
  await expect(new KedaTrigger(client, { model: 'x' }).poll()).rejects.toMatchObject({
    code: status.NOT_FOUND,
    details: 'got "x"; known: m',
  });
  await expect(new KedaTrigger(client, {}).poll()).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining('metadata.model') as string,
  });
  const ref = { scalerMetadata: { model: 'm' } };
  await expect(
    call((done) => client.getMetrics({ scaledObjectRef: ref, metricName: 'cpu' }, done)),
  ).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  expect(await registry.metrics()).toContain(
    'infernode_autoscaling_rpc_errors_total{method="GetMetricSpec",reason="model-unknown"} 1',
  );
});

test('a stream tells the activity now and each change of it, and survives rounds without a decision', async () => {
  const stream = client.streamIsActive({ scalerMetadata: { model: 'm' } });
  stream.on('error', () => undefined);
  const told: boolean[] = [];
  const next = (count: number) =>
    new Promise<void>((resolve) => {
      const look = (): void => void (told.length >= count && resolve());
      stream.on('data', look);
      look();
    });
  stream.on('data', ({ result }: { result: boolean }) => told.push(result));
  await next(1);
  loop.round(5);
  loop.round(null);
  loop.round(0);
  await next(2);
  loop.round(2);
  await next(3);
  expect(told).toEqual([true, false, true]);
  stream.cancel();
});

test('the stream of the spec says it once; one for an unknown model ends with its error', async () => {
  const stream = client.streamMetricSpec({ scalerMetadata: { model: 'm' } });
  stream.on('error', () => undefined);
  const spec = await new Promise((resolve) => stream.once('data', resolve));
  expect(spec).toMatchObject({ metricSpecs: [{ targetSize: '1', targetSizeFloat: 1 }] });
  stream.cancel();
  const refused = client.streamIsActive({ scalerMetadata: { model: 'x' } });
  const error = await new Promise((resolve) => refused.once('error', resolve));
  expect(error).toMatchObject({ code: status.NOT_FOUND });
});

test.each<[string, TlsConfig['roles'], boolean, number | undefined]>([
  ['a viewer, as KEDA should be', { localhost: 'viewer' }, true, undefined],
  ['a scaler', { localhost: 'scaler' }, true, undefined],
  ['a certificate whose name is not listed', { somebody: 'operator' }, true, status.PERMISSION_DENIED],
  ['no certificate', undefined, false, status.UNAVAILABLE],
])('over mTLS: %s', async (_, roles, withCertificate, refused) => {
  await server.close();
  server = await serve(mutual(roles));
  const pem = (name: string) => readFileSync(`${certs}${name}`);
  const own = withCertificate ? ([pem('client.key'), pem('client.pem')] as const) : ([] as const);
  const secure = credentials.createSsl(pem('ca.pem'), ...own);
  client.close();
  client = new externalScalerProto.ExternalScaler(formatAddress(server.address), secure);
  const trigger = new KedaTrigger(client, { model: 'm' });
  if (refused === undefined) expect(await trigger.poll()).toEqual({ replicas: 3, active: true });
  else await expect(trigger.poll()).rejects.toMatchObject({ code: refused });
  // A stream is a call like any other.
  const stream = client.streamIsActive(trigger.ref);
  const first = await new Promise<unknown>((resolve) => {
    stream.once('data', resolve).once('error', (error: ServiceError) => resolve(error.code));
  });
  expect(first).toEqual(refused ?? { result: true });
  stream.on('error', () => undefined).cancel();
});
