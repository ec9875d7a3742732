// The KV kernels on one device: context, module and a stream, and launches into it.
#pragma once

#include <memory>

#include "cuda/module.h"
#include "kvquant/cuda/kernel_abi.h"

namespace infernode::kv {

class DeviceSession {
 public:
  /// Throws CudaError, and std::runtime_error with the reason when the driver cannot be opened.
  static std::unique_ptr<DeviceSession> Open(const char* library, int device);

  const cuda::ContextRef& context() const { return context_; }
  const cuda::Stream& stream() const { return stream_; }
  const char* image() const { return module_.image; }
  uint32_t Multiprocessors() const { return multiprocessors_; }

  /// Asynchronous. `blocks` 0: two for each multiprocessor, as many as run at a time.
  void Launch(bool encode, bool fp16, bool rotates, const KernelParams& params, uint32_t blocks = 0) const;

  cuda::DeviceMemory Allocate(size_t bytes) const { return cuda::DeviceMemory(context_, bytes ? bytes : 1); }
  void Upload(const cuda::DeviceMemory& to, const void* from, size_t bytes) const;
  void Download(void* to, const cuda::DeviceMemory& from, size_t bytes) const;
  void Fill(const cuda::DeviceMemory& to, unsigned char value) const;
  /// Waits for all of the above.
  void Wait() const;

 private:
  DeviceSession(cuda::ContextRef context);

  cuda::ContextRef context_;
  cuda::LoadedModule module_;
  cuda::Stream stream_;
  uint32_t multiprocessors_;
};

}  // namespace infernode::kv
