// Memory and copies. Device memory is host memory in ranges of its own; a copy that leaves its range is refused, one whose
// memory has gone by the time a stream gets to it is an illegal address.
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "cuda_sim/api.h"

namespace {

constexpr size_t kAlignment = 512;

uint8_t* At(DevicePtr address) { return reinterpret_cast<uint8_t*>(static_cast<uintptr_t>(address)); }

/// Fresh memory is full of a pattern, as the driver's is full of what was there before.
void* NewMemory(Simulator& simulator, size_t bytes, int device) {
  void* memory = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (!memory) return nullptr;
  std::memset(memory, 0xCD, bytes);
  simulator.allocations[reinterpret_cast<uintptr_t>(memory)] = {bytes, device};
  return memory;
}

bool DropMemory(Simulator& simulator, void* memory, int device, size_t* bytes) {
  const auto found = simulator.allocations.find(reinterpret_cast<uintptr_t>(memory));
  if (found == simulator.allocations.end() || found->second.device != device) return false;
  *bytes = found->second.bytes;
  simulator.allocations.erase(found);
  std::free(memory);
  return true;
}

/// Freeing waits for the device, as the driver does.
void DrainAll(Simulator& simulator, ContextHandle& context, Lock& lock) {
  for (StreamHandle* stream : std::set<StreamHandle*>(context.streams)) Drain(simulator, stream, lock);
}

struct Range {
  uintptr_t address;
  size_t bytes;
  int device;  ///< -1: page-locked; -2: host memory that the driver knows nothing about
};

/// Copies when a stream gets there; then its memory must still be there.
Operation CopyOf(const char* kind, Range to, Range from) {
  return {kind, [kind, to, from] {
            const Result injected = Suffer(std::string("copy:") + kind, to.device >= 0 ? to.device : from.device);
            if (injected != kSuccess) return injected;
            Simulator& simulator = Simulator::Get();
            const std::lock_guard<std::mutex> lock(simulator.mutex);
            for (const Range& range : {to, from})
              if (range.device >= -1 && !simulator.Covers(range.address, range.bytes, range.device)) return kIllegalAddress;
            std::memmove(reinterpret_cast<void*>(to.address), reinterpret_cast<const void*>(from.address), to.bytes);
            return kSuccess;
          }};
}

Range HostRange(Simulator& simulator, const void* host, size_t bytes) {
  return {reinterpret_cast<uintptr_t>(host), bytes, simulator.IsPinned(host, bytes) ? -1 : -2};
}

bool OnDevice(Simulator& simulator, ContextHandle& context, DevicePtr address, size_t bytes) { return simulator.Covers(address, bytes, context.device); }

}  // namespace

