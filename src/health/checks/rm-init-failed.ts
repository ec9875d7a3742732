import { unknown, type DeviceCheck } from './device-check.js';

/**
 * The driver could not start the adapter. Only a line of the kernel log fires this (see `classify-finding.ts`); a device that answers
 * again clears it, by the row's rule.
 */
export const rmInitFailed: DeviceCheck = {
  id: 'rm_init_failed',
  evaluate: () => unknown,
  clears: ({ sample, stuck }) => sample !== null && sample.error === null && stuck === null,
};
