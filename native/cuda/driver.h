// libcuda, opened at run time. Absent library, absent symbol, no device, failed init and a driver that is too old are five
// different answers; all of them leave the process as it was.
#pragma once

#include <memory>
#include <string>

#include "cuda/cuda_error.h"
#include "cuda/symbols.h"

namespace infernode::cuda {

enum class DriverState { kOk, kLibraryAbsent, kLibraryUnusable, kNoDevice, kInitFailed, kDriverTooOld };

/// `ok`, `library-absent`, `library-unusable`, `no-device`, `init-failed`, `driver-too-old`.
const char* DriverStateName(DriverState state);

struct DriverStatus {
  DriverState state = DriverState::kInitFailed;
  std::string reason;
  int version = 0;  ///< CUDA version that the driver supports: 12020 is 12.2
  int device_count = 0;
};

/// The oldest driver that all of this works with: CUDA 11.4, for cuGraphInstantiateWithFlags and PTX 7.4.
constexpr int kOldestVersion = 11040;

/// The Linux driver branch that a CUDA version came with, such as 530 for 12010; it is what an operator installs.
int DriverBranchFor(int cuda_version);

/// "CUDA 12.1 (driver 530 or newer)".
std::string DriverNeeded(int cuda_version);

class Driver {
 public:
  /// Null unless `status->state` is kOk. `path` is a file, or a name such as `libcuda.so.1`.
  static std::shared_ptr<Driver> Open(const std::string& path, DriverStatus* status);
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  const Symbols& symbols() const { return symbols_; }
  int version() const { return version_; }

 private:
  Driver() = default;
  bool Resolve(void* module, std::string* missing);

  // The library is never closed: drivers leave threads and exit handlers behind that would then run in unmapped memory.
  Symbols symbols_;
  int version_ = 0;
};

/// Throws CudaError for any other result than success.
inline void Check(const char* call, Result result, const std::string& detail = "") {
  if (result != kSuccess) throw CudaError(call, result, detail);
}

/// Calls a function of the table by its symbol and throws what it answers.
#define INFERNODE_CUDA(driver, name, ...) ::infernode::cuda::Check(#name, (driver).symbols().name(__VA_ARGS__))

}  // namespace infernode::cuda
