/**
 * A day of one model as a fluid, second by second: requests arrive, wait, are served by the ready replicas at their rate. A replica that is
 * asked for loads first; one that goes stops at once. Requests that find more than the objective's worth of work before them are late.
 */
export function simulateDay({ rates, policy, replica, startReplicas, blind = () => false, lost = () => 0 }) {
  const { requestsPerSecond, slots, loadSeconds, baseTtftMs, sloMs } = replica;
  let ready = startReplicas;
  let failed = 0;
  let warming = [];
  let queued = 0;
  const seconds = { inTime: 0, all: 0, replica: 0 };
  const changes = [];
  const recent = [];
  let lastSeen = 0;
  for (let second = 0; second < rates.length; second += 1) {
    ready += warming.filter((at) => at <= second).length;
    warming = warming.filter((at) => at > second);
    const down = Math.min(lost(second), ready + failed);
    ready += failed - down;
    failed = down;

    const arriving = rates[second];
    const capacity = ready * requestsPerSecond;
    const backlogSeconds = capacity > 0 ? queued / capacity : queued > 0 ? Infinity : 0;
    const use = capacity > 0 ? Math.min(1, arriving / capacity) : 1;
    // Near saturation a request waits for its turn even without a standing queue (M/M/1 form, capped).
    const ttftMs = Math.min(
      600_000,
      baseTtftMs * (1 + use / Math.max(0.05, 1 - use) / 4) + backlogSeconds * 1000,
    );
    if (ttftMs <= sloMs) seconds.inTime += arriving;
    seconds.all += arriving;
    queued = Math.max(0, queued + arriving - capacity);
    seconds.replica += ready + failed + warming.length;
    recent.push({ ttftMs, arriving });
    if (recent.length > 60) recent.shift();

    if (second % policy.everySeconds !== 0) continue;
    const dark = blind(second);
    if (!dark) lastSeen = second;
    const sorted = recent.map((one) => one.ttftMs).sort((a, b) => a - b);
    const quantile = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
    const seen = (value) => (dark ? null : value);
    const desired = policy.decide(
      {
        ready,
        warming: warming.length,
        reporting: dark ? Math.floor(ready / 3) : ready,
        queued: seen(queued),
        running: seen(ready * slots * use),
        backlogSeconds: seen(backlogSeconds),
        sloRatio: seen(quantile(0.9) / sloMs),
        ttftP99Ms: seen(quantile(0.99)),
        kvCacheUsage: seen(use * 0.9),
        incoming: seen(recent.reduce((sum, one) => sum + one.arriving, 0) / recent.length),
        ageMs: (second - lastSeen) * 1000,
      },
      second,
    );
    const current = ready + failed + warming.length;
    if (desired > current) for (let i = current; i < desired; i += 1) warming.push(second + loadSeconds);
    if (desired < current) {
      const spare = warming.splice(Math.max(0, warming.length - (current - desired)));
      ready = Math.max(0, ready - (current - desired - spare.length));
    }
    if (desired !== current) changes.push({ second, up: desired > current });
  }
  return {
    attainment: seconds.inTime / seconds.all,
    replicaHours: seconds.replica / 3600,
    flaps: flapsIn(changes),
    changes: changes.length,
  };
}

/** Changes that take back, within ten minutes, what the one before did. */
function flapsIn(changes) {
  return changes.filter((change, i) => {
    const before = changes[i - 1];
    return before && before.up !== change.up && change.second - before.second <= 600;
  }).length;
}
