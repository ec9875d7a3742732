// The KV kernels on one device: context, kernels and a stream, and launches into it. Everything of the project that runs them on a device
// (the C API, the graph runner, the check) opens it here.
#pragma once

#include <iterator>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include "cuda/driver.h"
#include "kvquant/cuda/kernel_abi.h"
#include "kvquant/cuda/kernel_images.h"
#include "kvquant/infernode_kv.h"

namespace infernode::kv {

/// There is no driver that could be opened.
struct DriverUnavailable : std::runtime_error {
  explicit DriverUnavailable(const cuda::DriverStatus& status)
      : std::runtime_error(std::string(cuda::DriverStateName(status.state)) + ": " + status.reason), state(status.state) {}
  cuda::DriverState state;
};

/// A refusal by the rules of infernode_kv.h, naming what was wrong.
struct ArgumentError : std::invalid_argument {
  ArgumentError(infernode_kv_result why, const std::string& what) : std::invalid_argument(what), result(why) {}
  infernode_kv_result result;
};

class DeviceSession {
 public:
  /// `library` NULL: libcuda.so.1. Throws CudaError and DriverUnavailable.
  static std::unique_ptr<DeviceSession> Open(const char* library, int device);
  /// Over the context that is current to the calling thread. Throws ArgumentError too, where there is none.
  static std::unique_ptr<DeviceSession> OpenCurrent(const char* library);

  const cuda::ContextRef& context() const { return context_; }
  const cuda::Stream& stream() const { return stream_; }
  /// Loaded when it is first asked for, which no capture allows.
  const LoadedKernel& Kernel(bool encode, bool fp16, bool rotates) const;
  uint32_t Multiprocessors() const { return multiprocessors_; }

  /// Asynchronous. `blocks` 0: two for each multiprocessor, as many as run at a time.
  void Launch(bool encode, bool fp16, bool rotates, const KernelParams& params, uint32_t blocks = 0) const { Launch(encode, fp16, rotates, params, blocks, stream_.get()); }
  /// The same into another stream of the context.
  void Launch(bool encode, bool fp16, bool rotates, const KernelParams& params, uint32_t blocks, cuda::CUstream stream) const;

  cuda::DeviceMemory Allocate(size_t bytes) const { return cuda::DeviceMemory(context_, bytes ? bytes : 1); }
  void Upload(const cuda::DeviceMemory& to, const void* from, size_t bytes) const;
  void Download(void* to, const cuda::DeviceMemory& from, size_t bytes) const;
  void Fill(const cuda::DeviceMemory& to, unsigned char value) const;
  /// Waits for all of the above.
  void Wait() const;

 private:
  DeviceSession(cuda::ContextRef context);

  cuda::ContextRef context_;
  mutable std::mutex loading_;
  mutable LoadedKernel kernels_[std::size(kKernelNames)];
  cuda::Stream stream_;
  uint32_t multiprocessors_;
};

}  // namespace infernode::kv
