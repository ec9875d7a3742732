// NVML's binary interface as the simulator speaks it. Written down a second time on purpose, apart from native/nvml/nvml_abi.h:
// when one of the two is wrong, the tests that put them together fail. Names are NVML's own, without typedef prefixes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace infernode::nvml_sim {

using u8 = uint8_t;
using u32 = uint32_t;
using u64 = uint64_t;
using i32 = int32_t;
using i64 = int64_t;

/// nvmlReturn_t: an int, so that a scenario may force codes that no list has.
using Return = int;
/// nvmlDevice_t and the other opaque pointers.
using Handle = void*;

constexpr Return kSuccess = 0, kUninitialized = 1, kInvalidArgument = 2, kNotSupported = 3, kNotFound = 6, kInsufficientSize = 7,
                 kDriverNotLoaded = 9, kTimeout = 10, kFunctionNotFound = 13, kCorruptedInforom = 14, kGpuIsLost = 15,
                 kInsufficientResources = 23, kArgumentVersionMismatch = 25, kUnknown = 999;

template <typename T>
constexpr u32 VersionWord(u32 version) {
  return static_cast<u32>(sizeof(T)) | (version << 24);
}

#define NVML_SIZE(type, size) static_assert(sizeof(type) == (size), #type " has another size in NVML")
#define NVML_AT(type, member, offset) static_assert(offsetof(type, member) == (offset), #type "." #member " is elsewhere in NVML")

struct PciInfo {
  char busIdLegacy[16];
  u32 domain, bus, device, pciDeviceId, pciSubSystemId;
  char busId[32];
};
NVML_SIZE(PciInfo, 68);
NVML_AT(PciInfo, busId, 36);

struct Utilization {
  u32 gpu, memory;
};
NVML_SIZE(Utilization, 8);

struct Memory {
  u64 total, free, used;
};
NVML_SIZE(Memory, 24);

struct MemoryV2 {
  u32 version;
  u64 total, reserved, free, used;
};
NVML_SIZE(MemoryV2, 40);
NVML_AT(MemoryV2, used, 32);
static_assert(VersionWord<MemoryV2>(2) == 0x02000028);

struct Bar1Memory {
  u64 total, free, used;
};
NVML_SIZE(Bar1Memory, 24);

/// Filled by the _v2 and _v3 process calls alike.
struct ProcessInfo {
  u32 pid;
  u64 usedGpuMemory;
  u32 gpuInstanceId, computeInstanceId;
};
NVML_SIZE(ProcessInfo, 24);
NVML_AT(ProcessInfo, gpuInstanceId, 16);

struct ProcessDetail {
  u32 pid;
  u64 usedGpuMemory;
  u32 gpuInstanceId, computeInstanceId;
  u64 usedGpuCcProtectedMemory;
};
NVML_SIZE(ProcessDetail, 32);

struct ProcessDetailList {
  u32 version, mode, numProcArrayEntries;
  ProcessDetail* procArray;
};
NVML_SIZE(ProcessDetailList, 24);
NVML_AT(ProcessDetailList, procArray, 16);

struct ViolationTime {
  u64 referenceTime, violationTime;
};
NVML_SIZE(ViolationTime, 16);

struct Temperature {
  u32 version, sensorType;
  i32 temperature;
};
NVML_SIZE(Temperature, 12);

struct MarginTemperature {
  u32 version;
  i32 marginTemperature;
};
NVML_SIZE(MarginTemperature, 8);

struct RowRemapperHistogram {
  u32 max, high, partial, low, none;
};
NVML_SIZE(RowRemapperHistogram, 20);

struct RemappedRowsV2 {
  u32 corrActiveRemaps, corrInactiveRemaps, uncActiveRemaps, uncInactiveRemaps, bPending, bFailureOccurred;
};
NVML_SIZE(RemappedRowsV2, 24);

struct RepairStatus {
  u32 version, bChannelRepairPending, bTpcRepairPending;
};
NVML_SIZE(RepairStatus, 12);

struct UnrepairableMemory {
  u32 bUnrepairableMemory;
};
NVML_SIZE(UnrepairableMemory, 4);

