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

Return ReadCelsius(const ReadContext& c, uint32_t threshold, Column column) {
  uint32_t celsius = 0;
  const Return result = CALL(c, nvmlDeviceGetTemperatureThreshold, threshold, &celsius);
  if (result == kSuccess) c.Set(column, Number(celsius));
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

Return ReadViolation(const ReadContext& c, uint32_t policy, Column column) {
  ViolationTime time{};
  const Return result = CALL(c, nvmlDeviceGetViolationStatus, policy, &time);
  if (result == kSuccess) c.Set(column, static_cast<double>(time.violation_ns));
  return result;
}

Return ReadBar1(const ReadContext& c) {
  Bar1Memory memory{};
  const Return result = CALL(c, nvmlDeviceGetBAR1MemoryInfo, &memory);
  if (result != kSuccess) return result;
  c.Set(Column::bar1TotalBytes, static_cast<double>(memory.total));
  c.Set(Column::bar1UsedBytes, static_cast<double>(memory.used));
  return result;
}

Return ReadEccMode(const ReadContext& c) {
  uint32_t current = 0, pending = 0;
  const Return result = CALL(c, nvmlDeviceGetEccMode, &current, &pending);
  if (result != kSuccess) return result;
  c.Set(Column::eccEnabled, Number(current));
  c.Set(Column::eccPending, Number(pending));
  return result;
}

Return ReadAggregateEcc(const ReadContext& c, uint32_t type, Column column) {
  uint64_t count = 0;
  const Return result = CALL(c, nvmlDeviceGetTotalEccErrors, type, kCounterAggregate, &count);
  if (result == kSuccess) c.Set(column, static_cast<double>(count));
  return result;
}

/// Root only: without that right it is as if the part had no such status.
Return ReadSram(const ReadContext& c) {
  EccSramStatus status{};
  status.version = StructVersion<EccSramStatus>(1);
  const Return result = CALL(c, nvmlDeviceGetSramEccErrorStatus, &status);
  if (result == kSuccess) c.Set(Column::sramThresholdExceeded, status.threshold_exceeded);
  return result == kNoPermission ? kNotSupported : result;
}

Return ReadRemapBanks(const ReadContext& c) {
  RowRemapperHistogram banks{};
  const Return result = CALL(c, nvmlDeviceGetRowRemapperHistogram, &banks);
  if (result != kSuccess) return result;
  c.Set(Column::remapBanksLow, banks.low);
  c.Set(Column::remapBanksNone, banks.none);
  return result;
}

Return ReadRepair(const ReadContext& c) {
  RepairStatus status{StructVersion<RepairStatus>(1), 0, 0};
  const Return result = CALL(c, nvmlDeviceGetRepairStatus, &status);
  if (result != kSuccess) return result;
  c.Set(Column::channelRepairPending, status.channel_repair_pending);
  c.Set(Column::tpcRepairPending, status.tpc_repair_pending);
  return result;
}

Return ReadUnrepairable(const ReadContext& c) {
  uint32_t flag = 0;
  const Return result = CALL(c, nvmlDeviceGetUnrepairableMemoryFlag_v1, &flag);
  if (result == kSuccess) c.Set(Column::unrepairableMemory, flag);
  return result;
}

/// Only the count is wanted, and a count of 0 bytes of room answers it with INSUFFICIENT_SIZE.
Return ReadRetired(const ReadContext& c, uint32_t cause, Column column) {
  uint32_t count = 0;
  const Return result = CALL(c, nvmlDeviceGetRetiredPages_v2, cause, &count, nullptr, nullptr);
  if (result != kSuccess && result != kInsufficientSize) return result;
  c.Set(column, count);
  return kSuccess;
}

Return ReadRetiredPending(const ReadContext& c) {
  uint32_t pending = 0;
  const Return result = CALL(c, nvmlDeviceGetRetiredPagesPendingStatus, &pending);
  if (result == kSuccess) c.Set(Column::retiredPagesPending, pending);
  return result;
}

/// A bad checksum is the finding, not a failure of the reading.
Return ReadInforom(const ReadContext& c) {
  const Return result = CALL(c, nvmlDeviceValidateInforom);
  if (result != kSuccess && result != kCorruptedInforom) return result;
  c.Set(Column::inforomCorrupt, result == kCorruptedInforom);
  return kSuccess;
}

Return ReadPcieGenerationMax(const ReadContext& c) {
  uint32_t generation = 0;
  const Return result = CALL(c, nvmlDeviceGetMaxPcieLinkGeneration, &generation);
  if (result == kSuccess) c.Set(Column::pcieLinkGenerationMax, Number(generation));
  return result;
}

Return ReadPcieWidthMax(const ReadContext& c) {
  uint32_t width = 0;
  const Return result = CALL(c, nvmlDeviceGetMaxPcieLinkWidth, &width);
  if (result == kSuccess) c.Set(Column::pcieLinkWidthMax, Number(width));
  return result;
}

/// The third version has the same members and one more; drivers before it take the second only.
Return ReadFabric(const ReadContext& c) {
  FabricInfoV3 info{};
  info.version = StructVersion<FabricInfoV3>(3);
  Return result = CALL(c, nvmlDeviceGetGpuFabricInfoV, &info);
  if (result == kArgumentVersionMismatch) {
    FabricInfoV2 old{};
    old.version = StructVersion<FabricInfoV2>(2);
    result = CALL(c, nvmlDeviceGetGpuFabricInfoV, &old);
    info.state = old.state;
    info.status = old.status;
    info.health_mask = old.health_mask;
  }
  if (result != kSuccess) return result;
  // State 0 is the fabric's own "not supported".
  if (info.state == 0) return kNotSupported;
  c.Set(Column::fabricState, info.state);
  c.Set(Column::fabricStatus, info.status);
  c.Set(Column::fabricHealthMask, info.health_mask);
  return result;
}

Return ReadPersistence(const ReadContext& c) {
  uint32_t mode = 0;
  const Return result = CALL(c, nvmlDeviceGetPersistenceMode, &mode);
  if (result == kSuccess) c.Set(Column::persistenceMode, Number(mode));
  return result;
}

Return ReadComputeMode(const ReadContext& c) {
  uint32_t mode = 0;
  const Return result = CALL(c, nvmlDeviceGetComputeMode, &mode);
  if (result == kSuccess) c.Set(Column::computeMode, Number(mode));
  return result;
}

Return ReadVirtualization(const ReadContext& c) {
  uint32_t mode = 0;
  const Return result = CALL(c, nvmlDeviceGetVirtualizationMode, &mode);
  if (result == kSuccess) c.Set(Column::virtualizationMode, Number(mode));
  return result;
}

Return ReadMigMode(const ReadContext& c) {
  uint32_t current = 0, pending = 0;
  const Return result = CALL(c, nvmlDeviceGetMigMode, &current, &pending);
  if (result != kSuccess) return result;
  c.Set(Column::migMode, Number(current));
  c.Set(Column::migPending, Number(pending));
  return result;
}

Return ReadModuleId(const ReadContext& c) {
  uint32_t id = 0;
  const Return result = CALL(c, nvmlDeviceGetModuleId, &id);
  if (result == kSuccess) c.Set(Column::moduleId, Number(id));
  return result;
}

/// The links between CPU and GPU of a Grace system; the count says how many to ask for.
Return ReadC2c(const ReadContext& c) {
  constexpr uint32_t kLinks = 170, kActive = 171, kErrors = 231, kMaxC2cLinks = 16;
  FieldValue count{};
  count.field_id = kLinks;
  Return result = CALL(c, nvmlDeviceGetFieldValues, 1, &count);
  if (result == kSuccess) result = count.result == kInvalidArgument ? kNotSupported : count.result;
  if (result != kSuccess) return result;
  const double links = FieldNumber(count);
  if (!(links > 0)) return kNotSupported;
  FieldValue values[2 * kMaxC2cLinks] = {};
  const auto asked = static_cast<uint32_t>(links < kMaxC2cLinks ? links : kMaxC2cLinks);
  for (uint32_t i = 0; i < asked; i++) {
    values[2 * i].field_id = kActive;
    values[2 * i + 1].field_id = kErrors;
    values[2 * i].scope_id = values[2 * i + 1].scope_id = i;
  }
  result = CALL(c, nvmlDeviceGetFieldValues, static_cast<int>(2 * asked), values);
  if (result != kSuccess) return result;
  double active = 0, errors = 0;
  for (uint32_t i = 0; i < asked; i++) {
    if (values[2 * i].result != kSuccess) return values[2 * i].result == kInvalidArgument ? kNotSupported : values[2 * i].result;
    active += FieldNumber(values[2 * i]) == 1;
    errors += values[2 * i + 1].result == kSuccess ? FieldNumber(values[2 * i + 1]) : std::nan("");
  }
  c.Set(Column::c2cLinkCount, links);
  c.Set(Column::c2cLinksActive, active);
  c.Set(Column::c2cErrors, errors);
  return kSuccess;
}

Return ReadSlowdownCelsius(const ReadContext& c) { return ReadCelsius(c, kThresholdSlowdown, Column::slowdownCelsius); }
Return ReadGpuMaxCelsius(const ReadContext& c) { return ReadCelsius(c, kThresholdGpuMax, Column::gpuMaxCelsius); }
Return ReadMemoryMaxCelsius(const ReadContext& c) { return ReadCelsius(c, kThresholdMemoryMax, Column::memoryMaxCelsius); }
Return ReadViolationPower(const ReadContext& c) { return ReadViolation(c, kPolicyPower, Column::violationPowerNs); }
Return ReadViolationThermal(const ReadContext& c) { return ReadViolation(c, kPolicyThermal, Column::violationThermalNs); }
Return ReadCorrectedAggregate(const ReadContext& c) { return ReadAggregateEcc(c, kErrorCorrected, Column::eccCorrectedAggregate); }
Return ReadUncorrectedAggregate(const ReadContext& c) { return ReadAggregateEcc(c, kErrorUncorrected, Column::eccUncorrectedAggregate); }
Return ReadRetiredSingle(const ReadContext& c) { return ReadRetired(c, kRetiredBySingleBit, Column::retiredPagesSingleBit); }
Return ReadRetiredDouble(const ReadContext& c) { return ReadRetired(c, kRetiredByDoubleBit, Column::retiredPagesDoubleBit); }
Return ReadSmClock(const ReadContext& c) { return ReadClock(c, kClockSm, Column::smClockMhz); }
Return ReadMemoryClock(const ReadContext& c) { return ReadClock(c, kClockMemory, Column::memoryClockMhz); }
Return ReadEccUncorrected(const ReadContext& c) { return ReadEcc(c, kErrorUncorrected, Column::eccUncorrectedVolatile); }
Return ReadEccCorrected(const ReadContext& c) { return ReadEcc(c, kErrorCorrected, Column::eccCorrectedVolatile); }

constexpr ReadClass kFast = ReadClass::kFast;
constexpr ReadClass kNormal = ReadClass::kNormal;
constexpr ReadClass kSlow = ReadClass::kSlow;
constexpr ReadClass kOnDemand = ReadClass::kOnDemand;

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
    {Call::nvmlDeviceGetCurrPcieLinkGeneration,      kNormal,   Column::pcieLinkGeneration,       1, ReadPcieGeneration},
    {Call::nvmlDeviceGetCurrPcieLinkWidth,           kNormal,   Column::pcieLinkWidth,            1, ReadPcieWidth},
    {Call::nvmlDeviceGetEnforcedPowerLimit,          kNormal,   Column::powerLimitWatts,          1, ReadPowerLimit},
    {Call::nvmlDeviceGetFanSpeed_v2,                 kNormal,   Column::fanCount,                 2, ReadFans},
    {Call::nvmlDeviceGetPerformanceState,            kNormal,   Column::performanceState,         1, ReadPerformanceState},
    {Call::nvmlDeviceGetViolationStatus,             kNormal,   Column::violationPowerNs,         1, ReadViolationPower},
    {Call::nvmlDeviceGetViolationStatus,             kNormal,   Column::violationThermalNs,       1, ReadViolationThermal},
    {Call::nvmlDeviceGetTotalEnergyConsumption,      kNormal,   Column::energyJoules,             1, ReadEnergy},
    {Call::nvmlDeviceGetTemperatureThreshold,        kSlow,     Column::slowdownCelsius,          1, ReadSlowdownCelsius},
    {Call::nvmlDeviceGetTemperatureThreshold,        kSlow,     Column::gpuMaxCelsius,            1, ReadGpuMaxCelsius},
    {Call::nvmlDeviceGetTemperatureThreshold,        kSlow,     Column::memoryMaxCelsius,         1, ReadMemoryMaxCelsius},
    {Call::nvmlDeviceGetPowerManagementDefaultLimit, kSlow,     Column::powerLimitDefaultWatts,   1, ReadDefaultPowerLimit},
    {Call::nvmlDeviceGetMaxClockInfo,                kSlow,     Column::smClockMaxMhz,            1, ReadMaxClock},
    {Call::nvmlDeviceGetClkMonStatus,                kSlow,     Column::clockMonitorFault,        1, ReadClockMonitor},
    {Call::nvmlDeviceGetBAR1MemoryInfo,              kSlow,     Column::bar1TotalBytes,           2, ReadBar1},
    {Call::nvmlDeviceGetEccMode,                     kSlow,     Column::eccEnabled,               2, ReadEccMode},
    {Call::nvmlDeviceGetTotalEccErrors,              kSlow,     Column::eccCorrectedAggregate,    1, ReadCorrectedAggregate},
    {Call::nvmlDeviceGetTotalEccErrors,              kSlow,     Column::eccUncorrectedAggregate,  1, ReadUncorrectedAggregate},
    {Call::nvmlDeviceGetSramEccErrorStatus,          kSlow,     Column::sramThresholdExceeded,    1, ReadSram},
    {Call::nvmlDeviceGetRowRemapperHistogram,        kSlow,     Column::remapBanksLow,            2, ReadRemapBanks},
    {Call::nvmlDeviceGetRepairStatus,                kSlow,     Column::channelRepairPending,     2, ReadRepair},
    {Call::nvmlDeviceGetUnrepairableMemoryFlag_v1,   kSlow,     Column::unrepairableMemory,       1, ReadUnrepairable},
    {Call::nvmlDeviceGetRetiredPages_v2,             kSlow,     Column::retiredPagesSingleBit,    1, ReadRetiredSingle},
    {Call::nvmlDeviceGetRetiredPages_v2,             kSlow,     Column::retiredPagesDoubleBit,    1, ReadRetiredDouble},
    {Call::nvmlDeviceGetRetiredPagesPendingStatus,   kSlow,     Column::retiredPagesPending,      1, ReadRetiredPending},
    {Call::nvmlDeviceGetMaxPcieLinkGeneration,       kSlow,     Column::pcieLinkGenerationMax,    1, ReadPcieGenerationMax},
    {Call::nvmlDeviceGetMaxPcieLinkWidth,            kSlow,     Column::pcieLinkWidthMax,         1, ReadPcieWidthMax},
    {Call::nvmlDeviceGetGpuFabricInfoV,              kSlow,     Column::fabricState,              3, ReadFabric},
    {Call::nvmlDeviceGetFieldValues,                 kSlow,     Column::c2cLinkCount,             3, ReadC2c},
    {Call::nvmlDeviceGetPersistenceMode,             kSlow,     Column::persistenceMode,          1, ReadPersistence},
    {Call::nvmlDeviceGetComputeMode,                 kSlow,     Column::computeMode,              1, ReadComputeMode},
    {Call::nvmlDeviceGetVirtualizationMode,          kSlow,     Column::virtualizationMode,       1, ReadVirtualization},
    {Call::nvmlDeviceGetMigMode,                     kSlow,     Column::migMode,                  2, ReadMigMode},
    {Call::nvmlDeviceGetModuleId,                    kSlow,     Column::moduleId,                 1, ReadModuleId},
    {Call::nvmlDeviceValidateInforom,                kOnDemand, Column::inforomCorrupt,           1, ReadInforom},
};
const size_t kReadStepCount = std::size(kReadSteps);

