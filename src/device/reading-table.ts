import type { DeviceSample } from '../domain/device.js';

const megahertz = 1e6;

/** Gauges by name: help, and the value of a reading in the base unit; `null` leaves the series out. */
export const readingTable: Record<string, { help: string; value: (device: DeviceSample) => number | null }> =
  {
    temperature_celsius: {
      help: 'Temperature of the GPU die',
      value: ({ reading: r }) => r.temperatureCelsius,
    },
    memory_temperature_celsius: {
      help: 'Temperature of the GPU memory',
      value: ({ reading: r }) => r.memoryTemperatureCelsius,
    },
    power_watts: { help: 'Power drawn by the board', value: ({ reading: r }) => r.powerWatts },
    power_limit_watts: { help: 'Power limit that is enforced', value: ({ reading: r }) => r.powerLimitWatts },
    sm_clock_hertz: { help: 'Clock of the SMs', value: ({ reading: r }) => times(r.smClockMhz, megahertz) },
    memory_clock_hertz: {
      help: 'Clock of the memory',
      value: ({ reading: r }) => times(r.memoryClockMhz, megahertz),
    },
    memory_total_bytes: { help: 'Memory of the device', value: ({ reading: r }) => r.memoryTotalBytes },
    memory_used_bytes: { help: 'Memory in use', value: ({ reading: r }) => r.memoryUsedBytes },
    memory_free_bytes: { help: 'Memory that is free', value: ({ reading: r }) => r.memoryFreeBytes },
    utilization_ratio: {
      help: 'Share of time in which any kernel ran',
      value: ({ reading: r }) => r.gpuUtilizationRatio,
    },
    memory_utilization_ratio: {
      help: 'Share of time in which memory was read or written',
      value: ({ reading: r }) => r.memoryUtilizationRatio,
    },
    throttle_reasons: {
      help: 'Bit mask of the reasons why clocks are held down',
      value: ({ reading: r }) => r.throttleReasons,
    },
    pcie_link_width: { help: 'Lanes of the PCIe link', value: ({ reading: r }) => r.pcieLinkWidth },
    pcie_replays: {
      help: 'PCIe replays since the driver was loaded',
      value: ({ reading: r }) => r.pcieReplayCounter,
    },
    ecc_uncorrected_errors: {
      help: 'Uncorrected memory errors since the driver was loaded',
      value: ({ reading: r }) => r.eccUncorrectedVolatile,
    },
    ecc_corrected_errors: {
      help: 'Corrected memory errors since the driver was loaded',
      value: ({ reading: r }) => r.eccCorrectedVolatile,
    },
    sm_clock_max_hertz: {
      help: 'Highest clock of the SMs',
      value: ({ details }) => times(details.smClockMaxMhz, megahertz),
    },
    power_limit_default_watts: {
      help: 'Power limit that the board has by default',
      value: ({ details }) => details.powerLimitDefaultWatts,
    },
    energy_joules: {
      help: 'Energy used since the driver was loaded',
      value: ({ details }) => details.energyJoules,
    },
    slowdown_temperature_celsius: {
      help: 'Temperature at which the part slows down',
      value: ({ details }) => details.slowdownCelsius,
    },
    temperature_margin_celsius: {
      help: 'Degrees left to the slowdown',
      value: ({ reading }) => reading.temperatureMarginCelsius ?? null,
    },
    fan_speed_ratio: {
      help: 'Speed of the slowest fan',
      value: ({ details }) => details.fanSpeedRatio,
    },
    performance_state: {
      help: 'Number of the performance state; 0 is the fastest',
      value: ({ details }) => details.performanceState,
    },
    bar1_total_bytes: {
      help: 'Size of the BAR1 window',
      value: ({ details }) => details.bar1TotalBytes,
    },
    bar1_used_bytes: {
      help: 'BAR1 window in use',
      value: ({ details }) => details.bar1UsedBytes,
    },
    ecc_enabled: {
      help: '1: ECC is on',
      value: ({ details }) => details.eccEnabled,
    },
    ecc_uncorrected_lifetime_errors: {
      help: 'Uncorrected memory errors in the life of the board',
      value: ({ details }) => details.eccUncorrectedAggregate,
    },
    ecc_corrected_lifetime_errors: {
      help: 'Corrected memory errors in the life of the board',
      value: ({ details }) => details.eccCorrectedAggregate,
    },
    remapped_rows_uncorrectable: {
      help: 'Memory rows remapped for uncorrectable errors',
      value: ({ reading }) => reading.remappedRowsUncorrectable,
    },
    remapped_rows_correctable: {
      help: 'Memory rows remapped for correctable errors',
      value: ({ reading }) => reading.remappedRowsCorrectable,
    },
    row_remap_pending: {
      help: '1: a row remap waits for a reset',
      value: ({ reading }) => reading.rowRemapPending,
    },
    row_remap_failed: {
      help: '1: a row could not be remapped',
      value: ({ reading }) => reading.rowRemapFailure,
    },
    remap_banks_without_spare: {
      help: 'Memory banks without a spare row',
      value: ({ details }) => details.remapBanksNone,
    },
    retired_pages: {
      help: 'Retired memory pages (before Ampere)',
      value: ({ details }) => sum(details.retiredPagesSingleBit, details.retiredPagesDoubleBit),
    },
    recovery_action: {
      help: 'What the driver asks for; 0 is nothing',
      value: ({ reading }) => reading.recoveryAction,
    },
    pcie_link_generation: {
      help: 'Generation of the PCIe link',
      value: ({ reading }) => reading.pcieLinkGeneration,
    },
    pcie_link_generation_max: {
      help: 'Highest generation that part and slot allow',
      value: ({ details }) => details.pcieLinkGenerationMax,
    },
    pcie_link_width_max: {
      help: 'Lanes that part and slot allow',
      value: ({ details }) => details.pcieLinkWidthMax,
    },
    pcie_recoveries: {
      help: 'Retrains of the PCIe link since the driver was loaded',
      value: ({ details }) => details.pcieRecoveryCounter,
    },
    pcie_correctable_errors: {
      help: 'Correctable PCIe errors',
      value: ({ details }) => details.pcieCorrectableErrors,
    },
    pcie_nonfatal_errors: {
      help: 'Non-fatal PCIe errors',
      value: ({ details }) => details.pcieNonFatalErrors,
    },
    pcie_fatal_errors: {
      help: 'Fatal PCIe errors',
      value: ({ details }) => details.pcieFatalErrors,
    },
    pcie_transmitted_bytes: {
      help: 'Bytes sent over PCIe; may wrap',
      value: ({ details }) => details.pcieTxBytes,
    },
    pcie_received_bytes: {
      help: 'Bytes received over PCIe; may wrap',
      value: ({ details }) => details.pcieRxBytes,
    },
    throttled_power_seconds: {
      help: 'Time held down by the power cap since the driver was loaded',
      value: ({ details }) => times(details.violationPowerNs, 1e-9),
    },
    throttled_thermal_seconds: {
      help: 'Time held down for heat since the driver was loaded',
      value: ({ details }) => times(details.violationThermalNs, 1e-9),
    },
    throttled_power_brake_seconds: {
      help: 'Time held down by an external power brake',
      value: ({ details }) => times(details.throttlePowerBrakeNs, 1e-9),
    },
    persistence_mode: {
      help: '1: persistence mode is on',
      value: ({ details }) => details.persistenceMode,
    },
    mig_enabled: {
      help: '1: MIG is on',
      value: ({ details }) => details.migMode,
    },
    reads_put_off: {
      help: 'Readings put off because their class took long the time before',
      value: ({ details }) => details.readsPutOff,
    },
  };

function times(value: number | null, factor: number): number | null {
  return value === null ? null : value * factor;
}

function sum(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}
