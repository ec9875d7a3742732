/**
 * The one scaling decision. Pure: signals and the time come in, a decision with its reasons comes out; all three outlets
 * (gauges, KEDA, own actuator) show this. What it remembers between calls (cool-downs, how long a rule has held, replica
 * counts of the last minutes) is in `ScalingMemory`, one per model.
 */
import { windowMs } from './gateway-window.js';
import type {
  ModelSignals,
  Proposal,
  ScalingDecision,
  ScalingPolicy,
  SustainedRule,
} from './scaling-types.js';

export class ScalingMemory {
  lastUpAtMs = -Infinity;
  lastDownAtMs = -Infinity;
  /** Times the downward cool-down: doubled when a replica that went was needed again soon, halved when it was not. */
  downCaution = 1;
  /** The last `desired`: what fails does not lower it. */
  desired: number | null = null;
  readonly heldSinceMs = new Map<string, number>();
  /** The step up that is under way: since when, and from how many. */
  step = { sinceMs: -Infinity, from: 0 };
  /** Ready counts of the last minutes, oldest first. */
  readonly readyHistory: { atMs: number; ready: number }[] = [];
}

/**
 * A step down that is taken back within two of its cool-downs was wrong: latency does not fall in proportion to the load, so the one replica
 * less can be over the objective. Each such step makes the next wait longer; at the default of 300 s at most 40 minutes.
 */
const regretCooldowns = 2;
const maxCaution = 8;

/** A latency over its target says that there is too little, and not by how much: that is told by the work that waits. */
const maxRatioGrowth = 1.5;

/** Replicas that become ready later than this after a step were not asked for by it; they come and go for reasons of their own. */
const longestLoadMs = 600_000;

/**
 * Larger steps down than `maxStepDown` keep so much more than what is wanted, and a fleet that is so much larger than what is wanted is not near
 * its edge: caution says nothing about it. By replayed days (`bench/results/autoscaling.md`) a headroom of 1.2 does about as well, and with
 * 1.7 for `farTooMany` a noisy day flaps three times as often.
 */
const headroom = 1.4;
const farTooMany = 2;

/** The history is sampled by the decision itself; this bounds it whatever the decision interval. */
const maxHistory = 256;

export function decideReplicas(
  signals: ModelSignals,
  policy: ScalingPolicy,
  memory: ScalingMemory,
  nowMs: number,
): ScalingDecision {
  rememberReady(signals, policy, memory, nowMs);
  const { ready, warming } = signals.replicas;
  const current = ready + warming;
  const proposals = [
    ...proportional(signals, policy, memory, nowMs),
    ...sustained(signals, policy, memory, nowMs),
  ];
  const floor = { signal: 'minimum', desired: policy.minReplicas, reason: `at least ${policy.minReplicas}` };
  // Several signals: the one that asks for most wins, because each of them alone can be the one that hurts users.
  const wanted = proposals.reduce((best, one) => (one.desired > best.desired ? one : best), floor);
  const limitedBy: string[] = [];
  const next = wanted.desired > current ? limitUp(wanted.desired) : limitDown(wanted.desired);
  const direction = next > current ? 'up' : next < current ? 'down' : 'hold';
  if (direction !== 'hold') learnCaution(direction, policy, memory, nowMs);
  if (direction === 'up') memory.lastUpAtMs = nowMs;
  if (direction === 'down') memory.lastDownAtMs = nowMs;
  const desired = keepPromise();
  memory.desired = desired;
  return {
    model: signals.model,
    desired,
    next,
    current,
    direction,
    reason: explain(direction, wanted, limitedBy),
    signal: wanted.signal,
    proposals,
    limitedBy,
    inputAgeMs: signals.inputAgeMs,
  };

  /**
   * What was asked for stays asked for. Replicas that fail leave `current`: were this to follow, whoever obeys would end those that
   * recover. And a replica that was to go and is still there does not come back because a cool-down holds the next step.
   */
  function keepPromise(): number {
    const held = Math.min(memory.desired ?? next, Math.max(policy.maxReplicas, next));
    if (direction === 'down') return Math.min(next, held);
    const leaving = held < current && limitedBy.includes('cooldown-down');
    return leaving ? Math.max(held, wanted.desired) : Math.max(next, held);
  }

  function limit(name: string, value: number, bound: number, keep: (a: number, b: number) => number): number {
    const limited = keep(value, bound);
    if (limited !== value) limitedBy.push(name);
    return limited;
  }

  /** One step a cool-down, which may be taken in parts: the first sign of a crowd is small, and must not hold back what follows. */
  function limitUp(value: number): number {
    const underWay = nowMs - memory.step.sinceMs < policy.cooldownUpMs;
    const vanished = vanishedTogether(signals, policy, memory, nowMs);
    if (underWay && vanished) return limit('cooldown-up', value, current, Math.min);
    const from = underWay ? memory.step.from : current;
    const size = Math.max(policy.maxStepUp, Math.ceil(policy.stepUpShare * from));
    const bound = Math.max(current, from + (vanished ? policy.blastMaxStepUp : size));
    const name = vanished ? 'blast-radius' : underWay && bound === current ? 'cooldown-up' : 'step-up';
    const stepped = limit(name, value, bound, Math.min);
    const limited = limit('maximum', stepped, Math.max(policy.maxReplicas, current), Math.min);
    if (limited > current && !underWay) memory.step = { sinceMs: nowMs, from: current };
    return limited;
  }

  function limitDown(value: number): number {
    if (value === current) return current;
    if (signals.inputAgeMs > policy.staleAfterMs) return limit('stale-inputs', value, current, Math.max);
    if (signals.reporting < ready * policy.quorum || (ready === 0 && current > 0))
      return limit('quorum', value, current, Math.max);
    if (vanishedTogether(signals, policy, memory, nowMs))
      return limit('blast-radius', value, current, Math.max);
    if (warming > 0) return limit('warming', value, current, Math.max);
    const sinceMs = nowMs - Math.max(memory.lastDownAtMs, memory.lastUpAtMs);
    const caution = value * farTooMany < current ? 1 : memory.downCaution;
    if (sinceMs < policy.cooldownDownMs * caution) return limit('cooldown-down', value, current, Math.max);
    const share = current - Math.floor(policy.stepDownShare * current);
    const bound = Math.min(current - policy.maxStepDown, Math.max(share, Math.ceil(value * headroom)));
    return limit('step-down', value, bound, Math.max);
  }
}

