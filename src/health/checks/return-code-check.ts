import { ok, unknown, type DeviceCheck } from './device-check.js';

/** A check that fires on one NVML return code of a read on the device, and clears when the handle works again. */
export function returnCodeCheck(id: string, code: string, says: string): DeviceCheck {
  return {
    id,
    evaluate({ sample, stuck }) {
      if (!sample || stuck) return unknown;
      if (sample.error?.code === code)
        return { state: 'firing', reason: `${says} (${code} from ${sample.error.call})` };
      return sample.error ? unknown : ok;
    },
  };
}

/** Same meaning as Xid 79. */
export const gpuLost = returnCodeCheck('gpu_lost', 'NVML_ERROR_GPU_IS_LOST', 'the device is lost');

export const gpuResetRequired = returnCodeCheck(
  'gpu_reset_required',
  'NVML_ERROR_RESET_REQUIRED',
  'the driver wants the device to be reset',
);
