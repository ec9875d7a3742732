#include "nvml/read_steps.h"

#include <cmath>
#include <iterator>

namespace infernode::nvml {

namespace {

#define CALL(c, name, ...) INFERNODE_NVML((c).nvml, (c).slot, (c).index, name, (c).device, ##__VA_ARGS__)

/// All ones is "not available" in every 32-bit answer of NVML.
double Number(uint32_t value) { return value == UINT32_MAX ? std::nan("") : value; }

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

Return ReadClock(const ReadContext& c, uint32_t type, Column column) {
  uint32_t mhz = 0;
  const Return result = CALL(c, nvmlDeviceGetClockInfo, type, &mhz);
  if (result == kSuccess) c.Set(column, Number(mhz));
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

void SetMemory(const ReadContext& c, uint64_t total, uint64_t used, uint64_t free) {
  c.Set(Column::memoryTotalBytes, static_cast<double>(total));
  c.Set(Column::memoryUsedBytes, static_cast<double>(used));
  c.Set(Column::memoryFreeBytes, static_cast<double>(free));
}

/// v1 counts the driver's own reserve as used; it is for drivers before R510, and for those that refuse the version word.
Return ReadMemory(const ReadContext& c) {
  MemoryV2 memory{};
  memory.version = StructVersion<MemoryV2>(2);
  const Return result = CALL(c, nvmlDeviceGetMemoryInfo_v2, &memory);
  if (result == kSuccess) SetMemory(c, memory.total, memory.used, memory.free);
  if (result != kFunctionNotFound && result != kArgumentVersionMismatch) return result;
  MemoryV1 old{};
  const Return second = CALL(c, nvmlDeviceGetMemoryInfo, &old);
  if (second == kSuccess) SetMemory(c, old.total, old.used, old.free);
  return second;
}

Return ReadEcc(const ReadContext& c, uint32_t type, Column column) {
  uint64_t count = 0;
  const Return result = CALL(c, nvmlDeviceGetTotalEccErrors, type, kCounterVolatile, &count);
  if (result == kSuccess) c.Set(column, static_cast<double>(count));
  return result;
}

Return ReadRemappedRows(const ReadContext& c) {
  uint32_t correctable = 0, uncorrectable = 0, pending = 0, failure = 0;
  const Return result = CALL(c, nvmlDeviceGetRemappedRows, &correctable, &uncorrectable, &pending, &failure);
  if (result != kSuccess) return result;
  c.Set(Column::remappedRowsCorrectable, Number(correctable));
  c.Set(Column::remappedRowsUncorrectable, Number(uncorrectable));
  c.Set(Column::rowRemapPending, Number(pending));
  c.Set(Column::rowRemapFailure, Number(failure));
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

Return ReadPcieGeneration(const ReadContext& c) {
  uint32_t generation = 0;
  const Return result = CALL(c, nvmlDeviceGetCurrPcieLinkGeneration, &generation);
  if (result == kSuccess) c.Set(Column::pcieLinkGeneration, Number(generation));
  return result;
}

Return ReadPcieWidth(const ReadContext& c) {
  uint32_t width = 0;
  const Return result = CALL(c, nvmlDeviceGetCurrPcieLinkWidth, &width);
  if (result == kSuccess) c.Set(Column::pcieLinkWidth, Number(width));
  return result;
}

Return ReadSmClock(const ReadContext& c) { return ReadClock(c, kClockSm, Column::smClockMhz); }
Return ReadMemoryClock(const ReadContext& c) { return ReadClock(c, kClockMemory, Column::memoryClockMhz); }
Return ReadEccUncorrected(const ReadContext& c) { return ReadEcc(c, kErrorUncorrected, Column::eccUncorrectedVolatile); }
Return ReadEccCorrected(const ReadContext& c) { return ReadEcc(c, kErrorCorrected, Column::eccCorrectedVolatile); }

constexpr ReadClass kFast = ReadClass::kFast;
constexpr ReadClass kSlow = ReadClass::kSlow;

}  // namespace

// clang-format off
const ReadStep kReadSteps[] = {
    {Call::nvmlDeviceGetMemoryInfo_v2,             kFast, Column::memoryTotalBytes,         3, ReadMemory},
    {Call::nvmlDeviceGetTemperature,               kFast, Column::temperatureCelsius,       1, ReadTemperature},
    {Call::nvmlDeviceGetMarginTemperature,         kFast, Column::temperatureMarginCelsius, 1, ReadMargin},
    {Call::nvmlDeviceGetPowerUsage,                kFast, Column::powerWatts,               1, ReadPower},
    {Call::nvmlDeviceGetUtilizationRates,          kFast, Column::gpuUtilizationRatio,      2, ReadUtilization},
    {Call::nvmlDeviceGetClockInfo,                 kFast, Column::smClockMhz,               1, ReadSmClock},
    {Call::nvmlDeviceGetClockInfo,                 kFast, Column::memoryClockMhz,           1, ReadMemoryClock},
    {Call::nvmlDeviceGetCurrentClocksEventReasons, kFast, Column::throttleReasons,          1, ReadThrottleReasons},
    {Call::nvmlDeviceGetTotalEccErrors,            kFast, Column::eccUncorrectedVolatile,   1, ReadEccUncorrected},
    {Call::nvmlDeviceGetTotalEccErrors,            kFast, Column::eccCorrectedVolatile,     1, ReadEccCorrected},
    {Call::nvmlDeviceGetRemappedRows,              kFast, Column::remappedRowsCorrectable,  4, ReadRemappedRows},
    {Call::nvmlDeviceGetCurrPcieLinkGeneration,    kSlow, Column::pcieLinkGeneration,       1, ReadPcieGeneration},
    {Call::nvmlDeviceGetCurrPcieLinkWidth,         kSlow, Column::pcieLinkWidth,            1, ReadPcieWidth},
    {Call::nvmlDeviceGetEnforcedPowerLimit,        kSlow, Column::powerLimitWatts,          1, ReadPowerLimit},
};
const size_t kReadStepCount = std::size(kReadSteps);

const FieldColumn kFieldColumns[] = {
    {82,  0, kFast, Column::memoryTemperatureCelsius, 1, 0, kNewestBranch},
    {230, 0, kFast, Column::recoveryAction,           1, 0, kNewestBranch},
    {94,  0, kSlow, Column::pcieReplayCounter,        1, 0, kNewestBranch},
};
const size_t kFieldColumnCount = std::size(kFieldColumns);
// clang-format on

double FieldNumber(const FieldValue& field) {
  const Value& value = field.value;
  switch (field.value_type) {
    case kValueDouble:
      return value.as_double;
    case kValueU32:
      return Number(value.as_u32);
    case kValueULong:
    case kValueU64:
      return value.as_u64 == UINT64_MAX ? std::nan("") : static_cast<double>(value.as_u64);
    case kValueI64:
      return static_cast<double>(value.as_i64);
    case kValueI32:
      return value.as_i32;
    case kValueU16:
      return value.as_u16;
    default:
      return std::nan("");
  }
}

}  // namespace infernode::nvml
