import { unknown, type DeviceCheck } from './device-check.js';

/**
 * The driver reported the device as unavailable. Only the event fires this (see `classify-fault.ts`); the reading of the
 * recovery action clears it, "None again" by the row's rule. Drivers without that field leave it to the evidence of a reset.
 */
export const gpuUnavailableEvent: DeviceCheck = {
  id: 'gpu_unavailable_event',
  evaluate: () => unknown,
  clears: ({ sample }) => sample !== null && sample.error === null && sample.reading.recoveryAction === 0,
};
