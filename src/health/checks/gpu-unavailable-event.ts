import { driverEventTypes } from '../../domain/device-details.js';
import { unknown, unsupported, type DeviceCheck } from './device-check.js';
import { absence, valueOf } from './read-values.js';

/**
 * The driver reported the device as unavailable. Only the event fires this (see `classify-fault.ts`); the reading of the
 * recovery action clears it, "None again" by the row's rule. Drivers without that field leave it to the evidence of a reset; those before
 * R570 do not have the event.
 */
export const gpuUnavailableEvent: DeviceCheck = {
  id: 'gpu_unavailable_event',
  evaluate(view) {
    const types = valueOf(view, 'eventTypes');
    if (types === null) return absence(view, 'eventTypes');
    return (types & driverEventTypes.unavailable) === 0 ? unsupported : unknown;
  },
  clears: ({ sample }) => sample !== null && sample.error === null && sample.reading.recoveryAction === 0,
};
