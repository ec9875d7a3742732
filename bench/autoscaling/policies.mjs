import { decideReplicas, ScalingMemory } from '../../dist/autoscaling/decide-replicas.js';
import { LoadForecast } from '../../dist/autoscaling/forecast-load.js';
import { defaultPolicy } from '../../dist/autoscaling/scaling-types.js';

/**
 * @typedef {object} Look what a policy can see; `null` members are readings that are missing
 * @property {number} ready
 * @property {number} warming
 * @property {number | null} queued requests
 * @property {number | null} running
 * @property {number | null} backlogSeconds
 * @property {number | null} sloRatio
 * @property {number | null} ttftP99Ms
 * @property {number | null} kvCacheUsage
 * @property {number | null} incoming requests per second
 * @property {number} reporting
 * @property {number} ageMs
 */

/** Each is asked every `everySeconds` for the replicas that should exist. */
export function policies({ minReplicas, maxReplicas, slots, loadSeconds }) {
  return {
    'infernode, signals': () => infernode({ ...defaultPolicy, rules: [], minReplicas, maxReplicas }),
    'infernode, signals and forecast': () =>
      infernode({
        ...defaultPolicy,
        rules: [],
        minReplicas,
        maxReplicas,
        forecastLoadTimeMs: loadSeconds * 1000,
      }),
    'infernode, classic rules': () => infernode({ ...defaultPolicy, minReplicas, maxReplicas }),
    'HPA on queue (10 per replica)': () => hpaOnQueue({ minReplicas, maxReplicas, target: 10 }),
    'KubeAI (active requests, 10 min mean, 24 per replica)': () =>
      kubeAi({ minReplicas, maxReplicas, target: 0.75 * slots }),
  };
}

function infernode(policy) {
  const memory = new ScalingMemory();
  const forecast = new LoadForecast();
  return {
    everySeconds: 5,
    decide(look, second) {
      const signals = {
        model: 'm',
        replicas: { ready: look.ready, warming: look.warming, asleep: 0 },
        reporting: look.reporting,
        queue: { requests: look.queued ?? 0, tokens: 0 },
        running: look.running ?? 0,
        backlogSeconds: look.backlogSeconds,
        kvCacheUsage: look.kvCacheUsage === null ? null : { mean: look.kvCacheUsage, max: look.kvCacheUsage },
        sloRatio: look.sloRatio,
        ttftP99Ms: look.ttftP99Ms,
        gpuUtilizationRatio: null,
        incomingPerSecond: look.incoming,
        inputAgeMs: look.ageMs,
      };
      forecast.observe(signals, policy, second * 1000);
      signals.forecastReplicas = forecast.replicas(policy, second * 1000);
      return decideReplicas(signals, policy, memory, second * 1000).desired;
    },
  };
}

/** Kubernetes' own formula each 15 s: ratio with 10 % tolerance, 300 s stabilization downwards; no value, no change. */
function hpaOnQueue({ minReplicas, maxReplicas, target }) {
  const recommended = [];
  return {
    everySeconds: 15,
    decide({ ready, warming, queued }, second) {
      const current = ready + warming;
      if (queued === null) return current;
      const ratio = queued / (target * Math.max(1, ready));
      const wanted = Math.abs(ratio - 1) <= 0.1 ? current : Math.ceil(ready * ratio);
      recommended.push({ second, wanted: clamp(wanted, minReplicas, maxReplicas) });
      while (recommended[0].second < second - 300) recommended.shift();
      const highest = Math.max(...recommended.map((one) => one.wanted));
      const now = recommended.at(-1).wanted;
      return now > current ? now : Math.min(current, highest);
    },
  };
}

/** KubeAI's: mean of the active requests over ten minutes / target, each 10 s, a scale-down after 30 s of agreement. */
function kubeAi({ minReplicas, maxReplicas, target }) {
  const active = [];
  let downSince = null;
  return {
    everySeconds: 10,
    decide({ ready, warming, queued, running }, second) {
      const current = ready + warming;
      if (queued !== null) active.push({ second, value: queued + running });
      while (active.length > 0 && active[0].second < second - 600) active.shift();
      if (active.length === 0) return current;
      const mean = active.reduce((sum, { value }) => sum + value, 0) / active.length;
      const wanted = clamp(Math.ceil(mean / target), minReplicas, maxReplicas);
      if (wanted >= current) {
        downSince = null;
        return wanted;
      }
      downSince ??= second;
      return second - downSince >= 30 ? wanted : current;
    },
  };
}

const clamp = (value, least, most) => Math.max(least, Math.min(most, value));
