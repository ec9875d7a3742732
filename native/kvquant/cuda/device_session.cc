#include "kvquant/cuda/device_session.h"

#include <cstring>

namespace infernode::kv {

std::unique_ptr<DeviceSession> DeviceSession::Open(const char* library, int device) {
  cuda::DriverStatus status;
  auto driver = cuda::Driver::Open(library ? library : "libcuda.so.1", &status);
  if (!driver) throw DriverUnavailable(status);
  return std::unique_ptr<DeviceSession>(new DeviceSession(cuda::Context::Retain(std::move(driver), device)));
}

DeviceSession::DeviceSession(cuda::ContextRef context)
    : context_(std::move(context)),
      stream_(cuda::NewStream(context_)),
      multiprocessors_(static_cast<uint32_t>(context_->Attribute(cuda::kAttributeMultiprocessorCount))) {}

const LoadedKernel& DeviceSession::Kernel(bool encode, bool fp16, bool rotates) const {
  const char* name = KernelName(encode, fp16, rotates);
  size_t i = 0;
  while (std::strcmp(kKernelNames[i], name) != 0) ++i;
  if (!kernels_[i].function) kernels_[i] = LoadKernel(context_, name);
  return kernels_[i];
}

void DeviceSession::Launch(bool encode, bool fp16, bool rotates, const KernelParams& params, uint32_t blocks) const {
  const cuda::CUfunction kernel = Kernel(encode, fp16, rotates).function;
  void* values[] = {const_cast<KernelParams*>(&params)};
  const cuda::Current current(*context_);
  INFERNODE_CUDA(context_->driver(), cuLaunchKernel, kernel, blocks ? blocks : 2 * multiprocessors_, 1, 1, kKernelThreads, 1, 1, 0, stream_.get(), values, nullptr);
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
