import type { DeviceSample } from '../../domain/device.js';
import { ok, unknown, unsupported, type DeviceCheck, type Limit } from './device-check.js';

/**
 * Where the part tells neither its margin nor its slowdown temperature and nothing is configured. Our own default, not
 * NVIDIA's: below the slowdown of the data-centre parts we know, above what they reach under full load in a healthy rack.
 */
const fallbackLimitCelsius = 90;
/** The row's clear rule is "margin above 8" for a limit of 5, held for 2 minutes. */
const clearHysteresisCelsius = 3;

/**
 * Too hot: the margin to slowdown is at most 5 degrees, or, where there is a configured threshold or no margin, the
 * temperature has reached that threshold in degrees Celsius.
 */
export const tempGpu: DeviceCheck = {
  id: 'temp_gpu',
  warningDegrades: true,
  clearAfterMs: 120_000,
  evaluate({ sample }, limit) {
    if (!sample || sample.error) return unknown;
    const distance = distanceToLimit(sample, limit);
    if (distance === null) return sample.failed.includes('temperatureCelsius') ? unknown : unsupported;
    const at = `the device is at ${sample.reading.temperatureCelsius ?? '?'} degrees Celsius`;
    return distance <= 0 ? { state: 'firing', reason: `${at}, limit reached` } : ok;
  },
  clears({ sample }, limit) {
    const distance = sample && !sample.error ? distanceToLimit(sample, limit) : null;
    return distance !== null && distance > clearHysteresisCelsius;
  },
};

/** Degrees below the limit; `null` when the temperature cannot be judged. */
function distanceToLimit({ reading, details }: DeviceSample, { value, configured }: Limit): number | null {
  const celsius = reading.temperatureCelsius;
  const slowdown = details.slowdownCelsius;
  const own = slowdown === null || celsius === null ? null : slowdown - celsius;
  const margin = reading.temperatureMarginCelsius ?? own;
  if (configured === null && margin !== null) return margin - value;
  return celsius === null ? null : (configured ?? fallbackLimitCelsius) - celsius;
}
