// Driver, devices, contexts.
#include <cstdio>
#include <cstring>

#include "cuda_sim/api.h"

namespace {

/// For calls that need cuInit but no context.
template <class Body>
Result CallWithoutContext(const char* name, int device, Body body) {
  const Result injected = Suffer(name, device);
  const std::lock_guard<std::mutex> lock(Simulator::Get().mutex);
  if (!Simulator::Get().initialized) return kNotInitialized;
  if (injected != kSuccess) return injected;
  const std::shared_ptr<const Scenario> scenario = Scenario::Now();
  return device >= 0 && device >= scenario->devices ? kInvalidDevice : body(*scenario);
}

ContextHandle* PrimaryOf(Simulator& simulator, int device) {
  ContextHandle*& context = simulator.contexts[device];
  if (!context) (context = new ContextHandle)->device = device;
  return context;
}

}  // namespace

INFERNODE_CUDA_SIM_API cuInit(unsigned flags) {
  const Result injected = Suffer("cuInit", -1);
  if (injected != kSuccess) return injected;
  if (flags != 0) return kInvalidValue;
  if (Scenario::Now()->devices == 0) return kNoDevice;
  const std::lock_guard<std::mutex> lock(Simulator::Get().mutex);
  Simulator::Get().initialized = true;
  return kSuccess;
}

INFERNODE_CUDA_SIM_API cuDriverGetVersion(int* version) {
  *version = Scenario::Now()->driver_version;
  return Suffer("cuDriverGetVersion", -1);
}

INFERNODE_CUDA_SIM_API cuDeviceGetCount(int* count) {
  return CallWithoutContext("cuDeviceGetCount", -1, [&](const Scenario& s) { return *count = s.devices, kSuccess; });
}

INFERNODE_CUDA_SIM_API cuDeviceGet(Device* device, int index) {
  return index < 0 ? kInvalidDevice : CallWithoutContext("cuDeviceGet", index, [&](const Scenario&) { return *device = index, kSuccess; });
}

INFERNODE_CUDA_SIM_API cuDeviceGetName(char* name, int size, Device device) {
  return CallWithoutContext("cuDeviceGetName", device, [&](const Scenario&) {
    std::snprintf(name, static_cast<size_t>(size), "infernode simulated GPU (no hardware)");
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuDeviceGetAttribute(int* value, int attribute, Device device) {
  return CallWithoutContext("cuDeviceGetAttribute", device, [&](const Scenario& s) {
    switch (attribute) {
      case kAttributeComputeCapabilityMajor: return *value = s.compute_capability / 10, kSuccess;
      case kAttributeComputeCapabilityMinor: return *value = s.compute_capability % 10, kSuccess;
      case kAttributeMultiprocessorCount: return *value = 4, kSuccess;
      case kAttributeMaxSharedMemoryPerBlockOptin: return *value = 164 << 10, kSuccess;
      default: return kInvalidValue;
    }
  });
}

INFERNODE_CUDA_SIM_API cuDeviceTotalMem_v2(size_t* bytes, Device device) {
  return CallWithoutContext("cuDeviceTotalMem_v2", device, [&](const Scenario& s) { return *bytes = s.memory_bytes, kSuccess; });
}

INFERNODE_CUDA_SIM_API cuDeviceGetUuid_v2(Uuid* uuid, Device device) {
  return CallWithoutContext("cuDeviceGetUuid_v2", device, [&](const Scenario& s) {
    *uuid = Uuid{};
    uuid->bytes[15] = static_cast<unsigned char>(device + 1);
    if (static_cast<size_t>(device) >= s.uuids.size()) return kSuccess;
    size_t byte = 0;
    const std::string& text = s.uuids[static_cast<size_t>(device)];
    for (size_t at = text.find('-') + 1; at + 1 < text.size() && byte < sizeof uuid->bytes; at += text[at] == '-' ? 1 : 2)
      if (text[at] != '-') uuid->bytes[byte++] = static_cast<unsigned char>(std::stoi(text.substr(at, 2), nullptr, 16));
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuDeviceGetPCIBusId(char* id, int size, Device device) {
  return CallWithoutContext("cuDeviceGetPCIBusId", device, [&](const Scenario&) {
    std::snprintf(id, static_cast<size_t>(size), "0000:%02X:00.0", device + 1);
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuDevicePrimaryCtxRetain(CUcontext* context, Device device) {
  return CallWithoutContext("cuDevicePrimaryCtxRetain", device, [&](const Scenario& s) {
    ContextHandle* primary = PrimaryOf(Simulator::Get(), device);
    if (primary->references == 0 && kContextBytes > s.memory_bytes) return kOutOfMemory;
    if (primary->references++ == 0) primary->used_bytes += kContextBytes;
    *context = primary;
    return primary->sticky;
  });
}

INFERNODE_CUDA_SIM_API cuDevicePrimaryCtxRelease_v2(Device device) {
  return CallWithoutContext("cuDevicePrimaryCtxRelease_v2", device, [&](const Scenario&) {
    ContextHandle* primary = PrimaryOf(Simulator::Get(), device);
    if (primary->references == 0) return kInvalidContext;
    if (--primary->references == 0) primary->used_bytes -= kContextBytes;
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuCtxGetCurrent(CUcontext* context) {
  return CallWithoutContext("cuCtxGetCurrent", -1, [&](const Scenario&) {
    *context = CurrentStack().empty() ? nullptr : CurrentStack().back();
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuCtxGetDevice(Device* device) {
  return Call("cuCtxGetDevice", [&](Simulator&, ContextHandle& context, Lock&) { return *device = context.device, kSuccess; });
}

INFERNODE_CUDA_SIM_API cuCtxPushCurrent_v2(CUcontext context) {
  if (!context) return kInvalidContext;
  CurrentStack().push_back(context);
  return kSuccess;
}

INFERNODE_CUDA_SIM_API cuCtxPopCurrent_v2(CUcontext* context) {
  if (CurrentStack().empty()) return kInvalidContext;
  *context = CurrentStack().back();
  CurrentStack().pop_back();
  return kSuccess;
}

INFERNODE_CUDA_SIM_API cuCtxSynchronize() {
  return Call("cuCtxSynchronize", [](Simulator& simulator, ContextHandle& context, Lock& lock) {
    if (ForbiddenByCapture(simulator)) return kStreamCaptureUnsupported;
    for (StreamHandle* stream : std::set<StreamHandle*>(context.streams)) Drain(simulator, stream, lock);
    return context.sticky;
  });
}
