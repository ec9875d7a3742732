// Every NVML function that infernode calls, once: symbol with its suffix, whether the agent can do without it, and its
// type. The bare names that nvml.h uses are older functions with smaller structs, so the suffix is part of the name.
#pragma once

#include "nvml/nvml_abi.h"

// clang-format off
#define INFERNODE_NVML_SYMBOLS(X)                                                                       \
  X(nvmlInit_v2,                                kRequired, ())                                          \
  X(nvmlShutdown,                               kRequired, ())                                          \
  X(nvmlDeviceGetCount_v2,                      kRequired, (uint32_t*))                                 \
  X(nvmlDeviceGetHandleByIndex_v2,              kRequired, (uint32_t, Device*))                         \
  X(nvmlDeviceGetUUID,                          kRequired, (Device, char*, uint32_t))                   \
  X(nvmlSystemGetDriverVersion,                 kOptional, (char*, uint32_t))                           \
  X(nvmlSystemGetNVMLVersion,                   kOptional, (char*, uint32_t))                           \
  X(nvmlDeviceGetName,                          kOptional, (Device, char*, uint32_t))                   \
  X(nvmlDeviceGetSerial,                        kOptional, (Device, char*, uint32_t))                   \
  X(nvmlDeviceGetPciInfo_v3,                    kOptional, (Device, PciInfo*))                          \
  X(nvmlDeviceGetMinorNumber,                   kOptional, (Device, uint32_t*))                         \
  X(nvmlDeviceGetMemoryInfo_v2,                 kOptional, (Device, MemoryV2*))                         \
  X(nvmlDeviceGetMemoryInfo,                    kOptional, (Device, MemoryV1*))                         \
  X(nvmlDeviceGetUtilizationRates,              kOptional, (Device, Utilization*))                      \
  X(nvmlDeviceGetTemperature,                   kOptional, (Device, uint32_t, uint32_t*))               \
  X(nvmlDeviceGetMarginTemperature,             kOptional, (Device, MarginTemperature*))                \
  X(nvmlDeviceGetPowerUsage,                    kOptional, (Device, uint32_t*))                         \
  X(nvmlDeviceGetEnforcedPowerLimit,            kOptional, (Device, uint32_t*))                         \
  X(nvmlDeviceGetClockInfo,                     kOptional, (Device, uint32_t, uint32_t*))               \
  X(nvmlDeviceGetCurrentClocksEventReasons,     kOptional, (Device, uint64_t*))                         \
  X(nvmlDeviceGetCurrentClocksThrottleReasons,  kOptional, (Device, uint64_t*))                         \
  X(nvmlDeviceGetTotalEccErrors,                kOptional, (Device, uint32_t, uint32_t, uint64_t*))     \
  X(nvmlDeviceGetRemappedRows,                  kOptional, (Device, uint32_t*, uint32_t*, uint32_t*, uint32_t*)) \
  X(nvmlDeviceGetCurrPcieLinkGeneration,        kOptional, (Device, uint32_t*))                         \
  X(nvmlDeviceGetCurrPcieLinkWidth,             kOptional, (Device, uint32_t*))                         \
  X(nvmlDeviceGetFieldValues,                   kOptional, (Device, int, FieldValue*))                  \
  X(nvmlDeviceGetComputeRunningProcesses_v3,    kOptional, (Device, uint32_t*, ProcessInfo*))           \
  X(nvmlDeviceGetComputeRunningProcesses_v2,    kOptional, (Device, uint32_t*, ProcessInfo*))           \
  X(nvmlDeviceGetVbiosVersion,                 kOptional, (Device, char*, uint32_t))                    \
  X(nvmlDeviceGetInforomImageVersion,          kOptional, (Device, char*, uint32_t))                    \
  X(nvmlDeviceGetBoardPartNumber,              kOptional, (Device, char*, uint32_t))                    \
  X(nvmlDeviceGetModuleId,                     kOptional, (Device, uint32_t*))                          \
  X(nvmlDeviceValidateInforom,                 kOptional, (Device))                                     \
  X(nvmlGetExcludedDeviceCount,                kOptional, (uint32_t*))                                  \
  X(nvmlDeviceGetBAR1MemoryInfo,               kOptional, (Device, Bar1Memory*))                        \
  X(nvmlDeviceGetTemperatureThreshold,         kOptional, (Device, uint32_t, uint32_t*))                \
  X(nvmlDeviceGetNumFans,                      kOptional, (Device, uint32_t*))                          \
  X(nvmlDeviceGetFanSpeed_v2,                  kOptional, (Device, uint32_t, uint32_t*))                \
  X(nvmlDeviceGetPowerManagementDefaultLimit,  kOptional, (Device, uint32_t*))                          \
  X(nvmlDeviceGetTotalEnergyConsumption,       kOptional, (Device, uint64_t*))                          \
  X(nvmlDeviceGetMaxClockInfo,                 kOptional, (Device, uint32_t, uint32_t*))                \
  X(nvmlDeviceGetPerformanceState,             kOptional, (Device, uint32_t*))                          \
  X(nvmlDeviceGetViolationStatus,              kOptional, (Device, uint32_t, ViolationTime*))           \
  X(nvmlDeviceGetClkMonStatus,                 kOptional, (Device, ClkMonStatus*))                      \
  X(nvmlDeviceGetEccMode,                      kOptional, (Device, uint32_t*, uint32_t*))               \
  X(nvmlDeviceGetSramEccErrorStatus,           kOptional, (Device, EccSramStatus*))                     \
  X(nvmlDeviceGetRetiredPages_v2,              kOptional, (Device, uint32_t, uint32_t*, uint64_t*, uint64_t*))\
  X(nvmlDeviceGetRetiredPagesPendingStatus,    kOptional, (Device, uint32_t*))                          \
  X(nvmlDeviceGetRowRemapperHistogram,         kOptional, (Device, RowRemapperHistogram*))              \
  X(nvmlDeviceGetRepairStatus,                 kOptional, (Device, RepairStatus*))                      \
  X(nvmlDeviceGetUnrepairableMemoryFlag_v1,    kOptional, (Device, uint32_t*))                          \
  X(nvmlDeviceGetMaxPcieLinkGeneration,        kOptional, (Device, uint32_t*))                          \
  X(nvmlDeviceGetMaxPcieLinkWidth,             kOptional, (Device, uint32_t*))                          \
  X(nvmlDeviceGetNvLinkState,                  kOptional, (Device, uint32_t, uint32_t*))                \
  X(nvmlDeviceGetNvLinkErrorCounter,           kOptional, (Device, uint32_t, uint32_t, uint64_t*))      \
  X(nvmlDeviceGetP2PStatus,                    kOptional, (Device, Device, uint32_t, uint32_t*))        \
  X(nvmlDeviceGetGpuFabricInfoV,               kOptional, (Device, void*))                              \
  X(nvmlDeviceGetPersistenceMode,              kOptional, (Device, uint32_t*))                          \
  X(nvmlDeviceGetComputeMode,                  kOptional, (Device, uint32_t*))                          \
  X(nvmlDeviceGetVirtualizationMode,           kOptional, (Device, uint32_t*))                          \
  X(nvmlDeviceGetMigMode,                      kOptional, (Device, uint32_t*, uint32_t*))               \
  X(nvmlDeviceGetMaxMigDeviceCount,            kOptional, (Device, uint32_t*))                          \
  X(nvmlDeviceGetMigDeviceHandleByIndex,       kOptional, (Device, uint32_t, Device*))                  \
  X(nvmlDeviceGetGpuInstanceId,                kOptional, (Device, uint32_t*))                          \
  X(nvmlDeviceGetComputeInstanceId,            kOptional, (Device, uint32_t*))                          \
  X(nvmlSystemGetConfComputeState,             kOptional, (ConfComputeState*))                          \
  X(nvmlSystemGetConfComputeGpusReadyState,    kOptional, (uint32_t*))                                  \
  X(nvmlEventSetCreate,                         kOptional, (EventSet*))                                 \
  X(nvmlDeviceGetSupportedEventTypes,           kOptional, (Device, uint64_t*))                         \
  X(nvmlDeviceRegisterEvents,                   kOptional, (Device, uint64_t, EventSet))                \
  X(nvmlEventSetWait_v2,                        kOptional, (EventSet, EventData*, uint32_t))            \
  X(nvmlEventSetFree,                           kOptional, (EventSet))
// clang-format on

namespace infernode::nvml {

enum class Call : uint32_t {
  kNone = 0,
#define X(name, need, args) name,
  INFERNODE_NVML_SYMBOLS(X)
#undef X
      kCount
};

/// The symbol's name; "" for kNone and for anything out of range.
const char* CallName(Call call);

/// `NVML_ERROR_GPU_IS_LOST` and so on; `NVML_ERROR_<n>` for a code that is not known.
const char* ReturnName(Return code);

/// Function pointers; null where the library has no such symbol.
struct Symbols {
#define X(name, need, args) Return(*name) args = nullptr;
  INFERNODE_NVML_SYMBOLS(X)
#undef X
};

}  // namespace infernode::nvml
