// 50 streams on two endpoints, one of them evicted in the middle: whoever has no byte yet is answered elsewhere as if
// nothing had happened, whoever has is told the truth, nobody gets anything else, and no lease remains.
import { expect, test } from 'vitest';
import { startGateway } from '../support/gateway-harness.js';
import { answerStream, chunkEvent, ScriptedEngine, startEvents } from '../support/scripted-engine.js';
import { openStream } from '../support/sse-client.js';

test('50 streams', async () => {
  const lost = await ScriptedEngine.start();
  const healthy = await ScriptedEngine.start(answerStream);
  const harness = await startGateway([lost, healthy]);
  const streams = Array.from({ length: 50 }, (_, i) =>
    openStream(harness.url, { model: 'model', messages: [{ role: 'user', content: `request ${i}` }] }),
  );
  // Round robin: half of them are at the endpoint that will be lost. A third of those begin, a third get headers only.
  const calls = await Promise.all(Array.from({ length: 25 }, () => lost.nextCall()));
  calls.forEach(({ response }, i) => {
    if (i % 3 > 0) startEvents(response);
    if (i % 3 === 1) response.write(chunkEvent('begun'));
  });
  const begun = calls.filter((_, i) => i % 3 === 1).length;
  let seen = 0;
  await new Promise<void>((resolve) => {
    for (const { firstByte } of streams) void firstByte.then(() => (seen += 1) === 25 + begun && resolve());
  });

  harness.routing.evict('node-0/engine', 'Xid 79: GPU has fallen off the bus');
  const results = await Promise.all(streams.map(({ result }) => result));
  await Promise.all(calls.map(({ closed }) => closed));

  const interrupted = results.filter(({ error }) => error !== null);
  expect(interrupted).toHaveLength(begun);
  for (const result of interrupted) {
    expect(result).toMatchObject({ status: 200, done: false, text: 'begun', endpoint: 'node-0/engine' });
    expect(result.error).toMatchObject({
      code: 'stream-interrupted',
      message: expect.stringMatching(/Xid 79/) as string,
    });
  }
  const whole = results.filter(({ error }) => error === null);
  for (const result of whole)
    expect(result).toMatchObject({ status: 200, done: true, text: 'Hello.', endpoint: 'node-1/engine' });
  expect(whole.filter(({ attempts }) => attempts === 2)).toHaveLength(25 - begun);
  expect(harness.routing.inFlight()).toBe(0);
  expect(harness.gateway.liveLeases).toBe(0);
  await harness.close();
  await Promise.all([lost.close(), healthy.close()]);
});
