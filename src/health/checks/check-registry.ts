import { configChecks } from './config-checks.js';
import type { DeviceCheck } from './device-check.js';
import { driverNotLoaded } from './driver-not-loaded.js';
import { eccUncorrected } from './ecc-uncorrected.js';
import { gpuMissing } from './gpu-missing.js';
import { gpuUnavailableEvent } from './gpu-unavailable-event.js';
import { memoryChecks } from './memory-checks.js';
import { nvlinkChecks } from './nvlink-checks.js';
import { nvmlCallHang } from './nvml-call-hang.js';
import { pcieChecks } from './pcie-checks.js';
import { presenceChecks } from './presence-checks.js';
import { recoveryAction } from './recovery-action.js';
import { gpuLost, gpuResetRequired } from './return-code-check.js';
import { rmInitFailed } from './rm-init-failed.js';
import { rowRemapFailure } from './row-remap-failure.js';
import { staleSample } from './stale-sample.js';
import { tempGpu } from './temp-gpu.js';
import { thermalPowerChecks } from './thermal-power-checks.js';
import { workloadChecks } from './workload-checks.js';

/**
 * Every check that is evaluated against samples, by id. Checks that events fire (`xid`, and a few that are both) are in
 * `classify-fault.ts`. A new check is a file here and a line below; the tests enumerate this list.
 */
export const deviceChecks: ReadonlyMap<string, DeviceCheck> = new Map(
  [
    driverNotLoaded,
    nvmlCallHang,
    staleSample,
    gpuMissing,
    gpuLost,
    gpuResetRequired,
    gpuUnavailableEvent,
    rmInitFailed,
    recoveryAction,
    eccUncorrected,
    rowRemapFailure,
    tempGpu,
    ...presenceChecks,
    ...memoryChecks,
    ...thermalPowerChecks,
    ...pcieChecks,
    ...nvlinkChecks,
    ...configChecks,
    ...workloadChecks,
  ].map((check) => [check.id, check]),
);
