import { ok, type DeviceCheck } from './device-check.js';

/**
 * The library or the kernel module is missing (NVML return codes 9 and 12, or no library at all). Devices that the node had
 * before are `unknown`: nobody can look at them. A node that never had one just has no devices.
 */
export const driverNotLoaded: DeviceCheck = {
  id: 'driver_not_loaded',
  health: 'unknown',
  evaluate({ driver }) {
    const missing =
      driver.state === 'library-absent' ||
      driver.state === 'library-unusable' ||
      driver.state === 'init-failed';
    return missing ? { state: 'firing', reason: `the driver cannot be used: ${driver.reason}` } : ok;
  },
};
