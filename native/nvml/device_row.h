// One device as plain data: what the sampler publishes and the addon hands on. Fixed size, because it lies in shared memory.
#pragma once

#include <cstdint>

namespace infernode::nvml {

/// Columns of a row of doubles, in the order and with the names of `DeviceReading` in src/domain/device.ts (a test compares
/// them). NaN is "not supported or not read yet", infinity "the part has it, and reading it failed this time". Add a column
/// at the end of its group here and it reaches JS by itself.
// clang-format off
#define INFERNODE_READING_COLUMNS(X)                                    \
  X(temperatureCelsius)       X(memoryTemperatureCelsius)               \
  X(temperatureMarginCelsius) X(powerWatts)             X(powerLimitWatts) \
  X(smClockMhz)               X(memoryClockMhz)                         \
  X(gpuUtilizationRatio)      X(memoryUtilizationRatio)                 \
  X(memoryTotalBytes)         X(memoryUsedBytes)        X(memoryFreeBytes) \
  X(eccUncorrectedVolatile)   X(eccCorrectedVolatile)                   \
  X(remappedRowsCorrectable)  X(remappedRowsUncorrectable)              \
  X(rowRemapPending)          X(rowRemapFailure)                        \
  X(throttleReasons)                                                    \
  X(pcieLinkGeneration)       X(pcieLinkWidth)          X(pcieReplayCounter) \
  X(recoveryAction)

/// Columns behind those: members of `DeviceDetails` in src/domain/device-details.ts. Only health and metrics look at them.
#define INFERNODE_DETAIL_COLUMNS(X)                                     \
  X(slowdownCelsius)          X(gpuMaxCelsius)          X(memoryMaxCelsius) \
  X(fanCount)                 X(fanSpeedRatio)                          \
  X(powerLimitDefaultWatts)   X(energyJoules)                           \
  X(smClockMaxMhz)            X(performanceState)       X(clockMonitorFault) \
  X(violationPowerNs)         X(violationThermalNs)                     \
  X(throttleHwThermalNs)      X(throttlePowerBrakeNs)                   \
  X(bar1TotalBytes)           X(bar1UsedBytes)                          \
  X(eccEnabled)               X(eccPending)                             \
  X(eccCorrectedAggregate)    X(eccUncorrectedAggregate)                \
  X(sramThresholdExceeded)                                              \
  X(remapBanksLow)            X(remapBanksNone)                         \
  X(channelRepairPending)     X(tpcRepairPending)       X(unrepairableMemory) \
  X(retiredPagesSingleBit)    X(retiredPagesDoubleBit)  X(retiredPagesPending) \
  X(inforomCorrupt)                                                     \
  X(pcieLinkGenerationMax)    X(pcieLinkWidthMax)       X(pcieRecoveryCounter) \
  X(pcieCorrectableErrors)    X(pcieNonFatalErrors)     X(pcieFatalErrors) \
  X(pcieTxBytes)              X(pcieRxBytes)                            \
  X(nvlinkCount)                                                        \
  X(c2cLinkCount)             X(c2cLinksActive)         X(c2cErrors)    \
  X(fabricState)              X(fabricStatus)           X(fabricHealthMask) \
  X(persistenceMode)          X(computeMode)            X(virtualizationMode) \
  X(migMode)                  X(migPending)             X(moduleId)     \
  X(eventTypes)                                                         \
  X(fastReadSeconds)          X(normalReadSeconds)      X(slowReadSeconds) \
  X(readsPutOff)

/// One NVLink: members of `LinkReading`. The first four are those up to Hopper, the others came with NVLink 5.
#define INFERNODE_LINK_COLUMNS(X)                                       \
  X(active)                                                             \
  X(replayErrors)             X(recoveryErrors)         X(crcErrors)    \
  X(malformedPackets)         X(bufferOverruns)                         \
  X(receiveErrors)            X(receiveRemoteErrors)    X(receiveGeneralErrors) \
  X(localIntegrityErrors)     X(discards)                               \
  X(recoveryFailed)           X(recoveryEvents)                         \
  X(effectiveErrors)          X(effectiveBer)                           \
  X(symbolErrors)             X(symbolBer)
// clang-format on

enum class Column : uint32_t {
#define X(name) name,
  INFERNODE_READING_COLUMNS(X) INFERNODE_DETAIL_COLUMNS(X)
#undef X
      kCount
};
constexpr uint32_t kColumnCount = static_cast<uint32_t>(Column::kCount);
constexpr uint32_t kReadingCount = static_cast<uint32_t>(Column::slowdownCelsius);

enum class LinkColumn : uint32_t {
#define X(name) name,
  INFERNODE_LINK_COLUMNS(X)
#undef X
      kCount
};
constexpr uint32_t kLinkColumnCount = static_cast<uint32_t>(LinkColumn::kCount);

/// More processes than this on one GPU are counted, not listed.
constexpr uint32_t kMaxProcesses = 128;
/// NVML's own limits.
constexpr uint32_t kMaxLinks = 36;
constexpr uint32_t kMaxMigInstances = 8;
/// Devices of a node; peers are named by index.
constexpr uint32_t kMaxPeers = 64;

struct Identity {
  /// Empty when the handle could not be had.
  char uuid[96];
  char name[96];
  /// Empty when the part has none.
  char serial[32];
  /// `00000000:61:00.0`, lower case.
  char pci_bus_id[32];
  /// -1 when not known.
  int32_t minor_number;
  /// Empty when not told.
  char vbios[32];
  char inforom[16];
  char part_number[80];
};

struct MigRow {
  char uuid[96];
  uint32_t gpu_instance;
  uint32_t compute_instance;
  /// NaN when not told.
  double memory_total;
  double memory_used;
};

struct ProcessRow {
  uint32_t pid;
  /// UINT32_MAX: the whole device.
  uint32_t gpu_instance;
  /// NaN when the driver does not tell.
  double memory_bytes;
};

struct DeviceRow {
  uint32_t index;
  /// 0: this index has no device, or was never read.
  uint32_t present;
  /// CLOCK_MONOTONIC at the end of the newest reading that reached the device.
  uint64_t sampled_ns;
  /// First return code that speaks of the device itself; 0 when there is none.
  int32_t error_code;
  uint32_t error_call;
  /// -1: not supported or not read.
  int32_t process_count;
  /// As the driver said; larger than process_count when the list was cut.
  uint32_t process_total;
  Identity identity;
  double reading[kColumnCount];
  ProcessRow processes[kMaxProcesses];
  /// Finished readings of the slow class; what follows changes with it only.
  uint32_t slow_reads;
  /// -1: the part has none, or not read.
  int32_t link_count;
  int32_t mig_count;
  int32_t peer_count;
  double links[kMaxLinks][kLinkColumnCount];
  MigRow migs[kMaxMigInstances];
  /// nvmlGpuP2PStatus_t towards the device at that index; NaN for itself and where it was not read.
  double peers[kMaxPeers];
};

}  // namespace infernode::nvml
