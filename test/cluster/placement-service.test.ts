/**
 * `PlacementService` over real gRPC: other gateways place, report and release; explanations agree with what the gateway
 * then does; bad requests get a reason; leases that nobody releases end.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { coordinatorSchema } from '../../src/config/coordinator-config.js';
import { runCoordinator } from '../../src/coordinator.js';
import { chainVersion } from '../../src/gateway/request/prefix-chain.js';
import { ClusterServiceClient } from '../../src/rpc/cluster-service-client.js';
import { PlacementServiceClient } from '../../src/rpc/placement-service-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { FakeAgent } from '../support/fake-agent.js';
import { aDeviceStatus, anEngineStatus } from '../support/node-fixtures.js';
import { eventually, mainFile } from '../support/running-up.js';
import { answerStream, ScriptedEngine } from '../support/scripted-engine.js';
import { openStream } from '../support/sse-client.js';

const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function setUp(nodes: string[], maxConcurrentRequests = 2) {
  const engine = await ScriptedEngine.start(answerStream);
  closers.push(() => engine.close());
  const agents = [];
  for (const node of nodes) {
    const engines = [anEngineStatus('chat-0', { url: engine.url, maxConcurrentRequests })];
    const devices = [aDeviceStatus(0)];
    const agent = await new FakeAgent({ node, machineId: `m-${node}`, devices, engines }).start();
    closers.push(() => agent.stop());
    agents.push({ address: agent.address });
  }
  const any = '127.0.0.1:0';
  const coordinator = await runCoordinator(
    coordinatorSchema.parse({
      listen: { gateway: any, control: any, probe: any, metrics: any },
      agents,
      models: { model: { aliases: ['chat'] } },
    }),
    { clock: systemClock, logger: silentLogger(), version: '1.2.3' },
  );
  const { control, gateway } = coordinator.addresses;
  const placement = new PlacementServiceClient({ address: control });
  const cluster = new ClusterServiceClient({ address: control });
  closers.push(
    () => coordinator.close(),
    () => placement.close(),
    () => cluster.close(),
  );
  const inFlight = async () =>
    (await cluster.getCluster()).endpoints.reduce((sum, endpoint) => sum + endpoint.inFlight, 0);
  return { placement, inFlight, gateway: `http://${gateway}`, control };
}

const ask = (content: string) => JSON.stringify({ model: 'chat', messages: [{ role: 'user', content }] });
const story = 'Once upon a time there was a cluster. '.repeat(200);

it('places, takes the first token, and releases once', async () => {
  const { placement, inFlight } = await setUp(['gpu-a', 'gpu-b']);
  const placed = await placement.place({ model: 'chat', requestJson: ask(story) });
  expect(placed).toMatchObject({ model: 'model', outcome: 'home', sharedView: false });
  expect(placed.url).toMatch(/^http:/);
  expect(await inFlight()).toBe(1);
  expect(await placement.firstToken(placed.leaseId, 0)).toEqual({ found: true });
  expect(await placement.release(placed.leaseId)).toEqual({ found: true });
  expect(await placement.release(placed.leaseId)).toEqual({ found: false });
  expect(await placement.firstToken(placed.leaseId)).toEqual({ found: false });
  expect(await inFlight()).toBe(0);
});

it('explains what the gateway does then, and changes nothing by it', async () => {
  const { placement, inFlight, gateway } = await setUp(['gpu-a', 'gpu-b', 'gpu-c']);
  const explained = await placement.explain({ model: 'chat', requestJson: ask(story) });
  expect(explained).toMatchObject({ strategy: 'chwbl', outcome: 'home', keyIndex: 0, refused: [] });
  expect(explained.endpoint).toBe(explained.home);
  expect(explained.candidates).toHaveLength(3);
  expect(await inFlight()).toBe(0);
  const { endpoint } = await openStream(gateway, JSON.parse(ask(story)) as Record<string, unknown>).result;
  expect(endpoint).toBe(explained.endpoint);
  const again = await placement.explain({ model: 'chat', requestJson: ask(story) });
  const chosen = again.candidates.find((candidate) => candidate.endpoint === endpoint);
  expect(chosen).toMatchObject({ depth: again.blocks, uncachedTokens: 0 });
});

it('takes ready-made chains of its own version only', async () => {
  const { placement } = await setUp(['gpu-a']);
  const chain = { blocks: ['1', '2', '9007199254740991'], tokens: 1500 };
  const good = await placement.explain({ model: 'model', chain: { ...chain, chainVersion } });
  expect(good).toMatchObject({ blocks: 3, tokens: 1500, endpoint: 'gpu-a/chat-0' });
  await expect(
    placement.place({ model: 'model', chain: { ...chain, chainVersion: 'other' } }),
  ).rejects.toThrow(`expected chain_version ${chainVersion}`);
  await expect(
    placement.place({ model: 'model', chain: { chainVersion, blocks: ['9007199254740992'], tokens: 1 } }),
  ).rejects.toMatchObject({ code: 'argument-invalid' });
});

it('says why not: unknown model, bad body or path, all tried, full', async () => {
  const { placement } = await setUp(['gpu-a'], 1);
  const refused = (request: object) =>
    placement.place({ model: 'model', ...request }).then(
      () => 'placed',
      (error: { code: string }) => error.code,
    );
  expect(await refused({ model: 'nobody' })).toBe('model-unknown');
  expect(await refused({ requestJson: '{' })).toBe('argument-invalid');
  expect(await refused({ requestJson: ask('x'), path: '/v1/models' })).toBe('argument-invalid');
  expect(await refused({ leaseMs: 3_600_001 })).toBe('argument-invalid');
  expect(await refused({ exclude: ['gpu-a/chat-0'] })).toBe('no-eligible-endpoint');
  expect(await refused({})).toBe('placed');
  expect(await refused({})).toBe('queue-full');
  await expect(placement.release('x', 'nonsense' as 'ok')).rejects.toMatchObject({
    code: 'argument-invalid',
  });
});

it('a lease that nobody releases ends with its time', async () => {
  const { placement, inFlight } = await setUp(['gpu-a']);
  await placement.place({ model: 'model', leaseMs: 1 });
  await eventually('the lease is over', async () => (await inFlight()) === 0);
});

it('five failures in a row open the breaker, as those of the gateway do', async () => {
  const { placement } = await setUp(['gpu-a']);
  for (let i = 0; i < 5; i += 1) {
    const { leaseId } = await placement.place({ model: 'model' });
    await placement.release(leaseId, 'failed');
  }
  const { outcome, refused } = await placement.explain({ model: 'model' });
  expect(outcome).toBe('none-eligible');
  expect(refused).toMatchObject([{ endpoint: 'gpu-a/chat-0', refusal: 'breaker-open' }]);
});

it('`infernode placement explain` shows it to people', async () => {
  const { control } = await setUp(['gpu-a', 'gpu-b']);
  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, [
      mainFile,
      'placement',
      'explain',
      '--coordinator',
      control,
      ...args,
    ]);
  const { stdout } = await run('--model', 'chat', '--prompt', story);
  expect(stdout).toMatch(/^home -> gpu-[ab]\/chat-0: /);
  expect(stdout).toMatch(/chwbl, \d+ tokens in 4 blocks, key is block 0, home gpu-/);
  expect(stdout).toMatch(/gpu-[ab]\/chat-0 {2}0 {5}.*chosen, local view/);
  const json = JSON.parse((await run('--model', 'chat', '--prompt', story, '--json')).stdout) as object;
  expect(json).toMatchObject({ strategy: 'chwbl', outcome: 'home' });
  await expect(run('--model', 'chat')).rejects.toThrow('expected either --prompt or --request');
});
