// One device with the probe's kernels and one stream; what every test of it stands on.
#pragma once

#include <string>

#include "cuda/module.h"
#include "probe/kernel_abi.h"

namespace infernode::probe {

/// The driver or the device cannot be used for a reason that says nothing about the device's health.
struct Unavailable : std::runtime_error {
  Unavailable(const std::string& unavailable_state, const std::string& reason) : std::runtime_error(unavailable_state + ": " + reason), state(unavailable_state) {}
  std::string state;
};

class Gpu {
 public:
  /// `device`: an index or a `GPU-...` UUID. Throws Unavailable and CudaError.
  Gpu(const std::string& library, const std::string& device);

  const cuda::ContextRef& context() const { return context_; }
  const cuda::Stream& stream() const { return stream_; }
  const char* image() const { return module_.image; }
  int index() const { return index_; }

  /// Launches with one block for each 4096 words of work, at most 8 for each multiprocessor.
  template <class Params>
  void Launch(const char* kernel, const Params& params, uint64_t words = 1) {
    LaunchRaw(kernel, const_cast<Params*>(&params), Blocks(words), kThreads);
  }
  void LaunchMatrix(const MatrixParams& params);
  void Upload(cuda::DevicePtr to, const void* from, size_t bytes);
  void Download(void* to, cuda::DevicePtr from, size_t bytes);
  void Wait();

 private:
  unsigned Blocks(uint64_t words) const;
  void LaunchRaw(const char* kernel, void* params, unsigned blocks, unsigned threads);

  int index_ = -1;
  cuda::ContextRef context_;
  cuda::LoadedModule module_;
  cuda::Stream stream_;
};

/// A counter on the device, counted by one captured graph: kernel, then copy to the host.
class Beat {
 public:
  explicit Beat(Gpu& gpu);
  /// Replays the graph and waits. Microseconds; throws CudaError, also for a count that is wrong.
  double Once();

 private:
  Gpu& gpu_;
  cuda::DeviceMemory counter_;
  cuda::PinnedMemory seen_;
  cuda::GraphExec exec_;
  uint64_t beats_ = 0;
};

}  // namespace infernode::probe
