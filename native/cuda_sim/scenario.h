// What the simulated driver pretends to be, and what it does wrong: a text file named by INFERNODE_CUDA_SIM, read again when it
// changes, so that a test can make a running process fail. README.md lists the lines.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "cuda/cuda_abi.h"

namespace infernode::cuda_sim {

struct Fault {
  enum class Kind { kFail, kHang, kCorrupt };
  Kind kind = Kind::kFail;
  std::string where;  ///< a driver call, or `launch:<kernel>` for what a stream does later
  cuda::Result result = cuda::kSuccess;
  int device = -1;  ///< -1: any
  long after = 0;   ///< calls that still go well
  mutable std::atomic<long> seen{0};
};

struct Scenario {
  int driver_version = 12020, devices = 1, compute_capability = 80;
  size_t memory_bytes = size_t{1} << 30;
  std::vector<std::string> uuids;
  std::vector<std::unique_ptr<Fault>> faults;

  /// The scenario of this moment. What cannot be read is the default scenario, and said once on standard error.
  static std::shared_ptr<const Scenario> Now();
  /// A fault of that kind for `where` whose time has come; null when there is none.
  const Fault* Find(Fault::Kind kind, const std::string& where, int device) const;
};

/// Does what the scenario says happens to a call before it does anything: hangs, or answers an error.
cuda::Result Suffer(const std::string& where, int device);

}  // namespace infernode::cuda_sim
