#include "cuda/handles.h"

#include <cstdio>

namespace infernode::cuda {

std::shared_ptr<Context> Context::Retain(std::shared_ptr<Driver> driver, int device_index) {
  Device device = 0;
  CUcontext handle = nullptr;
  INFERNODE_CUDA(*driver, cuDeviceGet, &device, device_index);
  INFERNODE_CUDA(*driver, cuDevicePrimaryCtxRetain, &handle, device);
  return std::shared_ptr<Context>(new Context(std::move(driver), device, handle, true));
}

std::shared_ptr<Context> Context::Borrow(std::shared_ptr<Driver> driver) {
  Device device = 0;
  CUcontext handle = nullptr;
  INFERNODE_CUDA(*driver, cuCtxGetCurrent, &handle);
  if (!handle) return nullptr;
  INFERNODE_CUDA(*driver, cuCtxGetDevice, &device);
  return std::shared_ptr<Context>(new Context(std::move(driver), device, handle, false));
}

Context::~Context() {
  if (retained_) cu().cuDevicePrimaryCtxRelease_v2(device_);
}

bool Context::Runs(CUstream stream) const {
  CUcontext context = nullptr;
  INFERNODE_CUDA(*driver_, cuStreamGetCtx, stream, &context);
  return context == handle_;
}

int Context::Attribute(int attribute) const {
  int value = 0;
  INFERNODE_CUDA(*driver_, cuDeviceGetAttribute, &value, attribute, device_);
  return value;
}

int Context::ComputeCapability() const { return 10 * Attribute(kAttributeComputeCapabilityMajor) + Attribute(kAttributeComputeCapabilityMinor); }

std::string Context::Name() const {
  char name[256] = "";
  INFERNODE_CUDA(*driver_, cuDeviceGetName, name, sizeof name - 1, device_);
  return name;
}

std::string UuidOf(const Driver& driver, Device device) {
  Uuid uuid{};
  const auto ask = driver.symbols().cuDeviceGetUuid_v2;
  if (!ask || ask(&uuid, device) != kSuccess) return "";
  std::string text = "GPU-";
  for (size_t i = 0; i < sizeof uuid.bytes; ++i) {
    char two[4];
    std::snprintf(two, sizeof two, "%02x", uuid.bytes[i]);
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += two;
  }
  return text;
}

size_t Context::FreeBytes() const {
  const Current current(*this);
  size_t free = 0, total = 0;
  INFERNODE_CUDA(*driver_, cuMemGetInfo_v2, &free, &total);
  return free;
}

double Context::PeakGBps() const {
  int khz = 0, bits = 0;
  const auto ask = cu().cuDeviceGetAttribute;
  if (ask(&khz, kAttributeMemoryClockKhz, device_) != kSuccess || ask(&bits, kAttributeMemoryBusBits, device_) != kSuccess) return 0;
  return 2.0 * khz * bits / 8 / 1e6;
}

size_t Context::TotalBytes() const {
  size_t total = 0;
  INFERNODE_CUDA(*driver_, cuDeviceTotalMem_v2, &total, device_);
  return total;
}

namespace {

template <class Make>
auto Made(const ContextRef& context, Make make) {
  const Current current(*context);
  return make(context->cu());
}

}  // namespace

DeviceMemory::DeviceMemory(const ContextRef& context, size_t bytes)
    : Owned(context, Made(context, [bytes](const Symbols& cu) {
              DevicePtr memory = 0;
              Check("cuMemAlloc_v2", cu.cuMemAlloc_v2(&memory, bytes), std::to_string(bytes) + " bytes");
              return memory;
            })),
      bytes_(bytes) {}

PinnedMemory::PinnedMemory(const ContextRef& context, size_t bytes)
    : Owned(context, Made(context, [bytes](const Symbols& cu) {
              void* memory = nullptr;
              Check("cuMemHostAlloc", cu.cuMemHostAlloc(&memory, bytes, kHostAllocPortable), std::to_string(bytes) + " bytes");
              return memory;
            })),
      bytes_(bytes) {}

Stream NewStream(const ContextRef& context) {
  return Stream(context, Made(context, [](const Symbols& cu) {
                  CUstream stream = nullptr;
                  Check("cuStreamCreate", cu.cuStreamCreate(&stream, kStreamNonBlocking));
                  return stream;
                }));
}

Event NewEvent(const ContextRef& context, bool timed) {
  return Event(context, Made(context, [timed](const Symbols& cu) {
                 CUevent event = nullptr;
                 Check("cuEventCreate", cu.cuEventCreate(&event, timed ? kEventDefault : kEventDisableTiming));
                 return event;
               }));
}

GraphExec Instantiate(const ContextRef& context, const Graph& graph, const Stream& stream) {
  const Current current(*context);
  CUgraphExec exec = nullptr;
  INFERNODE_CUDA(context->driver(), cuGraphInstantiateWithFlags, &exec, graph.get(), 0);
  GraphExec owned(context, exec);
  INFERNODE_CUDA(context->driver(), cuGraphUpload, exec, stream.get());
  INFERNODE_CUDA(context->driver(), cuStreamSynchronize, stream.get());
  return owned;
}

}  // namespace infernode::cuda
