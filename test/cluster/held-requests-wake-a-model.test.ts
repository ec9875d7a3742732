/**
 * A request for a model whose only engine sleeps: the gateway holds it, the coordinator asks the agent once to wake the engine, and
 * the request is served when it is ready. A real coordinator, a fake agent over real gRPC.
 */
import { afterEach, expect, it } from 'vitest';
import { coordinatorSchema } from '../../src/config/coordinator-config.js';
import { runCoordinator } from '../../src/coordinator.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { FakeAgent } from '../support/fake-agent.js';
import { aDeviceStatus, anEngineStatus } from '../support/node-fixtures.js';
import { eventually } from '../support/running-up.js';
import { answerStream, ScriptedEngine } from '../support/scripted-engine.js';
import { openStream } from '../support/sse-client.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('holds the requests, wakes one engine once, and serves', { timeout: 60_000 }, async () => {
  const engine = await ScriptedEngine.start(answerStream);
  closers.push(() => engine.close());
  const asleep = anEngineStatus('chat-0', { url: engine.url, state: 'asleep', origin: 'supervised' });
  const agent = await new FakeAgent({ devices: [aDeviceStatus(0)], engines: [asleep] }).start();
  closers.push(() => agent.stop());
  const any = '127.0.0.1:0';
  const coordinator = await runCoordinator(
    coordinatorSchema.parse({
      listen: { gateway: any, control: any, probe: any, metrics: any },
      agents: [{ address: agent.address }],
    }),
    { clock: systemClock, logger: silentLogger(), version: '1.2.3' },
  );
  closers.push(() => coordinator.close());
  const chat = () =>
    openStream(`http://${coordinator.addresses.gateway}`, {
      model: 'model',
      messages: [{ role: 'user', content: 'hi' }],
    });
  const held = [chat(), chat(), chat()];
  await eventually('the agent is asked to wake it', () => Promise.resolve(agent.asked.length > 0));
  expect(agent.asked).toEqual([{ call: 'WakeEngine', engineId: 'chat-0', expectedEpoch: 'e1' }]);
  agent.change({ engines: [{ ...asleep, state: 'starting' }] });
  agent.change({ engines: [{ ...asleep, state: 'ready' }] });
  for (const { result } of held) expect(await result).toMatchObject({ status: 200, done: true });
  expect(agent.asked).toHaveLength(1);
});
