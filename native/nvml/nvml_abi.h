// The part of NVML's binary interface that infernode calls, written down here because no build machine has nvml.h.
// Sizes and offsets are fixed since each struct appeared, so one layout serves every driver; the assertions keep it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace infernode::nvml {

/// An opaque handle, valid until shutdown or detach.
using Device = void*;
using EventSet = void*;

/// Plain ints, not an enum: a newer driver may answer with a code that is not in any list.
using Return = int;
constexpr Return kSuccess = 0;
constexpr Return kUninitialized = 1;
constexpr Return kInvalidArgument = 2;
constexpr Return kNotSupported = 3;
constexpr Return kNoPermission = 4;
constexpr Return kNotFound = 6;
constexpr Return kInsufficientSize = 7;
constexpr Return kInsufficientPower = 8;
constexpr Return kDriverNotLoaded = 9;
constexpr Return kTimeout = 10;
constexpr Return kIrqIssue = 11;
constexpr Return kFunctionNotFound = 13;
constexpr Return kCorruptedInforom = 14;
constexpr Return kGpuIsLost = 15;
constexpr Return kResetRequired = 16;
constexpr Return kLibRmVersionMismatch = 18;
constexpr Return kVgpuEccNotSupported = 22;
constexpr Return kFreqNotSupported = 24;
constexpr Return kArgumentVersionMismatch = 25;
constexpr Return kDeprecated = 26;
constexpr Return kGpuNotFound = 28;
constexpr Return kUnknown = 999;

constexpr uint32_t kVersionBufferSize = 80;
constexpr uint32_t kNameBufferSize = 96;
constexpr uint32_t kUuidBufferSize = 96;
constexpr uint32_t kSerialBufferSize = 30;

/// First word of a versioned struct.
template <typename T>
constexpr uint32_t StructVersion(uint32_t version) {
  return static_cast<uint32_t>(sizeof(T)) | (version << 24);
}

struct PciInfo {
  char bus_id_legacy[16];
  uint32_t domain;
  uint32_t bus;
  uint32_t device;
  uint32_t pci_device_id;
  uint32_t pci_sub_system_id;
  char bus_id[32];
};
static_assert(sizeof(PciInfo) == 68 && offsetof(PciInfo, bus_id) == 36);

struct Utilization {
  uint32_t gpu;
  uint32_t memory;
};
static_assert(sizeof(Utilization) == 8);

struct MemoryV1 {
  uint64_t total;
  uint64_t free;
  uint64_t used;
};
static_assert(sizeof(MemoryV1) == 24 && offsetof(MemoryV1, used) == 16);

struct MemoryV2 {
  uint32_t version;
  uint64_t total;
  uint64_t reserved;
  uint64_t free;
  uint64_t used;
};
static_assert(sizeof(MemoryV2) == 40 && offsetof(MemoryV2, total) == 8 && offsetof(MemoryV2, used) == 32);
static_assert(StructVersion<MemoryV2>(2) == 0x02000028);

struct MarginTemperature {
  uint32_t version;
  int32_t margin;
};
static_assert(sizeof(MarginTemperature) == 8 && StructVersion<MarginTemperature>(1) == 0x01000008);

struct Bar1Memory {
  uint64_t total;
  uint64_t free;
  uint64_t used;
};
static_assert(sizeof(Bar1Memory) == 24);

struct ViolationTime {
  uint64_t reference_us;
  uint64_t violation_ns;
};
static_assert(sizeof(ViolationTime) == 16);

struct RowRemapperHistogram {
  uint32_t max;
  uint32_t high;
  uint32_t partial;
  uint32_t low;
  uint32_t none;
};
static_assert(sizeof(RowRemapperHistogram) == 20);

struct RepairStatus {
  uint32_t version;
  uint32_t channel_repair_pending;
  uint32_t tpc_repair_pending;
};
static_assert(sizeof(RepairStatus) == 12);

struct EccSramStatus {
  uint32_t version;
  uint64_t counters[11];
  uint32_t threshold_exceeded;
};
static_assert(sizeof(EccSramStatus) == 104 && offsetof(EccSramStatus, threshold_exceeded) == 96);

struct ClkMonStatus {
  uint32_t global_status;
  uint32_t list_size;
  uint32_t list[64];
};
static_assert(sizeof(ClkMonStatus) == 264);

