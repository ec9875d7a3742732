// A second coordinator beside the one of `infernode up`: real agents with supervised simulated vLLM engines, and two real
// gateways in front of them. Each finds what the other has placed, by load and by cache, and a cordon holds for both.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { coordinatorSchema } from '../../src/config/coordinator-config.js';
import { runCoordinator, type RunningCoordinator } from '../../src/coordinator.js';
import { ClusterServiceClient } from '../../src/rpc/cluster-service-client.js';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { PlacementServiceClient } from '../../src/rpc/placement-service-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { eventually, startUp, type RunningUp } from '../support/running-up.js';
import { openStream } from '../support/sse-client.js';

let up: RunningUp;
let second: RunningCoordinator;
let view: ClusterServiceClient;
let placement: PlacementServiceClient;
let model: string;
const any = '127.0.0.1:0';

beforeAll(async () => {
  up = await startUp();
  second = await runCoordinator(
    coordinatorSchema.parse({
      listen: { gateway: any, control: any, probe: any, metrics: any },
      agents: up.ready.agents.map(({ grpc }) => ({ address: grpc })),
    }),
    { clock: systemClock, logger: silentLogger(), version: '1.2.3' },
  );
  view = new ClusterServiceClient({ address: second.addresses.control });
  placement = new PlacementServiceClient({ address: second.addresses.control });
  await eventually('work is shared', async () => {
    const { endpoints } = await view.getCluster();
    model = endpoints[0]?.model ?? '';
    return endpoints.length === up.ready.engines.length && endpoints.every(({ sharedView }) => sharedView);
  });
}, 120_000);
afterAll(async () => {
  view.close();
  placement.close();
  await second.close();
  await up.interrupt();
});

const ask = (gateway: string, content: string, maxTokens: number) =>
  openStream(gateway, {
    model,
    messages: [{ role: 'user', content }],
    max_tokens: maxTokens,
    ignore_eos: true,
  });
const inFlight = async (): Promise<number> =>
  (await view.getCluster()).endpoints.reduce((sum, endpoint) => sum + endpoint.inFlight, 0);

test('what one gateway sends, the other counts while it runs, and finds in the cache afterwards', async () => {
  const gateway2 = `http://${second.addresses.gateway}`;
  for (let conversation = 0; conversation < 3; conversation += 1) {
    const prompt = `conversation ${conversation} ${`word${conversation} `.repeat(1500)}`;
    const first = ask(up.ready.gateway, prompt, 200);
    await eventually('the second coordinator counts it', async () => (await inFlight()) === 1);
    const { endpoint, status } = await first.result;
    await eventually('and sees it end', async () => (await inFlight()) === 0);
    const messages = [{ role: 'user', content: `${prompt} and more` }];
    const { candidates } = await placement.explain({
      model,
      requestJson: JSON.stringify({ model, messages }),
    });
    expect(candidates.filter(({ depth }) => depth > 1).map((candidate) => candidate.endpoint)).toEqual([
      endpoint,
    ]);
    const again = await ask(gateway2, `${prompt} and more`, 2).result;
    expect([status, again.status, again.endpoint]).toEqual([200, 200, endpoint]);
  }
});

test('a cordon at an agent holds for both gateways', async () => {
  const { node, id, devices } = up.ready.engines[0]!;
  const agent = new NodeServiceClient({ address: up.ready.agents.find((a) => a.node === node)!.grpc });
  await agent.cordonDevice({ device: devices[0]!, holder: 'operator:test' });
  agent.close();
  const cordoned = `${node}/${id}`;
  await eventually('the second coordinator heeds it', async () =>
    (await view.getCluster()).endpoints.some((endpoint) => endpoint.id === cordoned && !endpoint.eligible),
  );
  const gateways = [up.ready.gateway, `http://${second.addresses.gateway}`];
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, i) => ask(gateways[i % 2]!, `question ${i}`, 2).result),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(answers.map(({ endpoint }) => endpoint)).not.toContain(cordoned);
});
