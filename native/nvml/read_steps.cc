#include "nvml/read_steps.h"

#include <cmath>
#include <iterator>

#include "nvml/step_functions.h"

namespace infernode::nvml {

namespace {

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
    {Call::nvmlDeviceGetSupportedEventTypes,         kSlow,     Column::eventTypes,               1, ReadEventTypes},
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
