import { ok, unknown, unsupported, type DeviceCheck } from './device-check.js';

/**
 * The driver could not replace a bad memory row: the part must be replaced. The flag is permanent, so that the condition
 * stays after every reading is good; it goes with the part (another serial number) or when an operator acknowledges it.
 */
export const rowRemapFailure: DeviceCheck = {
  id: 'row_remap_failure',
  evaluate({ sample }, { value, configured }) {
    if (!sample || sample.error) return unknown;
    const flag = sample.reading.rowRemapFailure;
    if (flag === null) return unsupported;
    return flag >= (configured ?? value)
      ? { state: 'firing', reason: 'a memory row could not be remapped' }
      : ok;
  },
  clears: () => false,
};
