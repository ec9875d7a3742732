#include "kvquant/cuda/device_session.h"

#include <stdexcept>

#include "kvquant/cuda/kernel_images.h"

namespace infernode::kv {

std::unique_ptr<DeviceSession> DeviceSession::Open(const char* library, int device) {
  cuda::DriverStatus status;
  auto driver = cuda::Driver::Open(library ? library : "libcuda.so.1", &status);
  if (!driver) throw std::runtime_error(std::string(cuda::DriverStateName(status.state)) + ": " + status.reason);
  return std::unique_ptr<DeviceSession>(new DeviceSession(cuda::Context::Retain(std::move(driver), device)));
}

DeviceSession::DeviceSession(cuda::ContextRef context)
    : context_(std::move(context)),
      module_(cuda::LoadModule(context_, kKernelImages, kKernelImageCount)),
      stream_(cuda::NewStream(context_)),
      multiprocessors_(static_cast<uint32_t>(context_->Attribute(cuda::kAttributeMultiprocessorCount))) {}

void DeviceSession::Launch(bool encode, bool fp16, bool rotates, const KernelParams& params, uint32_t blocks) const {
  const cuda::CUfunction kernel = cuda::FindKernel(module_.module, KernelName(encode, fp16, rotates));
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
