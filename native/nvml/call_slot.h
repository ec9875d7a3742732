// Says which driver call a thread is in right now, so that somebody outside can tell how long it has been there. It lies
// in the shared snapshot: the watcher is another process, because a thread stuck in the driver cannot report itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>

#include "nvml/symbols.h"

namespace infernode::nvml {

/// CLOCK_MONOTONIC, nanoseconds: the same in every process of the machine.
inline uint64_t MonotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

/// How long finished calls of one function took, by upper bound in seconds: 100 us, 1, 10, 100 ms, 1, 10 s, longer.
constexpr uint32_t kCallBuckets = 7;
constexpr double kCallBucketSeconds[kCallBuckets - 1] = {1e-4, 1e-3, 1e-2, 1e-1, 1, 10};

struct CallTimes {
  std::atomic<uint32_t> counts[kCallBuckets] = {};
  std::atomic<uint64_t> total_ns{0};

  /// One thread writes: no need for a locked addition.
  void Add(uint64_t ns) {
    uint32_t bucket = 0;
    for (uint64_t bound = 100'000; bucket < kCallBuckets - 1 && ns > bound; bound *= 10) bucket++;
    counts[bucket].store(counts[bucket].load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    total_ns.store(total_ns.load(std::memory_order_relaxed) + ns, std::memory_order_relaxed);
  }
};

/// Written by one thread, read by any. `started_ns` is 0 between calls.
struct CallSlot {
  std::atomic<uint64_t> started_ns{0};
  std::atomic<uint32_t> call{0};
  /// Index of the device, -1 for the driver as a whole.
  std::atomic<int32_t> device{-1};
  CallTimes times[static_cast<size_t>(Call::kCount)];

  void Enter(Call c, int32_t d) {
    call.store(static_cast<uint32_t>(c), std::memory_order_relaxed);
    device.store(d, std::memory_order_relaxed);
    started_ns.store(MonotonicNs(), std::memory_order_release);
  }
  void Leave() {
    const uint64_t ns = MonotonicNs() - started_ns.load(std::memory_order_relaxed);
    started_ns.store(0, std::memory_order_release);
    times[call.load(std::memory_order_relaxed)].Add(ns);
  }
};
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

/// Calls a symbol of the table; a missing one answers FUNCTION_NOT_FOUND instead of crashing.
template <typename Function, typename... Args>
Return Invoke(CallSlot& slot, Call call, int32_t device, Function function, Args... args) {
  if (!function) return kFunctionNotFound;
  slot.Enter(call, device);
  const Return result = function(args...);
  slot.Leave();
  return result;
}

}  // namespace infernode::nvml

/// `INFERNODE_NVML(symbols, slot, index, nvmlDeviceGetName, handle, buffer, size)`: names the symbol once.
#define INFERNODE_NVML(symbols, slot, device, name, ...) \
  ::infernode::nvml::Invoke(slot, ::infernode::nvml::Call::name, device, (symbols).name, ##__VA_ARGS__)
