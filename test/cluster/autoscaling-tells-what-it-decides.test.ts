/**
 * A real coordinator process with a fake agent over real gRPC: what the nodes say becomes signals, and the decision is the same as gauge, over HTTP,
 * over gRPC and for KEDA. With one gateway process and with several.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { credentials } from '@grpc/grpc-js';
import { afterEach, expect, it } from 'vitest';
import { autoscalingProto } from '../../src/rpc/autoscaling-package.js';
import { externalScalerProto } from '../../src/rpc/external-scaler-package.js';
import type { ModelScaling__Output } from '../../src/rpc/generated/infernode/autoscaling/v1/ModelScaling.js';
import type { GetMetricsResponse__Output } from '../../src/rpc/generated/externalscaler/GetMetricsResponse.js';
import { FakeAgent } from '../support/fake-agent.js';
import { aDeviceStatus, anEngineStatus } from '../support/node-fixtures.js';
import { eventually, mainFile } from '../support/running-up.js';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startCoordinator(config: object): Promise<Record<'control' | 'metrics', string>> {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-autoscaling-'));
  const file = join(directory, 'coordinator.yaml');
  const any = '127.0.0.1:0';
  const listen = { gateway: any, control: any, probe: any, metrics: any };
  writeFileSync(file, JSON.stringify({ listen, ...config }));
  const child = spawn(process.execPath, [mainFile, 'coordinator', '--config', file, '--ready-json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, INFERNODE_LOG_LEVEL: 'fatal' },
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  closers.push(async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  });
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    void exited.then(() => reject(new Error('the coordinator ended')));
  });
  return (JSON.parse(line) as { listening: Record<'control' | 'metrics', string> }).listening;
}

const load = { running: 3, waiting: 120, kvCacheUsageRatio: 0.5, kvCacheBlocks: null, kvBlockTokens: null };

it.each([1, 2])('with gateway.workers: %i', { timeout: 60_000 }, async (workers) => {
  const agent = await new FakeAgent({
    node: 'gpu-a',
    machineId: 'machine-a',
    devices: [aDeviceStatus(0)],
    engines: [
      anEngineStatus('e0', { servedModels: ['org/model', 'lora'], load }),
      anEngineStatus('e1', { servedModels: ['org/model', 'lora'], state: 'starting', load: null }),
    ],
  }).start();
  closers.push(() => agent.stop());
  const listening = await startCoordinator({
    agents: [{ address: agent.address }],
    gateway: { workers },
    autoscaling: { intervalMs: 1000, models: { 'org/model': { maxReplicas: 16 } } },
  });
  const beat = setInterval(() => agent.beat(), 500);
  closers.push(() => clearInterval(beat));
  const metrics = `http://${listening.metrics}`;
  const get = async (model: string) => {
    const response = await fetch(`${metrics}/autoscale/v1/models/${model}`);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  const decided = await eventually('a decision', async () => {
    const { status, body } = await get('org%2Fmodel');
    return status === 200 && body['desired'] !== null ? body : undefined;
  });
  // 120 requests wait at one ready engine, 50 each are enough: three, of which one starts already.
  expect(decided).toMatchObject({
    model: 'org/model',
    desired: 3,
    current: 2,
    replicas: { ready: 1, warming: 1, asleep: 0, reporting: 1 },
    queuedRequests: 120,
    kvCacheUsageMax: 0.5,
    backlogSeconds: 0,
    undecided: '',
  });
  expect((await get('lora')).body).toMatchObject({ model: 'org/model' });
  expect(await get('nobody')).toMatchObject({ status: 404, body: { error: 'model-unknown' } });
  expect((await get('%E0%A4%A')).status).toBe(400);

  const page = await (await fetch(`${metrics}/metrics`)).text();
  expect(page).toContain('infernode_autoscaling_desired_replicas{model="org/model"} 3');
  expect(page).toContain('infernode_autoscaling_queued_requests{model="org/model"} 120');

  const plain = credentials.createInsecure();
  const api = new autoscalingProto.AutoscalingService(listening.control, plain);
  const keda = new externalScalerProto.ExternalScaler(listening.control, plain);
  closers.push(
    () => api.close(),
    () => keda.close(),
  );
  const scaling = await new Promise<ModelScaling__Output | undefined>((resolve, reject) =>
    api.getScaling({ model: 'org/model' }, (error, value) => (error ? reject(error) : resolve(value))),
  );
  expect(scaling).toMatchObject({ model: 'org/model', desired: 3, signal: 'queue' });
  const answer = await new Promise<GetMetricsResponse__Output | undefined>((resolve, reject) =>
    keda.getMetrics(
      { scaledObjectRef: { scalerMetadata: { model: 'org/model' } } },
      (error: Error | null, value?: GetMetricsResponse__Output) => (error ? reject(error) : resolve(value)),
    ),
  );
  expect(answer?.metricValues).toMatchObject([{ metricValue: '3', metricValueFloat: 3 }]);
});
