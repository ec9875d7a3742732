import { ok, unknown, unsupported, type DeviceCheck } from './device-check.js';

/**
 * The counter of uncorrectable memory errors grew since the last sample. The level alone says only that it happened since
 * the driver was loaded. A counter that went down means a reset and starts a new base.
 */
export const eccUncorrected: DeviceCheck = {
  id: 'ecc_uncorrected',
  evaluate({ sample, previous }, { value, configured }) {
    if (!sample || sample.error) return unknown;
    const now = sample.reading.eccUncorrectedVolatile;
    if (now === null) return unsupported;
    const delta = now - (previous?.eccUncorrectedVolatile ?? now);
    return delta > (configured ?? value)
      ? { state: 'firing', reason: `${delta} new uncorrectable memory errors` }
      : ok;
  },
  /** "Volatile counter is 0 after the reset." */
  clears: ({ sample }) => sample?.reading.eccUncorrectedVolatile === 0,
};
