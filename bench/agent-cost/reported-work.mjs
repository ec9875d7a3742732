// Work as coordinators tell it to the agent.

/**
 * As one coordinator reports its leases and hears those of the others: each request is placed, has its first token and is done, told in deltas
 * each 50 ms. Nothing reaches the engines; the agent does all that it does for real requests.
 */
export async function startWork(agent, perSecond) {
  const everyMs = 50;
  const perStep = (perSecond * everyMs) / 1000;
  const { state } = await agent.client.getNode();
  const watch = agent.client.watchNode({ onUpdate: () => undefined, onEnd: () => undefined }, 'other');
  const stream = agent.client.reportWork({
    onAck: () => undefined,
    onDrain: () => undefined,
    onEnd: () => undefined,
  });
  let sequence = 0;
  let next = 0;
  stream.write({
    kind: 'opening',
    sequence: sequence++,
    coordinator: 'bench',
    chainVersion: 'bench',
    seedFingerprint: '',
    leases: [],
  });
  const lives = [];
  const timer = setInterval(() => {
    const events = [];
    for (let i = 0; i < perStep; i++) {
      const { id: engineId, incarnation } = state.engines[next % state.engines.length];
      const id = String(next++);
      const lease = { id, requestId: id, engineId, incarnation, tokens: 1000, uncachedTokens: 200 };
      events.push({ kind: 'placed', lease: { ...lease, chain: new Uint8Array(), started: false }, ageMs: 0 });
      lives.push(id);
    }
    // A request lasts for a second, and its first token comes after half of it.
    const half = lives.length - perSecond / 2;
    for (const id of half > 0 ? lives.slice(Math.max(0, half - perStep), half) : [])
      events.push({ kind: 'first-token', id, cachedTokens: 800, ageMs: 0 });
    while (lives.length > perSecond) events.push({ kind: 'done', id: lives.shift(), ageMs: 0 });
    stream.write({ kind: 'delta', sequence: sequence++, events });
  }, everyMs);
  return {
    stop() {
      clearInterval(timer);
      stream.cancel();
      watch.cancel();
    },
  };
}
