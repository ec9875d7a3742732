// A GPU falls off the bus under load: `infernode sim gpu xid 79` while 50 streams run. Every request without a first
// byte ends well elsewhere; every stream that had begun on the lost device ends with the coded error event and no [DONE];
// the device is unhealthy with reason and action in status, gRPC and /metrics.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { eventually, startUp, type RunningUp } from '../support/running-up.js';
import { openStream } from '../support/sse-client.js';

let up: RunningUp;
beforeAll(async () => {
  up = await startUp();
}, 120_000);
afterAll(() => up.interrupt());

test('50 streams survive the fault or say why they did not', async () => {
  const lost = up.ready.engines.find(({ id, node }) => node === 'node-0' && id === 'engine-0');
  const streams = Array.from({ length: 50 }, (_, i) =>
    openStream(up.ready.gateway, {
      model: 'chat',
      // Long distinct prompts keep prefill busy, so that some requests still wait for their first byte.
      messages: [{ role: 'user', content: `request ${i} ${`word${i} `.repeat(1500)}` }],
      // Some outlast the start of the command below, however slow this machine is.
      max_tokens: i % 5 === 0 ? 1500 : 400,
      ignore_eos: true,
    }),
  );
  await Promise.any(streams.map(({ firstByte }) => firstByte));
  const { code } = await up.infernode('sim', 'gpu', 'xid', '79', '--gpu', '0', '--node', 'node-0');
  expect(code).toBe(0);
  const results = await Promise.all(streams.map(({ result }) => result));

  const good = results.filter(({ status, done, error }) => status === 200 && done && error === null);
  const interrupted = results.filter(({ error }) => error !== null);
  expect(good.length + interrupted.length).toBe(50);
  for (const { status, done, error, endpoint, text } of interrupted) {
    expect({ status, done, endpoint, begun: text.length > 0 }).toEqual({
      status: 200,
      done: false,
      endpoint: 'node-0/engine-0',
      begun: true,
    });
    expect(error?.code).toBe('stream-interrupted');
    expect(error?.message).toMatch(/Xid 79|fallen off the bus/);
  }
  // The fault hit while requests ran there: some of them must have moved or been interrupted, or nothing was shown.
  expect(good.filter(({ attempts }) => attempts > 1).length + interrupted.length).toBeGreaterThan(0);
  expect(
    good.filter(({ attempts }) => attempts > 1).every(({ endpoint }) => endpoint !== 'node-0/engine-0'),
  ).toBe(true);

  const client = new NodeServiceClient({ address: up.ready.agents[0]?.grpc ?? '' });
  const { state } = await client.getNode();
  client.close();
  const device = state.devices.find(({ identity }) => identity.index === 0);
  expect(device).toMatchObject({ health: 'unhealthy', action: 'reboot-node', severity: 'fatal' });
  expect(device?.reason).toMatch(/Xid 79/);
  expect(device?.cordons.map(({ holder }) => holder)).toContain('health:xid');
  expect(state.devices.filter(({ health }) => health === 'healthy')).toHaveLength(3);

  const { stdout } = await up.infernode('status');
  expect(stdout).toMatch(/unhealthy.*Xid 79/);
  const metrics = await (await fetch(up.ready.agents[0]?.metrics ?? '')).text();
  expect(metrics).toMatch(
    new RegExp(
      `infernode_device_health\\{[^}]*device="${device?.identity.uuid}"[^}]*state="unhealthy"[^}]*\\} 1`,
    ),
  );
  expect(metrics).toMatch(/infernode_device_xid_total\{[^}]*xid="79"[^}]*\} 1/);
  expect(lost?.devices).toContain(device?.identity.uuid);
});

test('`sim gpu reset` brings the device and its engine back without a restart of anything', async () => {
  const { infernode, ready } = up;
  expect((await infernode('sim', 'gpu', 'reset', '--gpu', '0', '--node', 'node-0')).code).toBe(0);
  const client = new NodeServiceClient({ address: ready.agents[0]?.grpc ?? '' });
  await eventually('the engine is ready again', async () => {
    const { state } = await client.getNode();
    return (
      state.devices[0]?.health === 'healthy' && state.engines.every((engine) => engine.state === 'ready')
    );
  });
  client.close();
});

test('a cordon by hand takes a device out of service, and only its holder takes it back', async () => {
  const { infernode, ready } = up;
  const cordon = await infernode(
    'cordon',
    '0',
    '--node',
    'node-1',
    '--holder',
    'operator:test',
    '--reason',
    'maintenance',
  );
  expect(cordon.stdout).toMatch(/cordoned by operator:test/);
  await eventually('requests avoid the cordoned engine', async () =>
    /3\/4 endpoints eligible/.test((await infernode('status')).stdout),
  );
  const results = await Promise.all(
    Array.from(
      { length: 8 },
      (_, i) =>
        openStream(ready.gateway, {
          model: 'chat',
          messages: [{ role: 'user', content: `after ${i}` }],
          max_tokens: 2,
        }).result,
    ),
  );
  expect(results.map(({ endpoint }) => endpoint)).not.toContain('node-1/engine-0');
  await infernode('uncordon', '0', '--node', 'node-1', '--holder', 'operator:other');
  expect((await infernode('status')).stdout).toMatch(/operator:test/);
  expect((await infernode('uncordon', '0', '--node', 'node-1', '--holder', 'operator:test')).stdout).toMatch(
    /not cordoned/,
  );
});
