/** Signs, besides a counter that stands still, that an engine hangs. Each is a phrase for the reason. */
import type { DeviceReading } from '../domain/device.js';

/** vllm-contract 5.4: a worker has not answered for a minute; the second in a row is the early sign of a hang. */
const broadcastWarning = 'No available shared memory broadcast block found';
const warningsWanted = 2;

/**
 * A spinning kernel or collective shows full utilisation at little more than idle power (contract 3.1). An H100 idles at 70 W
 * of 700 W and decodes above 250 W, so a quarter of the limit lies between.
 */
const idlePowerShare = 0.25;
const fullUtilization = 0.98;

export interface StallEvidence {
  /** Latest readings of the engine's devices. */
  readings: readonly Pick<DeviceReading, 'powerWatts' | 'powerLimitWatts' | 'gpuUtilizationRatio'>[];
  /** What the engine has logged since it stands still. */
  log: string;
  /** Devices whose heartbeat, a small captured graph, was not replayed in time. */
  missedHeartbeats: readonly string[];
}

export function stallSigns({ readings, log, missedHeartbeats }: StallEvidence): string[] {
  const warnings = log.split(broadcastWarning).length - 1;
  return [
    ...(readings.length > 0 && readings.every(spinsAtIdlePower)
      ? ['its GPUs show full utilisation near idle power']
      : []),
    ...(warnings >= warningsWanted
      ? [`its log warns ${warnings} times of a worker that does not answer`]
      : []),
    ...missedHeartbeats.map((uuid) => `the heartbeat of ${uuid} is missed`),
  ];
}

function spinsAtIdlePower({
  powerWatts,
  powerLimitWatts,
  gpuUtilizationRatio,
}: StallEvidence['readings'][number]): boolean {
  if (powerWatts === null || powerLimitWatts === null || gpuUtilizationRatio === null) return false;
  return gpuUtilizationRatio >= fullUtilization && powerWatts <= powerLimitWatts * idlePowerShare;
}
