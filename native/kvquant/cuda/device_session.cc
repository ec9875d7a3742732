#include "kvquant/cuda/device_session.h"

#include <cstring>

namespace infernode::kv {

namespace {

std::shared_ptr<cuda::Driver> OpenDriver(const char* library) {
  cuda::DriverStatus status;
  auto driver = cuda::Driver::Open(library ? library : "libcuda.so.1", &status);
  if (!driver) throw DriverUnavailable(status);
  return driver;
}

}  // namespace

std::unique_ptr<DeviceSession> DeviceSession::Open(const char* library, int device) {
  return std::unique_ptr<DeviceSession>(new DeviceSession(cuda::Context::Retain(OpenDriver(library), device)));
}

std::unique_ptr<DeviceSession> DeviceSession::OpenCurrent(const char* library) {
  auto context = cuda::Context::Borrow(OpenDriver(library));
  if (!context) throw ArgumentError(INFERNODE_KV_NO_CONTEXT, "context: expected one that is current to the calling thread");
  const cuda::BesideCaptures beside(*context);
  return std::unique_ptr<DeviceSession>(new DeviceSession(std::move(context)));
}

DeviceSession::DeviceSession(cuda::ContextRef context)
    : context_(std::move(context)),
      stream_(cuda::NewStream(context_)),
      multiprocessors_(static_cast<uint32_t>(context_->Attribute(cuda::kAttributeMultiprocessorCount))) {}

const LoadedKernel& DeviceSession::Kernel(bool encode, bool fp16, bool rotates) const {
  const char* name = KernelName(encode, fp16, rotates);
  size_t i = 0;
  while (std::strcmp(kKernelNames[i], name) != 0) ++i;
  const std::lock_guard<std::mutex> lock(loading_);
  if (!kernels_[i].function) kernels_[i] = LoadKernel(context_, name);
  return kernels_[i];
}

void DeviceSession::Launch(bool encode, bool fp16, bool rotates, const KernelParams& params, uint32_t blocks, cuda::CUstream stream) const {
  const cuda::CUfunction kernel = Kernel(encode, fp16, rotates).function;
  void* values[] = {const_cast<KernelParams*>(&params)};
  const cuda::Current current(*context_);
  INFERNODE_CUDA(context_->driver(), cuLaunchKernel, kernel, blocks ? blocks : 2 * multiprocessors_, 1, 1, kKernelThreads, 1, 1, 0, stream, values, nullptr);
}

void DeviceSession::Upload(const cuda::DeviceMemory& to, const void* from, size_t bytes) const {
  const cuda::Current current(*context_);
  if (bytes) INFERNODE_CUDA(context_->driver(), cuMemcpyHtoDAsync_v2, to.get(), from, bytes, stream_.get());
}

void DeviceSession::Download(void* to, const cuda::DeviceMemory& from, size_t bytes) const {
  const cuda::Current current(*context_);
  if (bytes) INFERNODE_CUDA(context_->driver(), cuMemcpyDtoHAsync_v2, to, from.get(), bytes, stream_.get());
}

void DeviceSession::Fill(const cuda::DeviceMemory& to, unsigned char value) const {
  const cuda::Current current(*context_);
  INFERNODE_CUDA(context_->driver(), cuMemsetD8Async, to.get(), value, to.bytes(), stream_.get());
}

void DeviceSession::Wait() const {
  const cuda::Current current(*context_);
  INFERNODE_CUDA(context_->driver(), cuStreamSynchronize, stream_.get());
}

}  // namespace infernode::kv