INFERNODE_CUDA_SIM_API cuMemGetInfo_v2(size_t* free, size_t* total) {
  return Call("cuMemGetInfo_v2", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    if (ForbiddenByCapture(simulator)) return kStreamCaptureUnsupported;
    *total = Scenario::Now()->memory_bytes;
    *free = *total - std::min(*total, context.used_bytes);
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuMemAlloc_v2(DevicePtr* address, size_t bytes) {
  return Call("cuMemAlloc_v2", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    if (ForbiddenByCapture(simulator)) return kStreamCaptureUnsupported;
    if (bytes == 0) return kInvalidValue;
    if (context.used_bytes + bytes > Scenario::Now()->memory_bytes) return kOutOfMemory;
    void* memory = NewMemory(simulator, bytes, context.device);
    if (!memory) return kOutOfMemory;
    context.used_bytes += bytes;
    *address = reinterpret_cast<uintptr_t>(memory);
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuMemFree_v2(DevicePtr address) {
  return Call("cuMemFree_v2", [&](Simulator& simulator, ContextHandle& context, Lock& lock) {
    if (ForbiddenByCapture(simulator)) return kStreamCaptureUnsupported;
    DrainAll(simulator, context, lock);
    size_t bytes = 0;
    if (!DropMemory(simulator, At(address), context.device, &bytes)) return kInvalidValue;
    context.used_bytes -= bytes;
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
  return Call("cuMemHostAlloc", [&](Simulator& simulator, ContextHandle&, Lock&) {
    if (ForbiddenByCapture(simulator)) return kStreamCaptureUnsupported;
    if (bytes == 0) return kInvalidValue;
    return (*memory = NewMemory(simulator, bytes, -1)) ? kSuccess : kOutOfMemory;
  });
}

INFERNODE_CUDA_SIM_API cuMemFreeHost(void* memory) {
  return Call("cuMemFreeHost", [&](Simulator& simulator, ContextHandle& context, Lock& lock) {
    if (ForbiddenByCapture(simulator)) return kStreamCaptureUnsupported;
    DrainAll(simulator, context, lock);
    size_t bytes = 0;
    return DropMemory(simulator, memory, -1, &bytes) ? kSuccess : kInvalidValue;
  });
}

INFERNODE_CUDA_SIM_API cuPointerGetAttribute(void* value, int attribute, DevicePtr address) {
  return Call("cuPointerGetAttribute", [&](Simulator& simulator, ContextHandle&, Lock&) {
    if (attribute != kPointerMemoryType) return kNotSupported;
    const auto next = simulator.allocations.upper_bound(address);
    if (next == simulator.allocations.begin()) return kInvalidValue;
    const auto& [start, allocation] = *std::prev(next);
    if (address - start >= allocation.bytes) return kInvalidValue;
    const unsigned type = allocation.device < 0 ? kMemoryHost : kMemoryDevice;
    std::memcpy(value, &type, sizeof type);
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuMemcpyHtoDAsync_v2(DevicePtr to, const void* from, size_t bytes, CUstream stream) {
  return Call("cuMemcpyHtoDAsync_v2", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    stream = StreamOf(simulator, context, stream);
    if (!OnDevice(simulator, context, to, bytes)) return kInvalidValue;
    const Range source = HostRange(simulator, from, bytes);
    if (source.device == -1 || (simulator.live.count(stream) && stream->capture))
      return Issue(simulator, stream, CopyOf("host-to-device", {static_cast<uintptr_t>(to), bytes, context.device}, source));
    // Pageable memory is copied aside before the call returns, as the driver does; the caller may use it again at once.
    auto staged = std::make_shared<std::vector<uint8_t>>(static_cast<const uint8_t*>(from), static_cast<const uint8_t*>(from) + bytes);
    const Range aside{reinterpret_cast<uintptr_t>(staged->data()), bytes, -2};
    Operation copy = CopyOf("host-to-device", {static_cast<uintptr_t>(to), bytes, context.device}, aside);
    return Issue(simulator, stream, {copy.kind, [staged, run = std::move(copy.run)] { return run(); }});
  });
}

INFERNODE_CUDA_SIM_API cuMemcpyDtoHAsync_v2(void* to, DevicePtr from, size_t bytes, CUstream stream) {
  return Call("cuMemcpyDtoHAsync_v2", [&](Simulator& simulator, ContextHandle& context, Lock& lock) {
    stream = StreamOf(simulator, context, stream);
    if (!OnDevice(simulator, context, from, bytes)) return kInvalidValue;
    const Range target = HostRange(simulator, to, bytes);
    const Result result = Issue(simulator, stream, CopyOf("device-to-host", target, {static_cast<uintptr_t>(from), bytes, context.device}));
    // Into pageable memory the call returns when the copy is over.
    if (result == kSuccess && target.device == -2 && !stream->capture) Drain(simulator, stream, lock);
    return result;
  });
}

INFERNODE_CUDA_SIM_API cuMemcpyDtoDAsync_v2(DevicePtr to, DevicePtr from, size_t bytes, CUstream stream) {
  return Call("cuMemcpyDtoDAsync_v2", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    if (!OnDevice(simulator, context, to, bytes) || !OnDevice(simulator, context, from, bytes)) return kInvalidValue;
    return Issue(simulator, StreamOf(simulator, context, stream),
                 CopyOf("device-to-device", {static_cast<uintptr_t>(to), bytes, context.device}, {static_cast<uintptr_t>(from), bytes, context.device}));
  });
}

INFERNODE_CUDA_SIM_API cuMemsetD8Async(DevicePtr to, unsigned char value, size_t bytes, CUstream stream) {
  return Call("cuMemsetD8Async", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    if (!OnDevice(simulator, context, to, bytes)) return kInvalidValue;
    return Issue(simulator, StreamOf(simulator, context, stream), {"memset", [=, device = context.device] {
                                       Simulator& s = Simulator::Get();
                                       const std::lock_guard<std::mutex> lock(s.mutex);
                                       if (!s.Covers(to, bytes, device)) return kIllegalAddress;
                                       std::memset(At(to), value, bytes);
                                       return kSuccess;
                                     }});
  });
}
