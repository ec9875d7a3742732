/** Temperatures, throttling, power, clocks and fans. Limits are the part's own where it tells them, else the data's. */
import { minuteMs, ok, unknown, type DeviceCheck, type DeviceView } from './device-check.js';
import { absence, holds, valueCheck, valueOf } from './read-values.js';

const windowMs = 10 * minuteMs;
const windowSeconds = windowMs / 1000;

const throttleBit = { softwarePower: 0x4, hardwareSlowdown: 0x8, softwareThermal: 0x20 };

/** Where the part does not tell its own limit: below what HBM2e and HBM3 parts name. Our own default. Configured: degrees. */
const fallbackMemoryCelsius = 95;
const hbmHysteresisCelsius = 3;

function memoryLimit(view: DeviceView, configured: number | null): number {
  return configured ?? valueOf(view, 'memoryMaxCelsius') ?? fallbackMemoryCelsius;
}

const tempHbm = valueCheck(
  'temp_hbm',
  ['memoryTemperatureCelsius'],
  ([celsius], view, { configured }) =>
    celsius >= memoryLimit(view, configured) ? `GPU memory is at ${celsius} degrees Celsius` : null,
  {
    clears: (view, { configured }) =>
      holds(
        view,
        ['memoryTemperatureCelsius'],
        ([celsius]) => celsius <= memoryLimit(view, configured) - hbmHysteresisCelsius,
      ),
    clearAfterMs: 2 * minuteMs,
  },
);

/** Share of the last ten minutes: by the driver's time counter, else by the samples in which the bit was set. */
function slowedRatio({ history }: DeviceView, counters: readonly string[], samples: string): number | null {
  for (const counter of counters) {
    const ns = history.growth(counter, windowMs);
    if (ns !== null) return ns / 1e9 / windowSeconds;
  }
  return sampledRatio(history, samples);
}

/** Against the samples of a full window, so that one sample after the start is not a ratio of one. */
function sampledRatio(history: DeviceView['history'], flag: string): number | null {
  const flagged = history.growth(flag, windowMs);
  return flagged === null ? null : flagged / windowSeconds;
}

function throttleCheck(
  id: string,
  what: string,
  ratioOf: (view: DeviceView) => number | null,
  clearsAt = 0,
): DeviceCheck {
  return {
    id,
    evaluate(view, { level }) {
      if (!view.sample || view.sample.error || view.stuck) return unknown;
      if (valueOf(view, 'throttleReasons') === null) return absence(view, 'throttleReasons');
      const ratio = ratioOf(view);
      if (ratio === null) return unknown;
      return ratio > level
        ? { state: 'firing', reason: `${what} for more than ${level * 100} % of the last 10 minutes` }
        : ok;
    },
    clears(view) {
      const ratio = ratioOf(view);
      return ratio !== null && ratio <= clearsAt;
    },
  };
}

const throttleHwThermal = throttleCheck('throttle_hw_thermal', 'the hardware slowed down for heat', (view) =>
  slowedRatio(view, ['throttleHwThermalNs', 'violationThermalNs'], 'hwThermalSeconds'),
);
const throttlePowerBrake = throttleCheck('throttle_power_brake', 'an external power brake was on', (view) =>
  slowedRatio(view, ['throttlePowerBrakeNs'], 'powerBrakeSeconds'),
);
const throttleHwSlowdown = throttleCheck('throttle_hw_slowdown', 'the hardware slowed down', ({ history }) =>
  sampledRatio(history, 'hwSlowdownSeconds'),
);
/** Normal at full load; recorded so that a loss of speed can be explained. */
const throttleSwPower = throttleCheck(
  'throttle_sw_power',
  'the power cap held clocks down',
  (view) => slowedRatio(view, ['violationPowerNs'], 'swPowerSeconds'),
  0.5,
);

const powerLimitLow = valueCheck(
  'power_limit_low',
  ['powerLimitWatts', 'powerLimitDefaultWatts'],
  ([enforced, byDefault], _, { level }) =>
    byDefault > 0 && enforced / byDefault < level
      ? `the enforced power limit is ${Math.round(enforced)} W, the default ${Math.round(byDefault)} W`
      : null,
);

/** Outside of these a value is no measurement (rule of the data). */
const plausibleWatts = { least: 5, most: 2000 };

/** Three readings in a row that failed or cannot be true. */
const powerUnreadable: DeviceCheck = {
  id: 'power_unreadable',
  evaluate(view, { level }) {
    const { sample, stuck } = view;
    if (!sample || sample.error || stuck) return unknown;
    if (sample.reading.powerWatts === null && !sample.failed.includes('powerWatts'))
      return absence(view, 'powerWatts');
    return view.badPowerReadings >= level
      ? { state: 'firing', reason: `power could not be read ${level} times in a row` }
      : ok;
  },
};

export function isBadPower({ reading, failed }: NonNullable<DeviceView['sample']>): boolean {
  const watts = reading.powerWatts;
  if (watts === null) return failed.includes('powerWatts');
  return watts < plausibleWatts.least || watts > plausibleWatts.most;
}

const busyRatio = 0.8;

/** Under load and without a cap that software set. */
const clocksStuckLow = valueCheck(
  'clocks_stuck_low',
  ['smClockMhz', 'smClockMaxMhz', 'gpuUtilizationRatio', 'throttleReasons'],
  ([mhz, most, busy, reasons], _, { level }) => {
    const capped = (reasons & (throttleBit.softwarePower | throttleBit.softwareThermal)) !== 0;
    return busy > busyRatio && !capped && most > 0 && mhz / most < level
      ? `the SM clock stays at ${mhz} of ${most} MHz under load`
      : null;
  },
  {
    clears: (view) => holds(view, ['smClockMhz', 'smClockMaxMhz'], ([mhz, most]) => mhz / most > 0.7),
    clearAfterMs: 5 * minuteMs,
  },
);

const clockMonitorFault = valueCheck('clock_monitor_fault', ['clockMonitorFault'], ([fault]) =>
  fault !== 0 ? 'the clock monitor reports a fault' : null,
);

const hotForFanCelsius = 60;

const fanFailed = valueCheck(
  'fan_failed',
  ['fanSpeedRatio', 'temperatureCelsius'],
  ([speed, celsius], _, { level }) =>
    speed * 100 <= level && celsius > hotForFanCelsius
      ? `a fan stands still at ${celsius} degrees Celsius`
      : null,
  { clears: (view) => holds(view, ['fanSpeedRatio'], ([speed]) => speed > 0) },
);

export const thermalPowerChecks: readonly DeviceCheck[] = [
  tempHbm,
  throttleHwThermal,
  throttlePowerBrake,
  throttleHwSlowdown,
  throttleSwPower,
  powerLimitLow,
  powerUnreadable,
  clocksStuckLow,
  clockMonitorFault,
  fanFailed,
];
