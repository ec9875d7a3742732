/**
 * What the load costs, and which GPUs would carry it for least. Advice only: replicas of one model differ in GPU type by their templates,
 * which no autoscaler changes. Prices and capacities are the operator's, measured for the model.
 */
import type { AutoscalingConfig } from '../config/autoscaling-config.js';

export type GpuPrices = NonNullable<AutoscalingConfig['cost']>;

export interface GpuMix {
  /** Replicas by GPU type, on demand and spot apart. */
  counts: { gpu: string; spot: boolean; replicas: number }[];
  dollarsPerHour: number;
  requestsPerSecond: number;
}

/** The order in which a replica is made larger (source documents). */
export const gpuLadder = ['T4', 'L4', 'A10', 'A100', 'H100'] as const;
const upUtilization = 0.9;
const upLatencyMs = 1000;
const downUtilization = 0.3;
/** Load in steps of 1/64 of the whole: a mix is at most so much larger than it must be. */
const steps = 64;

/**
 * The cheapest mix that carries `requestsPerSecond`; `null` when what is available does not suffice. Exact but for the rounding of
 * loads to 64 steps: dynamic programming over what is still to carry, one type after the other.
 */
export function cheapestMix(requestsPerSecond: number, { gpus, maxSpotShare }: GpuPrices): GpuMix | null {
  if (!(requestsPerSecond > 0)) return { counts: [], dollarsPerHour: 0, requestsPerSecond: 0 };
  const spotSteps = Math.floor(steps * maxSpotShare);
  const spot = Object.entries(gpus).flatMap(([gpu, { spotDollarsPerHour, ...rest }]) =>
    spotDollarsPerHour === undefined
      ? []
      : [{ gpu, spot: true, ...rest, dollarsPerHour: spotDollarsPerHour }],
  );
  const onDemand = Object.entries(gpus).map(([gpu, rest]) => ({ gpu, spot: false, ...rest }));
  const step = requestsPerSecond / steps;
  const onSpot = bestCosts(spot, step);
  const firm = bestCosts(onDemand, step);
  let best: { dollars: number; counts: GpuMix['counts'] } | null = null;
  for (let carried = 0; carried <= spotSteps; carried += 1) {
    const [a, b] = [onSpot[carried], firm[steps - carried]];
    if (a && b && (best === null || a.dollars + b.dollars < best.dollars))
      best = { dollars: a.dollars + b.dollars, counts: [...a.counts, ...b.counts] };
  }
  if (best === null) return null;
  const counts = best.counts.filter(({ replicas }) => replicas > 0);
  const capacity = counts.reduce(
    (sum, { gpu, replicas }) => sum + replicas * (gpus[gpu]?.requestsPerSecond ?? 0),
    0,
  );
  return { counts, dollarsPerHour: best.dollars, requestsPerSecond: capacity };
}

interface Offer {
  gpu: string;
  spot: boolean;
  dollarsPerHour: number;
  requestsPerSecond: number;
  available?: number | undefined;
}
type Best = { dollars: number; counts: GpuMix['counts'] } | null;

/** For each number of steps to carry the cheapest way; `null` where there is none. */
function bestCosts(offers: readonly Offer[], step: number): Best[] {
  let best: Best[] = Array.from({ length: steps + 1 }, (_, i) =>
    i === 0 ? { dollars: 0, counts: [] } : null,
  );
  for (const { gpu, spot, dollarsPerHour, requestsPerSecond, available = Infinity } of offers) {
    const before = best;
    best = before.map((_, load) => {
      let found: Best = null;
      for (let replicas = 0; replicas <= Math.min(available, steps); replicas += 1) {
        const rest = Math.max(0, Math.ceil(load - (replicas * requestsPerSecond) / step - 1e-9));
        const other = before[rest];
        const dollars = (other?.dollars ?? Infinity) + replicas * dollarsPerHour;
        if (other && (found === null || dollars < found.dollars))
          found = { dollars, counts: [...other.counts, { gpu, spot, replicas }] };
        if (rest === 0) break;
      }
      return found;
    });
  }
  return best;
}

/** A step up or down the ladder: up when busy and late, down when idle; empty when it fits or the GPU is not on the ladder. */
export function ladderAdvice(gpu: string, utilization: number | null, ttftP99Ms: number | null): string {
  const at = gpuLadder.findIndex((name) => new RegExp(`\\b${name}\\b`, 'i').test(gpu));
  if (at < 0 || utilization === null) return '';
  const up = gpuLadder[at + 1];
  if (up && utilization > upUtilization && (ttftP99Ms ?? 0) > upLatencyMs)
    return `${gpuLadder[at]} is busy and late: ${up} next`;
  const down = gpuLadder[at - 1];
  return down && utilization < downUtilization ? `${gpuLadder[at]} is idle: ${down} would do` : '';
}

export function describeMix(mix: GpuMix | null): string {
  if (mix === null) return 'no mix of the available GPUs carries the load';
  const parts = mix.counts.map(({ gpu, spot, replicas }) => `${replicas} x ${gpu}${spot ? ' (spot)' : ''}`);
  return parts.length > 0
    ? `cheapest: ${parts.join(' + ')}, ${mix.dollarsPerHour.toFixed(2)} $ per hour`
    : '';
}
