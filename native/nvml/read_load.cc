// Steps that read what a device does now: heat, power, clocks, utilization.
#include <cmath>

#include "nvml/step_functions.h"

namespace infernode::nvml {

namespace {

Return ReadClock(const ReadContext& c, uint32_t type, Column column) {
  uint32_t mhz = 0;
  const Return result = CALL(c, nvmlDeviceGetClockInfo, type, &mhz);
  if (result == kSuccess) c.Set(column, Number(mhz));
  return result;
}

Return ReadCelsius(const ReadContext& c, uint32_t threshold, Column column) {
  uint32_t celsius = 0;
  const Return result = CALL(c, nvmlDeviceGetTemperatureThreshold, threshold, &celsius);
  if (result == kSuccess) c.Set(column, Number(celsius));
  return result;
}

Return ReadViolation(const ReadContext& c, uint32_t policy, Column column) {
  ViolationTime time{};
  const Return result = CALL(c, nvmlDeviceGetViolationStatus, policy, &time);
  if (result == kSuccess) c.Set(column, static_cast<double>(time.violation_ns));
  return result;
}

}  // namespace

Return ReadTemperature(const ReadContext& c) {
  uint32_t celsius = 0;
  const Return result = CALL(c, nvmlDeviceGetTemperature, kTemperatureGpu, &celsius);
  if (result == kSuccess) c.Set(Column::temperatureCelsius, Number(celsius));
  return result;
}

Return ReadMargin(const ReadContext& c) {
  MarginTemperature margin{StructVersion<MarginTemperature>(1), 0};
  const Return result = CALL(c, nvmlDeviceGetMarginTemperature, &margin);
  if (result == kSuccess) c.Set(Column::temperatureMarginCelsius, margin.margin);
  return result;
}

Return ReadPower(const ReadContext& c) {
  uint32_t milliwatts = 0;
  const Return result = CALL(c, nvmlDeviceGetPowerUsage, &milliwatts);
  if (result == kSuccess) c.Set(Column::powerWatts, Number(milliwatts) / 1000);
  return result;
}

Return ReadPowerLimit(const ReadContext& c) {
  uint32_t milliwatts = 0;
  const Return result = CALL(c, nvmlDeviceGetEnforcedPowerLimit, &milliwatts);
  if (result == kSuccess) c.Set(Column::powerLimitWatts, Number(milliwatts) / 1000);
  return result;
}

Return ReadUtilization(const ReadContext& c) {
  Utilization percent{};
  const Return result = CALL(c, nvmlDeviceGetUtilizationRates, &percent);
  if (result != kSuccess) return result;
  c.Set(Column::gpuUtilizationRatio, Number(percent.gpu) / 100);
  c.Set(Column::memoryUtilizationRatio, Number(percent.memory) / 100);
  return result;
}

/// The same mask under the name of 12.2 and, on older drivers, under the first one.
Return ReadThrottleReasons(const ReadContext& c) {
  uint64_t reasons = 0;
  Return result = CALL(c, nvmlDeviceGetCurrentClocksEventReasons, &reasons);
  if (result == kFunctionNotFound) result = CALL(c, nvmlDeviceGetCurrentClocksThrottleReasons, &reasons);
  if (result == kSuccess) c.Set(Column::throttleReasons, static_cast<double>(reasons));
  return result;
}

/// The slowest fan speaks for all.
Return ReadFans(const ReadContext& c) {
  constexpr uint32_t kMaxFans = 16;
  uint32_t fans = 0;
  Return result = CALL(c, nvmlDeviceGetNumFans, &fans);
  if (result != kSuccess) return result;
  if (fans == 0) return kNotSupported;
  uint32_t slowest = UINT32_MAX;
  for (uint32_t fan = 0; fan < fans && fan < kMaxFans; fan++) {
    uint32_t percent = 0;
    result = CALL(c, nvmlDeviceGetFanSpeed_v2, fan, &percent);
    if (result != kSuccess) return result;
    slowest = percent < slowest ? percent : slowest;
  }
  c.Set(Column::fanCount, fans);
  c.Set(Column::fanSpeedRatio, Number(slowest) / 100);
  return kSuccess;
}

Return ReadDefaultPowerLimit(const ReadContext& c) {
  uint32_t milliwatts = 0;
  const Return result = CALL(c, nvmlDeviceGetPowerManagementDefaultLimit, &milliwatts);
  if (result == kSuccess) c.Set(Column::powerLimitDefaultWatts, Number(milliwatts) / 1000);
  return result;
}

Return ReadEnergy(const ReadContext& c) {
  uint64_t millijoules = 0;
  const Return result = CALL(c, nvmlDeviceGetTotalEnergyConsumption, &millijoules);
  if (result == kSuccess) c.Set(Column::energyJoules, static_cast<double>(millijoules) / 1000);
  return result;
}

Return ReadMaxClock(const ReadContext& c) {
  uint32_t mhz = 0;
  const Return result = CALL(c, nvmlDeviceGetMaxClockInfo, kClockSm, &mhz);
  if (result == kSuccess) c.Set(Column::smClockMaxMhz, Number(mhz));
  return result;
}

Return ReadPerformanceState(const ReadContext& c) {
  uint32_t state = 0;
  const Return result = CALL(c, nvmlDeviceGetPerformanceState, &state);
  if (result == kSuccess) c.Set(Column::performanceState, Number(state));
  return result;
}

Return ReadClockMonitor(const ReadContext& c) {
  ClkMonStatus status{};
  const Return result = CALL(c, nvmlDeviceGetClkMonStatus, &status);
  if (result == kSuccess) c.Set(Column::clockMonitorFault, status.global_status);
  return result;
}

Return ReadSlowdownCelsius(const ReadContext& c) { return ReadCelsius(c, kThresholdSlowdown, Column::slowdownCelsius); }
Return ReadGpuMaxCelsius(const ReadContext& c) { return ReadCelsius(c, kThresholdGpuMax, Column::gpuMaxCelsius); }
Return ReadMemoryMaxCelsius(const ReadContext& c) { return ReadCelsius(c, kThresholdMemoryMax, Column::memoryMaxCelsius); }
Return ReadViolationPower(const ReadContext& c) { return ReadViolation(c, kPolicyPower, Column::violationPowerNs); }
Return ReadViolationThermal(const ReadContext& c) { return ReadViolation(c, kPolicyThermal, Column::violationThermalNs); }
Return ReadSmClock(const ReadContext& c) { return ReadClock(c, kClockSm, Column::smClockMhz); }
Return ReadMemoryClock(const ReadContext& c) { return ReadClock(c, kClockMemory, Column::memoryClockMhz); }

}  // namespace infernode::nvml
