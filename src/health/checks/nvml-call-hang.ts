import { ok, type DeviceCheck } from './device-check.js';

/**
 * A driver call has not returned. The device is `unknown` from the sampler's deadline on; the condition follows at 10 s and
 * becomes critical at 60 s, because a GSP time-out of the firmware ends by itself after about 45 s.
 * Configured threshold: seconds.
 */
export const nvmlCallHang: DeviceCheck = {
  id: 'nvml_call_hang',
  health: 'unknown',
  evaluate({ stuck }, { value, criticalAt, configured }) {
    const ageSeconds = (stuck?.forMs ?? 0) / 1000;
    if (!stuck || ageSeconds <= (configured ?? value)) return ok;
    return {
      state: 'firing',
      severity: criticalAt !== null && ageSeconds >= criticalAt ? 'critical' : 'warning',
      reason: `the driver call ${stuck.call} has not returned`,
    };
  },
  clears: ({ stuck }) => stuck === null,
};