/** Signals that say how many replicas would be enough, in proportion to the ready ones that carry the load now. */
function proportional(
  signals: ModelSignals,
  policy: ScalingPolicy,
  memory: ScalingMemory,
  nowMs: number,
): Proposal[] {
  const { ready, warming } = signals.replicas;
  const proposals: Proposal[] = [];
  const propose = (signal: string, value: number | null, target: number, unit: string): void => {
    if (value === null || !Number.isFinite(value) || value < 0) {
      // Not known: keep what there is.
      proposals.push({ signal, desired: ready + warming, reason: `${signal} is not known` });
      return;
    }
    const enough = Math.ceil((Math.max(ready, 1) * value) / target - 1e-9);
    proposals.push({
      signal,
      desired: enough,
      reason: `${signal} ${value.toFixed(2)}${unit} against ${target}${unit}`,
    });
  };
  propose('slo-ratio', settledRatio(signals, policy, memory, nowMs), policy.sloRatioUp, '');
  propose('backlog', signals.backlogSeconds, policy.backlogTargetSeconds, ' s');
  propose('kv-cache', signals.kvCacheUsage?.mean ?? null, policy.kvCacheTarget, '');
  const perReplica = signals.queue.requests / Math.max(ready, 1);
  propose('queue', perReplica, policy.queuePerReplica, ' requests per replica');
  const { forecastReplicas = null } = signals;
  if (forecastReplicas !== null && Number.isFinite(forecastReplicas))
    proposals.push({
      signal: 'forecast',
      desired: Math.min(forecastReplicas, policy.maxReplicas),
      reason: `the load to come takes ${forecastReplicas} replicas`,
    });
  if (signals.queue.requests + signals.running > 0 && ready + warming === 0)
    proposals.push({
      signal: 'waiting-for-first',
      desired: 1,
      reason: 'requests wait and nothing serves them',
    });
  return proposals;
}

/** Fewer first tokens in a minute have no ninetieth percentile: one slow answer must not start a replica. */
const minSloSamples = 10;

/**
 * Inside the band the ratio is read as "exactly right", so that nothing flaps around one threshold, and so is a bad one of few answers.
 * While it looks back on fewer replicas than there are now it asks for no more, or each crowd would be answered twice.
 */