struct FabricInfoV2 {
  uint32_t version;
  uint8_t cluster_uuid[16];
  uint32_t status;
  uint32_t clique_id;
  uint8_t state;
  uint32_t health_mask;
};
static_assert(sizeof(FabricInfoV2) == 36 && offsetof(FabricInfoV2, health_mask) == 32);

struct FabricInfoV3 {
  uint32_t version;
  uint8_t cluster_uuid[16];
  uint32_t status;
  uint32_t clique_id;
  uint8_t state;
  uint32_t health_mask;
  uint8_t health_summary;
};
static_assert(sizeof(FabricInfoV3) == 40 && offsetof(FabricInfoV3, health_summary) == 36);

struct ConfComputeState {
  uint32_t environment;
  uint32_t feature;
  uint32_t dev_tools_mode;
};
static_assert(sizeof(ConfComputeState) == 12);

/// Filled by the _v2 and _v3 process calls alike.
struct ProcessInfo {
  uint32_t pid;
  uint64_t used_gpu_memory;
  uint32_t gpu_instance_id;
  uint32_t compute_instance_id;
};
static_assert(sizeof(ProcessInfo) == 24 && offsetof(ProcessInfo, used_gpu_memory) == 8);

struct EventData {
  Device device;
  uint64_t event_type;
  uint64_t event_data;
  uint32_t gpu_instance_id;
  uint32_t compute_instance_id;
};
static_assert(sizeof(EventData) == 32 && offsetof(EventData, event_data) == 16);

union Value {
  double as_double;
  uint32_t as_u32;
  uint64_t as_u64;
  int64_t as_i64;
  int32_t as_i32;
  uint16_t as_u16;
};
static_assert(sizeof(Value) == 8);

struct FieldValue {
  uint32_t field_id;
  uint32_t scope_id;
  int64_t timestamp;
  int64_t latency_usec;
  uint32_t value_type;
  Return result;
  Value value;
};
static_assert(sizeof(FieldValue) == 40 && offsetof(FieldValue, latency_usec) == 16);
static_assert(offsetof(FieldValue, result) == 28 && offsetof(FieldValue, value) == 32);

enum ValueType : uint32_t {
  kValueDouble = 0,
  kValueU32 = 1,
  kValueULong = 2,
  kValueU64 = 3,
  kValueI64 = 4,
  kValueI32 = 5,
  kValueU16 = 6,
};

enum EventType : uint64_t {
  kEventSingleBitEcc = 0x1,
  kEventDoubleBitEcc = 0x2,
  kEventXid = 0x8,
  kEventMigConfig = 0x100,
  kEventSingleBitEccStorm = 0x200,
  kEventDramRetirement = 0x400,
  kEventDramRetirementFailure = 0x800,
  kEventNonFatalPoison = 0x1000,
  kEventFatalPoison = 0x2000,
  kEventUnavailable = 0x4000,
  kEventRecoveryAction = 0x8000,
};

constexpr uint32_t kTemperatureGpu = 0;
constexpr uint32_t kClockSm = 1;
constexpr uint32_t kClockMemory = 2;
constexpr uint32_t kErrorCorrected = 0;
constexpr uint32_t kErrorUncorrected = 1;
constexpr uint32_t kCounterVolatile = 0;
constexpr uint32_t kCounterAggregate = 1;
constexpr uint32_t kThresholdSlowdown = 1;
constexpr uint32_t kThresholdMemoryMax = 2;
constexpr uint32_t kThresholdGpuMax = 3;
constexpr uint32_t kPolicyPower = 0;
constexpr uint32_t kPolicyThermal = 1;
constexpr uint32_t kRetiredBySingleBit = 0;
constexpr uint32_t kRetiredByDoubleBit = 1;
constexpr uint32_t kP2pRead = 0;
constexpr uint32_t kLinkReplay = 0;
constexpr uint32_t kLinkRecovery = 1;
constexpr uint32_t kLinkCrcFlit = 2;
constexpr uint32_t kVbiosBufferSize = 32;
constexpr uint32_t kInforomBufferSize = 16;
constexpr uint32_t kPartNumberBufferSize = 80;

}  // namespace infernode::nvml
