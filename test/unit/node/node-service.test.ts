/** NodeService over real gRPC on a free port: what a coordinator sees, with the owners of engines and devices faked. */
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { InfernodeError } from '../../../src/domain/error-codes.js';
import { nodeProto } from '../../../src/rpc/node-package.js';
import { NodeServiceClient } from '../../../src/rpc/node-service-client.js';
import { formatAddress } from '../../../src/config/listen-address.js';
import { aDeviceStatus, anEngineStatus } from '../../support/node-fixtures.js';
import { aDeath, closers, collect, setUp } from './node-service-bench.js';

describe('NodeService', () => {
  it('RestartEngine, SleepEngine and WakeEngine answer with the state that has begun', async () => {
    const { client } = await setUp();
    expect(await client.restartEngine({ engineId: 'chat-0', deadlineMs: 5 })).toMatchObject({
      reason: 'restart 5',
    });
    expect(await client.sleepEngine({ engineId: 'chat-0', level: 2 })).toMatchObject({ reason: 'sleep 2' });
    expect(await client.sleepEngine({ engineId: 'chat-0' })).toMatchObject({ reason: 'sleep null' });
    expect(await client.wakeEngine({ engineId: 'chat-0' })).toMatchObject({ state: 'starting' });
    await expect(client.sleepEngine({ engineId: 'chat-0', level: 7 })).rejects.toMatchObject({
      code: 'argument-invalid',
    });
  });

  it('ExplainEngine carries a death whole over the wire', async () => {
    const { client } = await setUp();
    expect(await client.explainEngine({ engineId: 'chat-0', limit: 1 })).toEqual([aDeath]);
    expect(await client.explainEngine({ engineId: 'chat-0' })).toEqual([]);
  });

  it('TailEngineLog streams, refuses what it does not know, and ends with its reader', async () => {
    const { client } = await setUp();
    const texts: string[] = [];
    await client.tailEngineLog({ engineId: 'chat-0' }, (text) => texts.push(text));
    expect(texts).toEqual(['line 1\n', 'line 2\n']);
    await expect(client.tailEngineLog({ engineId: 'x' }, () => undefined)).rejects.toMatchObject({
      code: 'engine-unknown',
    });
    const stop = new AbortController();
    await client.tailEngineLog({ engineId: 'chat-0', follow: true }, () => stop.abort(), stop.signal);
  });

  it('GetNode answers the whole state, unset readings as null', async () => {
    const { client, publisher } = await setUp();
    const { state, agentVersion } = await client.getNode();
    expect(agentVersion).toBe('1.2.3');
    expect(state).toEqual(publisher.state);
    expect(state.devices[0]?.reading.powerWatts).toBeNull();
    expect(state.engines[0]?.load?.kvCacheBlocks).toBeNull();
  });

  it('WatchNode sends a snapshot, the deltas in order and a heartbeat', async () => {
    const { client, publisher, clock } = await setUp();
    const { updates, until } = collect(client);
    await until((u) => u.kind === 'snapshot');
    publisher.publish({ devices: [aDeviceStatus(0, { health: 'unhealthy', action: 'reboot-node' })] });
    publisher.publish({ engines: [anEngineStatus('chat-0', { evicting: true })] });
    clock.advance(1000);
    await until((u) => u.kind === 'heartbeat');
    expect(updates).toMatchObject([
      { kind: 'snapshot', state: { epoch: 'e1', revision: 2 } },
      { kind: 'delta', delta: { revision: 3, devices: [{ action: 'reboot-node' }], engines: [] } },
      { kind: 'delta', delta: { revision: 4, devices: [], engines: [{ evicting: true }] } },
      { kind: 'heartbeat', epoch: 'e1', revision: 4 },
    ]);
  });

  it('coalesces for a reader that does not read, and the last state arrives all the same', async () => {
    const { publisher, server, metrics } = await setUp();
    const stub = new nodeProto.NodeService(formatAddress(server.address), credentials.createInsecure());
    closers.push(() => stub.close());
    const stream = stub.watchNode({});
    stream.on('error', () => undefined);
    await new Promise<void>((resolve) => stream.once('data', () => resolve()));
    stream.pause();
    const filler = 'x'.repeat(20_000);
    const coalesced = async () => (await metrics.coalescedDeltas.get()).values[0]?.value ?? 0;
    let restarts = 0;
    while ((await coalesced()) < 50 && restarts < 20_000) {
      publisher.publish({ engines: [anEngineStatus('chat-0', { restarts: ++restarts, reason: filler })] });
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    expect(await coalesced()).toBeGreaterThanOrEqual(50);
    const last = new Promise<number>((resolve) =>
      stream.on('data', (update: { delta?: { revision: string; engines: { restarts: number }[] } }) => {
        if (update.delta?.engines[0]?.restarts === restarts) resolve(Number(update.delta.revision));
      }),
    );
    stream.resume();
    expect(await last).toBe(publisher.state.revision);
    stream.cancel();
  });

  it('frees the stream when the watcher leaves', async () => {
    const { client, metrics } = await setUp();
    const { until } = collect(client);
    await until((u) => u.kind === 'snapshot');
    const open = async () => (await metrics.watchers.get()).values[0]?.value;
    expect(await open()).toBe(1);
    await closers.pop()?.();
    while ((await open()) !== 0) await new Promise<void>((resolve) => setImmediate(resolve));
  });

  it('says that the node is unreachable when the agent ends', async () => {
    const { client, server } = await setUp();
    const { until, ended } = collect(client);
    await until((u) => u.kind === 'snapshot');
    server.destroy('test');
    expect((await ended)?.code).toBe('node-unreachable');
  });

  it('carries requests to their owner and answers in domain words', async () => {
    const { client } = await setUp();
    expect(await client.startEngine({ engineId: 'new', template: 'chat' })).toMatchObject({
      id: 'new',
      state: 'starting',
      load: null,
    });
    expect(await client.plan({ model: 'llama-3.1-70b' })).toMatchObject({
      tensorParallelSize: 4,
      enginesThatFit: 2,
      kvBytesPerToken: { auto: 327_680, fp8: 163_840 },
      command: expect.arrayContaining(['--tensor-parallel-size', '4']) as string[],
    });
    for (const model of ['no-such-model', ''])
      await expect(client.plan({ model })).rejects.toMatchObject({ code: 'argument-invalid' });
    expect((await client.drainEngine({ engineId: 'chat-0' })).reason).toBe('null');
    expect((await client.drainEngine({ engineId: 'chat-0', deadlineMs: 7 })).reason).toBe('7');
    expect((await client.cordonDevice({ device: '0', reason: 'why' })).cordons).toEqual([
      { holder: 'operator:remote', reason: 'why', sinceMs: 5 },
    ]);
    expect((await client.listEngines()).map((e) => e.id)).toEqual(['chat-0']);
  });

  it.each([
    ['stale-epoch', (c: NodeServiceClient) => c.stopEngine({ engineId: 'chat-0', expectedEpoch: 'old' })],
    ['engine-unknown', (c: NodeServiceClient) => c.stopEngine({ engineId: 'nope', expectedEpoch: 'e1' })],
    ['argument-invalid', (c: NodeServiceClient) => c.stopEngine({ engineId: '' })],
    ['argument-invalid', (c: NodeServiceClient) => c.cordonDevice({ device: '' })],
    ['argument-invalid', (c: NodeServiceClient) => c.cordonDevice({ device: '0', holder: 'root' })],
    ['argument-invalid', (c: NodeServiceClient) => c.cordonDevice({ device: '0', holder: 'health:xid' })],
    ['internal', (c: NodeServiceClient) => c.uncordonDevice({ device: '0' })],
  ])('refuses with reason %s', async (reason, call) => {
    const { client, metrics } = await setUp();
    const error: unknown = await call(client).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(InfernodeError);
    expect((error as InfernodeError).code).toBe(reason);
    expect((await metrics.rpcErrors.get()).values[0]?.labels.reason).toBe(reason);
  });

  it('answers grpc.health.v1 and reflection', async () => {
    const { server } = await setUp();
    server.setServing('infernode.node.v1.NodeService', true);
    const raw = new Client(formatAddress(server.address), credentials.createInsecure());
    closers.push(() => raw.close());
    const health = await new Promise<Buffer>((resolve, reject) =>
      raw.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        (value: Buffer) => value,
        (value) => value,
        Buffer.concat([Buffer.from([0x0a, 29]), Buffer.from('infernode.node.v1.NodeService')]),
        new Metadata(),
        (error, value) => (error ? reject(error) : resolve(value as Buffer)),
      ),
    );
    expect([...health]).toEqual([0x08, 1]); // SERVING
    const names = await new Promise<string>((resolve, reject) => {
      const stream = raw.makeBidiStreamRequest(
        '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
        (value: Buffer) => value,
        (value) => value.toString('latin1'),
      );
      stream.on('data', (value: string) => {
        resolve(value);
        stream.end();
      });
      stream.on('error', reject);
      stream.write(Buffer.from([0x3a, 1, 0x2a])); // list_services "*"
    });
    expect(names).toContain('infernode.node.v1.NodeService');
    expect(names).toContain('grpc.health.v1.Health');
  });
});

describe('driver and incidents', () => {
  it('a release passes the deadline on, 0 is the default; a busy driver and an unknown incident are said by code', async () => {
    const { client } = await setUp();
    expect(await client.releaseDriver(500)).toMatchObject({ state: 'released', reason: '500' });
    expect(await client.releaseDriver()).toMatchObject({ reason: 'null' });
    await expect(client.acquireDriver()).rejects.toMatchObject({ code: 'driver-busy' });
    await expect(client.getIncident('i7')).rejects.toMatchObject({ code: 'argument-invalid' });
    await expect(client.explainDevice('9')).rejects.toMatchObject({ code: 'device-unknown' });
    await expect(client.acknowledgeCondition({ device: '', check: '' })).rejects.toMatchObject({
      code: 'argument-invalid',
    });
  });
});
