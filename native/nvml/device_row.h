// One device as plain data: what the sampler publishes and the addon hands on. Fixed size, because it lies in shared memory.
#pragma once

#include <cstdint>

namespace infernode::nvml {

/// Columns of a row of doubles, in the order and with the names of `DeviceReading` in src/domain/device.ts (a test compares
/// them). NaN is "not supported or not read". Add a column at the end of its group here and it reaches JS by itself.
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
// clang-format on

enum class Column : uint32_t {
#define X(name) name,
  INFERNODE_READING_COLUMNS(X)
#undef X
      kCount
};
constexpr uint32_t kColumnCount = static_cast<uint32_t>(Column::kCount);

/// More processes than this on one GPU are counted, not listed.
constexpr uint32_t kMaxProcesses = 128;

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
};

struct ProcessRow {
  uint32_t pid;
  uint32_t reserved;
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
};

}  // namespace infernode::nvml
