import { ok, unknown, type DeviceCheck } from './device-check.js';

/**
 * A device of the stored inventory is not in the driver's list. A device that the sampler leaves out because a call on it
 * hangs is not missing. An operator accepts a smaller inventory by `UncordonDevice` with holder `health:gpu_missing`.
 */
export const gpuMissing: DeviceCheck = {
  id: 'gpu_missing',
  evaluate({ identity, driver, sample, stuck }) {
    if (sample) return ok;
    if (stuck || (driver.state !== 'ok' && driver.state !== 'no-device')) return unknown;
    const { pciBusId, serial } = identity;
    const part = serial === null ? '' : `, serial ${serial}`;
    return { state: 'firing', reason: `the driver no longer lists this device (PCI ${pciBusId}${part})` };
  },
};