const FieldColumn kFieldColumns[] = {
    {82,  0, kFast, Column::memoryTemperatureCelsius, 1, 0, kNewestBranch},
    {230, 0, kFast, Column::recoveryAction,           1, 0, kNewestBranch},
    {94,  0, kNormal, Column::pcieReplayCounter,      1, 0, kNewestBranch},
    {169, 0, kNormal, Column::pcieRecoveryCounter,    1, 0, kNewestBranch},
    {173, 0, kNormal, Column::pcieCorrectableErrors,  1, 0, kNewestBranch},
    {179, 0, kNormal, Column::pcieNonFatalErrors,     1, 0, kNewestBranch},
    {180, 0, kNormal, Column::pcieFatalErrors,        1, 0, kNewestBranch},
    {197, 0, kNormal, Column::pcieTxBytes,            1, 0, kNewestBranch},
    {198, 0, kNormal, Column::pcieRxBytes,            1, 0, kNewestBranch},
    {91,  0, kSlow,   Column::nvlinkCount,            1, 0, kNewestBranch},
    // The ids moved with R590; before R575 the numbers mean something else.
    {252, 0, kNormal, Column::throttleHwThermalNs,    1, 575, 589},
    {253, 0, kNormal, Column::throttlePowerBrakeNs,   1, 575, 589},
    {270, 0, kNormal, Column::throttleHwThermalNs,    1, 590, kNewestBranch},
    {271, 0, kNormal, Column::throttlePowerBrakeNs,   1, 590, kNewestBranch},
};
const size_t kFieldColumnCount = std::size(kFieldColumns);

const LinkField kLinkFields[] = {
    {165, LinkColumn::active},
    {161, LinkColumn::replayErrors},
    {162, LinkColumn::recoveryErrors},
    {163, LinkColumn::crcErrors},
    {206, LinkColumn::malformedPackets},
    {207, LinkColumn::bufferOverruns},
    {208, LinkColumn::receiveErrors},
    {209, LinkColumn::receiveRemoteErrors},
    {210, LinkColumn::receiveGeneralErrors},
    {211, LinkColumn::localIntegrityErrors},
    {212, LinkColumn::discards},
    {214, LinkColumn::recoveryFailed},
    {215, LinkColumn::recoveryEvents},
    {219, LinkColumn::effectiveErrors},
    {220, LinkColumn::effectiveBer},
    {221, LinkColumn::symbolErrors},
    {222, LinkColumn::symbolBer},
};
const size_t kLinkFieldCount = std::size(kLinkFields);
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
