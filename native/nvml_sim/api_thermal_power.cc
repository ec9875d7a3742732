// Temperatures, power, clocks and what throttles them.
#include <time.h>

#include "nvml_sim/call_gate.h"

using namespace infernode::nvml_sim;

namespace {

constexpr Key kClocks[] = {Key::smClockMhz, Key::smClockMhz, Key::memoryClockMhz, Key::videoClockMhz};
constexpr Key kMaxClocks[] = {Key::smClockMaxMhz, Key::smClockMaxMhz, Key::memoryClockMaxMhz, Key::smClockMaxMhz};
constexpr Key kThresholds[] = {Key::shutdownCelsius, Key::slowdownCelsius, Key::memoryMaxCelsius, Key::gpuMaxCelsius};
constexpr Key kViolations[] = {Key::violationPowerNs,      Key::violationThermalNs,        Key::violationSyncBoostNs,
                               Key::violationBoardLimitNs, Key::violationLowUtilizationNs, Key::violationReliabilityNs};
constexpr u64 kAllReasons = 0x1FF;

template <size_t N>
Return Choose(const Call& call, const Key (&keys)[N], u32 index, u32* out) {
  return index < N ? call.Number(keys[index], out) : kInvalidArgument;
}

u64 WallUs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<u64>(now.tv_sec) * 1'000'000 + static_cast<u64>(now.tv_nsec) / 1000;
}

}  // namespace

NVML_SIM_EXPORT Return nvmlDeviceGetTemperature(Handle device, u32 sensor, u32* celsius) {
  OPEN_DEVICE(nvmlDeviceGetTemperature, device);
  return sensor != 0 ? kInvalidArgument : call.Number(Key::temperatureCelsius, celsius);
}

NVML_SIM_EXPORT Return nvmlDeviceGetTemperatureV(Handle device, Temperature* temperature) {
  OPEN_DEVICE(nvmlDeviceGetTemperatureV, device);
  if (!temperature) return kInvalidArgument;
  if (const Return bad = call.CheckVersion(temperature->version, VersionWord<Temperature>(1))) return bad;
  return temperature->sensorType != 0 ? kInvalidArgument : call.Number(Key::temperatureCelsius, &temperature->temperature);
}

NVML_SIM_EXPORT Return nvmlDeviceGetTemperatureThreshold(Handle device, u32 type, u32* celsius) {
  OPEN_DEVICE(nvmlDeviceGetTemperatureThreshold, device);
  return Choose(call, kThresholds, type, celsius);
}

NVML_SIM_EXPORT Return nvmlDeviceGetMarginTemperature(Handle device, MarginTemperature* margin) {
  OPEN_DEVICE(nvmlDeviceGetMarginTemperature, device);
  if (!margin) return kInvalidArgument;
  if (const Return bad = call.CheckVersion(margin->version, VersionWord<MarginTemperature>(1))) return bad;
  return call.Number(Key::temperatureMarginCelsius, &margin->marginTemperature);
}

NVML_SIM_EXPORT Return nvmlDeviceGetNumFans(Handle device, u32* fans) {
  OPEN_DEVICE(nvmlDeviceGetNumFans, device);
  return call.Number(Key::fanCount, fans);
}

NVML_SIM_EXPORT Return nvmlDeviceGetFanSpeed_v2(Handle device, u32 fan, u32* percent) {
  OPEN_DEVICE(nvmlDeviceGetFanSpeed_v2, device);
  const Reading fans = call.device().Number(Key::fanCount);
  if (!fans) return kNotSupported;
  return fan < *fans ? call.Number(Key::fanSpeedRatio, percent, 100) : kInvalidArgument;
}

NVML_SIM_EXPORT Return nvmlDeviceGetPowerUsage(Handle device, u32* milliwatts) {
  OPEN_DEVICE(nvmlDeviceGetPowerUsage, device);
  return call.Number(Key::powerWatts, milliwatts, 1000);
}

NVML_SIM_EXPORT Return nvmlDeviceGetEnforcedPowerLimit(Handle device, u32* milliwatts) {
  OPEN_DEVICE(nvmlDeviceGetEnforcedPowerLimit, device);
  return call.Number(Key::powerLimitWatts, milliwatts, 1000);
}

