// What the sampler and the agent share: one mapped file, written by the sampler, read by the addon. Each part has its own
// sequence lock and exactly one writing thread, so a thread that is stuck in the driver holds up nobody's reading.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>

#include "nvml/call_slot.h"
#include "nvml/device_row.h"

namespace infernode::sampler {

constexpr uint32_t kSnapshotMagic = 0x53464e49;  // "INFS"
/// Raise it with every change of the structs below or of DeviceRow: reader and writer must come from one build.
constexpr uint32_t kLayoutVersion = 2;
constexpr uint32_t kMaxDevices = nvml::kMaxPeers;

/// Slots of the threads that call the driver.
constexpr uint32_t kDriverSlot = 0;
constexpr uint32_t kEventSlot = 1;
constexpr uint32_t kFirstDeviceSlot = 2;
constexpr uint32_t kSlotCount = kFirstDeviceSlot + kMaxDevices;

/// A sequence lock. The number is odd while the body is being written.
template <typename T>
struct Sequenced {
  std::atomic<uint32_t> sequence{0};
  T body{};

  void Store(const T& value) {
    const uint32_t before = sequence.load(std::memory_order_relaxed);
    sequence.store(before + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    std::memcpy(&body, &value, sizeof(T));
    sequence.store(before + 2, std::memory_order_release);
  }

  /// False when no whole value was seen: the writer died in the middle, or is faster than we can copy.
  bool Load(T* value) const {
    for (int tries = 0; tries < 64; tries++) {
      const uint32_t before = sequence.load(std::memory_order_acquire);
      if (before & 1) continue;
      std::memcpy(value, &body, sizeof(T));
      std::atomic_thread_fence(std::memory_order_acquire);
      if (sequence.load(std::memory_order_relaxed) == before) return true;
    }
    return false;
  }
};

struct DriverBody {
  /// nvml::DriverState
  uint32_t state;
  uint32_t device_count;
  char reason[512];
  char driver_version[80];
  char nvml_version[80];
};

/// What the driver says of the node as a whole; NaN: it does not tell.
struct NodeBody {
  double confidential_feature;
  double confidential_ready;
  double excluded_devices;
};

struct Snapshot {
  uint32_t magic;
  uint32_t layout_version;
  uint64_t size;
  uint32_t pid;
  uint32_t reserved;
  /// Written by the command thread, which never calls the driver: it stops only when the whole process does.
  std::atomic<uint64_t> heartbeat_ns;
  /// Changes whenever a string (identity, versions, reason) may have changed.
  std::atomic<uint64_t> inventory_generation;
  /// Finished rounds: every device thread that is not stuck has read its device.
  std::atomic<uint64_t> rounds;
  /// How many `sample` commands have been answered by a complete round.
  std::atomic<uint64_t> samples_answered;
  std::atomic<uint64_t> events_written;
  std::atomic<uint64_t> events_dropped;
  nvml::CallSlot slots[kSlotCount];
  Sequenced<DriverBody> driver;
  Sequenced<NodeBody> node;
  Sequenced<nvml::DeviceRow> devices[kMaxDevices];
};

}  // namespace infernode::sampler
