/** What a model's replicas cost, and the advice on other GPUs; from the operator's prices. */
import { cheapestMix, describeMix, ladderAdvice, type GpuPrices } from './cheapest-mix.js';
import type { ModelView } from './collect-signals.js';
import type { ModelScaling } from './scaling-loop.js';
import type { ModelSignals } from './scaling-types.js';

/** `null` without prices for a GPU that runs. GPU types are found in the driver's names: `A10` in `NVIDIA A10`. */
export function costOf(
  { replicas }: Pick<ModelView, 'replicas'>,
  signals: Pick<ModelSignals, 'incomingPerSecond' | 'gpuUtilizationRatio' | 'ttftP99Ms'>,
  prices: GpuPrices | undefined,
): ModelScaling['cost'] {
  if (!prices) return null;
  const names = replicas.filter(({ state }) => state === 'ready').flatMap(({ gpus }) => gpus);
  const hourly = names.map((name) => priceOf(name, prices));
  if (hourly.some((price) => price === undefined)) return null;
  const dollarsPerHour = hourly.reduce<number>((sum, price) => sum + (price ?? 0), 0);
  const { incomingPerSecond, gpuUtilizationRatio, ttftP99Ms } = signals;
  const advice = [
    incomingPerSecond === null ? '' : describeMix(cheapestMix(incomingPerSecond, prices)),
    ladderAdvice(names[0] ?? '', gpuUtilizationRatio, ttftP99Ms),
  ];
  return { dollarsPerHour, advice: advice.filter((part) => part !== '').join('; ') };
}

function priceOf(name: string, { gpus }: GpuPrices): number | undefined {
  const words = name.split(/[\s-]+/).map((word) => word.toLowerCase());
  const type = Object.keys(gpus).find((gpu) => gpu === name || words.includes(gpu.toLowerCase()));
  return type === undefined ? undefined : gpus[type]?.dollarsPerHour;
}