function settledRatio(
  { sloRatio, sloSamples = minSloSamples, replicas: { ready, warming } }: ModelSignals,
  { sloRatioUp, sloRatioDown }: ScalingPolicy,
  memory: ScalingMemory,
  nowMs: number,
): number | null {
  if (sloRatio === null || sloRatio <= sloRatioDown) return sloRatio;
  if (sloRatio <= sloRatioUp || sloSamples < minSloSamples) return sloRatioUp;
  const asked = nowMs - memory.lastUpAtMs < longestLoadMs;
  const grew = asked && memory.readyHistory.some((one) => one.atMs >= nowMs - windowMs && one.ready < ready);
  const most = grew ? (ready + warming) / Math.max(ready, 1) : maxRatioGrowth;
  return Math.min(sloRatio, most * sloRatioUp);
}

/**
 * Threshold rules that have held for their time. One that removes replicas proposes fewer; since the largest proposal
 * wins, it only takes effect when no other signal needs what there is.
 */
function sustained(
  signals: ModelSignals,
  { rules, cooldownUpMs }: ScalingPolicy,
  memory: ScalingMemory,
  nowMs: number,
): Proposal[] {
  const current = signals.replicas.ready + signals.replicas.warming;
  // Once a step: what a rule adds to is what there was when the step began.
  const from = nowMs - memory.step.sinceMs < cooldownUpMs ? memory.step.from : current;
  return rules.flatMap((rule) => {
    if (!rule.enabled || !holds(rule, signals)) {
      memory.heldSinceMs.delete(rule.id);
      return [];
    }
    const since = memory.heldSinceMs.get(rule.id) ?? nowMs;
    memory.heldSinceMs.set(rule.id, since);
    if (nowMs - since < rule.forMs) return [];
    return [
      {
        signal: rule.id,
        desired: rule.change > 0 ? Math.max(current, from + rule.change) : current + rule.change,
        reason: `${rule.id} has held for ${Math.round((nowMs - since) / 1000)} s`,
      },
    ];
  });
}

function holds(rule: SustainedRule, signals: ModelSignals): boolean {
  const value = rule.signal === 'waiting' ? signals.queue.requests : signals[rule.signal];
  if (value === null || !Number.isFinite(value)) return false;
  return (rule.above !== undefined && value > rule.above) || (rule.below !== undefined && value < rule.below);
}

function rememberReady(
  signals: ModelSignals,
  { blastWindowMs }: ScalingPolicy,
  memory: ScalingMemory,
  nowMs: number,
): void {
  memory.readyHistory.push({ atMs: nowMs, ready: signals.replicas.ready });
  while (
    memory.readyHistory.length > maxHistory ||
    (memory.readyHistory[0]?.atMs ?? nowMs) < nowMs - Math.max(blastWindowMs, windowMs)
  )
    memory.readyHistory.shift();
}

/** Many replicas gone at once is an outage of what they share; replacing all of them at once would make it worse. */
function vanishedTogether(
  signals: ModelSignals,
  { blastShare, blastWindowMs }: ScalingPolicy,
  memory: ScalingMemory,
  nowMs: number,
): boolean {
  const recent = memory.readyHistory.filter(({ atMs }) => atMs >= nowMs - blastWindowMs);
  const peak = Math.max(...recent.map(({ ready }) => ready));
  return peak >= 4 && peak - signals.replicas.ready >= peak * blastShare;
}

function learnCaution(
  direction: 'up' | 'down',
  { cooldownDownMs }: ScalingPolicy,
  memory: ScalingMemory,
  nowMs: number,
): void {
  const soon = nowMs - memory.lastDownAtMs <= regretCooldowns * cooldownDownMs * memory.downCaution;
  const afterDown = memory.lastDownAtMs > memory.lastUpAtMs;
  if (direction === 'up' && afterDown && soon)
    memory.downCaution = Math.min(maxCaution, 2 * memory.downCaution);
  if (direction === 'down' && afterDown) memory.downCaution = Math.max(1, memory.downCaution / 2);
}

function explain(
  direction: ScalingDecision['direction'],
  wanted: Proposal,
  limitedBy: readonly string[],
): string {
  const limits = limitedBy.length ? `; limited by ${limitedBy.join(', ')}` : '';
  return direction === 'hold' && limitedBy.length === 0
    ? 'the load fits what there is'
    : `${wanted.reason}${limits}`;
}
