// NVML opened at run time by path. Absent library, unusable library, failed init and no device are four answers.
#pragma once

#include <memory>
#include <string>

#include "nvml/call_slot.h"
#include "nvml/symbols.h"

namespace infernode::nvml {

enum class DriverState : uint32_t {
  kStarting = 0,
  kOk = 1,
  kLibraryAbsent = 2,
  kLibraryUnusable = 3,
  kInitFailed = 4,
  kNoDevice = 5,
  kReleased = 6,
};

struct DriverStatus {
  DriverState state = DriverState::kStarting;
  /// One clause for people; empty when ok.
  std::string reason;
  std::string driver_version;
  std::string nvml_version;
  uint32_t device_count = 0;

  /// `580.65.06` -> 580; 0 when unknown. Field ids that moved are chosen by it.
  int DriverBranch() const;
};

/// An initialised NVML. Every handle and event set dies with it, so that a driver upgrade or a GPU reset can go ahead.
class Library {
 public:
  /// Null unless the status is kOk: without a device there is nothing to hold the driver open for.
  static std::unique_ptr<Library> Open(const std::string& path, CallSlot& slot, DriverStatus* status);
  /// Calls nvmlShutdown; no thread may be inside the library.
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  const Symbols& symbols() const { return symbols_; }
  Return CountDevices(CallSlot& slot, uint32_t* count) const;

 private:
  Library(void* module, CallSlot& slot) : module_(module), slot_(slot) {}
  bool Resolve(std::string* missing);
  void ReadVersions(DriverStatus* status);

  void* module_;
  CallSlot& slot_;
  Symbols symbols_;
  bool initialized_ = false;
};

}  // namespace infernode::nvml
