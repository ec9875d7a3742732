import { ok, unknown, type DeviceCheck } from './device-check.js';

/**
 * The newest complete sample is older than three sampling intervals. Where another answer already says why (no driver, device
 * not listed, a call that hangs) this check is silent, and it lets the deadline of a call pass first, so that a hang is told by the name of
 * its call. Configured threshold: intervals.
 */
export const staleSample: DeviceCheck = {
  id: 'stale_sample',
  health: 'unknown',
  evaluate({ driver, sample, stuck, sampleAgeMs, sampleIntervalMs, callDeadlineMs }, { value, configured }) {
    if (driver.state !== 'ok' || !sample || stuck) return ok;
    if (sampleAgeMs === null) return unknown;
    const intervals = configured ?? value;
    return sampleAgeMs > Math.max(intervals * sampleIntervalMs, callDeadlineMs + sampleIntervalMs)
      ? { state: 'firing', reason: `no complete sample for more than ${intervals} intervals` }
      : ok;
  },
};
