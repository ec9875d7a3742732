/** Whether a device can be reached, and how fast: by return codes of the lookup and by the time that readings take. */
import { ok, unknown, type DeviceCheck } from './device-check.js';
import { companion } from './read-values.js';

const lookup = 'nvmlDeviceGetHandleByIndex_v2';
/** 999, 11 and 17 in the data's row. */
const unclearCodes: ReadonlySet<string> = new Set([
  'NVML_ERROR_UNKNOWN',
  'NVML_ERROR_IRQ_ISSUE',
  'NVML_ERROR_OPERATING_SYSTEM',
]);

/** On a lookup, 999 commonly means that the device dropped off the bus. Once may be chance. */
const gpuHandleUnknown: DeviceCheck = {
  id: 'gpu_handle_unknown',
  evaluate({ sample, stuck, failedLookups }, limit) {
    if (!sample || stuck) return unknown;
    if (sample.error === null) return ok;
    const { call, code } = sample.error;
    if (call !== lookup || !unclearCodes.has(code)) return unknown;
    return failedLookups >= (limit.configured ?? companion(limit, 'count'))
      ? { state: 'firing', reason: `the handle cannot be had (${code} from ${call})` }
      : unknown;
  },
};

const powerCable: DeviceCheck = {
  id: 'power_cable',
  evaluate({ sample, stuck }) {
    if (!sample || stuck) return unknown;
    if (sample.error?.code === 'NVML_ERROR_INSUFFICIENT_POWER')
      return {
        state: 'firing',
        reason: `auxiliary power is missing (${sample.error.code} from ${sample.error.call})`,
      };
    return sample.error ? unknown : ok;
  },
};

const enoughSweeps = 20;
const clearSweeps = 10;

/** 95th percentile of the time that a reading of the fast class takes. Configured: ms. */
const nvmlSlow: DeviceCheck = {
  id: 'nvml_slow',
  evaluate({ sample, stuck, sweepSeconds }, { level }) {
    if (!sample || sample.error || stuck || sweepSeconds.length < clearSweeps) return unknown;
    const sorted = sweepSeconds.slice(-enoughSweeps).sort((a, b) => a - b);
    const p95 = (sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0) * 1000;
    return p95 > level ? { state: 'firing', reason: `a reading takes more than ${level} ms` } : ok;
  },
  clears: ({ sweepSeconds }, { level }) =>
    sweepSeconds.length >= clearSweeps &&
    sweepSeconds.slice(-clearSweeps).every((seconds) => seconds * 1000 < level / 2),
};

export const presenceChecks: readonly DeviceCheck[] = [gpuHandleUnknown, powerCable, nvmlSlow];