NVML_SIM_EXPORT Return nvmlDeviceGetPowerManagementLimit(Handle device, u32* milliwatts) {
  OPEN_DEVICE(nvmlDeviceGetPowerManagementLimit, device);
  return call.Number(Key::powerLimitRequestedWatts, milliwatts, 1000);
}

NVML_SIM_EXPORT Return nvmlDeviceGetPowerManagementDefaultLimit(Handle device, u32* milliwatts) {
  OPEN_DEVICE(nvmlDeviceGetPowerManagementDefaultLimit, device);
  return call.Number(Key::powerLimitDefaultWatts, milliwatts, 1000);
}

NVML_SIM_EXPORT Return nvmlDeviceGetPowerManagementLimitConstraints(Handle device, u32* least, u32* most) {
  OPEN_DEVICE(nvmlDeviceGetPowerManagementLimitConstraints, device);
  const Return result = call.Number(Key::powerLimitMinWatts, least, 1000);
  return result == kSuccess ? call.Number(Key::powerLimitMaxWatts, most, 1000) : result;
}

NVML_SIM_EXPORT Return nvmlDeviceGetTotalEnergyConsumption(Handle device, u64* millijoules) {
  OPEN_DEVICE(nvmlDeviceGetTotalEnergyConsumption, device);
  return call.Number(Key::energyJoules, millijoules, 1000);
}

NVML_SIM_EXPORT Return nvmlDeviceGetClockInfo(Handle device, u32 type, u32* mhz) {
  OPEN_DEVICE(nvmlDeviceGetClockInfo, device);
  return Choose(call, kClocks, type, mhz);
}

NVML_SIM_EXPORT Return nvmlDeviceGetMaxClockInfo(Handle device, u32 type, u32* mhz) {
  OPEN_DEVICE(nvmlDeviceGetMaxClockInfo, device);
  return Choose(call, kMaxClocks, type, mhz);
}

NVML_SIM_EXPORT Return nvmlDeviceGetPerformanceState(Handle device, u32* state) {
  OPEN_DEVICE(nvmlDeviceGetPerformanceState, device);
  return call.Number(Key::performanceState, state);
}

NVML_SIM_EXPORT Return nvmlDeviceGetCurrentClocksEventReasons(Handle device, u64* reasons) {
  OPEN_DEVICE(nvmlDeviceGetCurrentClocksEventReasons, device);
  return call.Number(Key::throttleReasons, reasons);
}

NVML_SIM_EXPORT Return nvmlDeviceGetCurrentClocksThrottleReasons(Handle device, u64* reasons) {
  OPEN_DEVICE(nvmlDeviceGetCurrentClocksThrottleReasons, device);
  return call.Number(Key::throttleReasons, reasons);
}

NVML_SIM_EXPORT Return nvmlDeviceGetSupportedClocksEventReasons(Handle device, u64* reasons) {
  OPEN_DEVICE(nvmlDeviceGetSupportedClocksEventReasons, device);
  if (!reasons) return kInvalidArgument;
  if (!call.device().Number(Key::throttleReasons)) return kNotSupported;
  *reasons = kAllReasons;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetViolationStatus(Handle device, u32 policy, ViolationTime* time) {
  OPEN_DEVICE(nvmlDeviceGetViolationStatus, device);
  if (!time || policy >= std::size(kViolations)) return kInvalidArgument;
  time->referenceTime = WallUs();
  return call.Number(kViolations[policy], &time->violationTime);
}

NVML_SIM_EXPORT Return nvmlDeviceGetClkMonStatus(Handle device, ClkMonStatus* status) {
  OPEN_DEVICE(nvmlDeviceGetClkMonStatus, device);
  if (!status) return kInvalidArgument;
  *status = ClkMonStatus{};
  const Return result = call.Number(Key::clockMonitorFault, &status->bGlobalStatus);
  if (result == kSuccess && status->bGlobalStatus) {
    status->clkMonListSize = 1;
    status->clkMonList[0] = {1, 1};
  }
  return result;
}
