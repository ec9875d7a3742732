import { verdictOfRecoveryAction } from '../classify-fault.js';
import { ok, unknown, unsupported, type DeviceCheck } from './device-check.js';

/** The driver's own verdict, NVML field 230 (R570 and newer). It outranks our tables; an unknown value is critical. */
export const recoveryAction: DeviceCheck = {
  id: 'recovery_action',
  evaluate({ sample }) {
    if (!sample || sample.error) return unknown;
    const value = sample.reading.recoveryAction;
    if (value === null) return unsupported;
    if (value === 0) return ok;
    const { severity, action, advice, reason } = verdictOfRecoveryAction(value);
    return { state: 'firing', severity, action, advice, reason };
  },
};
