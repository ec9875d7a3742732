import { ReplicaModel } from './replica-model.mjs';

/**
 * Runs a workload through replicas and a policy.
 * @param {object} setup
 * @param {import('../trace/read-trace.mjs').TraceRequest[]} setup.requests in order of arrival
 * @param {(context: object) => object} setup.policy
 * @param {{id: string, capacityBlocks: number, speed?: number}[]} setup.replicas
 * @param {{atMs: number, kind: 'join'|'leave'|'kill', replica: object}[]} [setup.changes]
 */
export function simulate({ requests, policy: createPolicy, replicas, changes = [], model = {} }) {
  const run = { records: new Map(), rerouted: 0, lost: 0, endMs: 0, promptTokens: 0, cachedTokens: 0 };
  const live = new Map();
  const gone = [];
  const policy = createPolicy({ live });
  const listener = {
    firstToken(replica, request, nowMs, cachedTokens) {
      const record = run.records.get(request.id);
      record.ttftMs = nowMs - record.atMs;
      run.cachedTokens += cachedTokens;
      run.promptTokens += request.tokens;
      policy.firstToken?.(request, nowMs, cachedTokens, replica.id);
    },
    done(replica, request, nowMs) {
      run.records.get(request.id).doneMs = nowMs;
      run.endMs = Math.max(run.endMs, nowMs);
      policy.done?.(request, nowMs, replica.id);
    },
  };
  const join = (replica) => {
    live.set(replica.id, new ReplicaModel(replica.id, { ...model, ...replica, listener }));
    policy.join(replica.id, replica);
  };
  const place = (request, nowMs) => {
    const replica = live.get(policy.place(request, nowMs));
    run.records.get(request.id).replica = replica.id;
    replica.enqueue(request, nowMs);
  };
  for (const replica of replicas) join(replica);

  const apply = {
    join: ({ replica }) => join(replica),
    leave({ replica }) {
      gone.push(live.get(replica.id));
      live.delete(replica.id);
      policy.leave(replica.id);
    },
    kill({ replica, atMs }) {
      const dead = live.get(replica.id);
      live.delete(replica.id);
      policy.leave(replica.id);
      const { waiting, streaming } = dead.abandon();
      for (const request of [...waiting, ...streaming]) policy.done?.(request, atMs, replica.id);
      run.lost += streaming.length;
      run.rerouted += waiting.length;
      for (const request of waiting) place(request, atMs);
    },
  };

  const timeline = [
    ...requests.map((request, index) => ({ atMs: request.atMs, request: { ...request, id: String(index) } })),
    ...changes.map((change) => ({ atMs: change.atMs, change })),
  ].sort((a, b) => a.atMs - b.atMs);
  for (const { atMs, request, change } of timeline) {
    advanceAll([...live.values(), ...gone], atMs);
    if (change) apply[change.kind](change);
    else {
      run.records.set(request.id, { atMs, tokens: request.tokens });
      place(request, atMs);
    }
  }
  advanceAll([...live.values(), ...gone], Infinity);
  return summarise(run, requests);
}

/** Plays the replicas' events in the order of time up to `nowMs`. */
function advanceAll(replicas, nowMs) {
  for (;;) {
    let next = null;
    let nextMs = Infinity;
    for (const replica of replicas) {
      const eventMs = replica.nextEventMs();
      if (eventMs < nextMs) [next, nextMs] = [replica, eventMs];
    }
    if (next === null || nextMs > nowMs) break;
    next.advanceTo(nextMs);
  }
  if (nowMs < Infinity) for (const replica of replicas) replica.advanceTo(nowMs);
}

function summarise(run, requests) {
  const ttfts = [...run.records.values()].filter((r) => r.ttftMs !== undefined).map((r) => r.ttftMs);
  ttfts.sort((a, b) => a - b);
  const at = (share) => ttfts[Math.min(ttfts.length - 1, Math.floor(share * ttfts.length))];
  return {
    requests: ttfts.length,
    meanTtftMs: ttfts.reduce((sum, t) => sum + t, 0) / ttfts.length,
    p50TtftMs: at(0.5),
    p95TtftMs: at(0.95),
    p99TtftMs: at(0.99),
    hitRate: run.cachedTokens / run.promptTokens,
    makespanS: (run.endMs - requests[0].atMs) / 1000,
    tokensPerSecond: run.promptTokens / ((run.endMs - requests[0].atMs) / 1000),
    rerouted: run.rerouted,
    lost: run.lost,
  };
}