struct EccSramStatus {
  u32 version;
  u64 aggregateUncParity, aggregateUncSecDed, aggregateCor, volatileUncParity, volatileUncSecDed, volatileCor;
  u64 aggregateUncBucketL2, aggregateUncBucketSm, aggregateUncBucketPcie, aggregateUncBucketMcu, aggregateUncBucketOther;
  u32 bThresholdExceeded;
};
NVML_SIZE(EccSramStatus, 104);
NVML_AT(EccSramStatus, aggregateUncBucketL2, 56);
NVML_AT(EccSramStatus, bThresholdExceeded, 96);

struct ClkMonStatus {
  u32 bGlobalStatus, clkMonListSize;
  struct {
    u32 clkApiDomain, clkDomainFaultMask;
  } clkMonList[32];
};
NVML_SIZE(ClkMonStatus, 264);

struct EventData {
  Handle device;
  u64 eventType, eventData;
  u32 gpuInstanceId, computeInstanceId;
};
NVML_SIZE(EventData, 32);
NVML_AT(EventData, gpuInstanceId, 24);

union Value {
  double dVal;
  i32 siVal;
  u32 uiVal;
  u64 ullVal;
  i64 sllVal;
  uint16_t usVal;
};
NVML_SIZE(Value, 8);

enum ValueType : u32 { kDouble = 0, kUnsignedInt = 1, kUnsignedLong = 2, kUnsignedLongLong = 3, kSignedLongLong = 4, kSignedInt = 5 };

struct FieldValue {
  u32 fieldId, scopeId;
  i64 timestamp, latencyUsec;
  u32 valueType;
  Return nvmlReturn;
  Value value;
};
NVML_SIZE(FieldValue, 40);
NVML_AT(FieldValue, timestamp, 8);
NVML_AT(FieldValue, valueType, 24);
NVML_AT(FieldValue, value, 32);

struct FabricInfo {
  u8 clusterUuid[16];
  u32 status, cliqueId;
  u8 state;
};
NVML_SIZE(FabricInfo, 28);

struct FabricInfoV2 {
  u32 version;
  u8 clusterUuid[16];
  u32 status, cliqueId;
  u8 state;
  u32 healthMask;
};
NVML_SIZE(FabricInfoV2, 36);
NVML_AT(FabricInfoV2, healthMask, 32);

struct FabricInfoV3 {
  u32 version;
  u8 clusterUuid[16];
  u32 status, cliqueId;
  u8 state;
  u32 healthMask;
  u8 healthSummary;
};
NVML_SIZE(FabricInfoV3, 40);
NVML_AT(FabricInfoV3, healthSummary, 36);

struct ConfComputeState {
  u32 environment, ccFeature, devToolsMode;
};
NVML_SIZE(ConfComputeState, 12);

struct ConfComputeSettings {
  u32 version, environment, ccFeature, devToolsMode, multiGpuMode;
};
NVML_SIZE(ConfComputeSettings, 20);

struct ConfComputeCaps {
  u32 cpuCaps, gpusCaps;
};
NVML_SIZE(ConfComputeCaps, 8);

struct DeviceAttributes {
  u32 multiprocessorCount, sharedCopyEngineCount, sharedDecoderCount, sharedEncoderCount, sharedJpegCount, sharedOfaCount;
  u32 gpuInstanceSliceCount, computeInstanceSliceCount;
  u64 memorySizeMB;
};
NVML_SIZE(DeviceAttributes, 40);

struct PlatformInfo {
  u32 version;
  u8 ibGuid[16], chassisSerialNumber[16];
  u8 slotNumber, trayIndex, hostId, peerType, moduleId;
};
NVML_SIZE(PlatformInfo, 44);

struct ExcludedDeviceInfo {
  PciInfo pciInfo;
  char uuid[80];
};
NVML_SIZE(ExcludedDeviceInfo, 148);

struct C2cModeInfo {
  u32 isC2cEnabled;
};
NVML_SIZE(C2cModeInfo, 4);

struct DriverBranchInfo {
  u32 version;
  char branch[80];
};
NVML_SIZE(DriverBranchInfo, 84);

struct GpmSupport {
  u32 version, isSupportedDevice;
};
NVML_SIZE(GpmSupport, 8);

#undef NVML_SIZE
#undef NVML_AT

constexpr u64 kEventXid = 0x8;

}  // namespace infernode::nvml_sim
