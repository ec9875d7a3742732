// Reads one device into one row. What to read is a table of steps and a table of field ids (device_reader.cc); the reader
// itself only walks them, remembers what the part does not support, and keeps the first error that speaks of the device.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <vector>

#include "nvml/call_slot.h"
#include "nvml/device_row.h"
#include "nvml/read_steps.h"
#include "nvml/symbols.h"

namespace infernode::nvml {

/// What a round is to read beside the fast class; the row keeps the values of the others in between.
struct ReadPlan {
  bool normal = false;
  bool slow = false;
  bool on_demand = false;
  /// Pairs of devices: with what is read on demand, and when asked for alone.
  bool peers = false;
  /// Process lists: with the slow class, and when somebody asks for a sample.
  bool processes = false;
  /// The caller decides how often: nothing is put off.
  bool at_once = false;

  static ReadPlan All() { return {true, true, true, true, true}; }
  bool Holds(ReadClass c) const {
    return c == ReadClass::kFast || (c == ReadClass::kNormal && normal) || (c == ReadClass::kSlow && slow) || (c == ReadClass::kOnDemand && on_demand);
  }
};

/// Handles that answered, by index: a question about a pair needs both.
using PeerHandles = std::array<std::atomic<Device>, kMaxPeers>;

class DeviceReader {
 public:
  /// `driver_branch` chooses among field ids that moved; 0 when unknown. Without `peers` nothing is asked about pairs.
  DeviceReader(const Symbols& symbols, CallSlot& slot, uint32_t index, int driver_branch, const PeerHandles* peers = nullptr);

  /// One reading. A class whose last reading took long is put off, so that it takes a twentieth of the time at most.
  void Read(ReadPlan plan);

  const DeviceRow& row() const { return row_; }
  /// Null until the device could be opened.
  Device handle() const { return handle_; }
  /// The driver itself went away during the last reading: close everything and open it again.
  bool driver_gone() const { return driver_gone_; }

 private:
  static constexpr size_t kMaxSteps = 64;

  bool Open();
  void ReadIdentity();
  void RunSteps(ReadClass read_class);
  void ReadFields(ReadClass read_class);
  /// Steps and fields of one class, with its time measured.
  void ReadClassOf(ReadClass read_class);
  bool IsPutOff(ReadClass read_class);
  void ReadLinks();
  void ReadLinkState(uint32_t link);
  void ReadMigs();
  void ReadPeers();
  bool ReadsOn() const { return row_.error_code != kGpuIsLost && !driver_gone_; }
  void ReadProcesses();
  bool ListProcesses(Call call, Return (*list)(Device, uint32_t*, ProcessInfo*), std::vector<ProcessInfo>* infos);
  void Blank();
  void CheckHandle();
  /// Notes what a return code says of the device or the driver. True when reading on makes sense.
  bool Judge(Return result, Call call);

  const Symbols& symbols_;
  CallSlot& slot_;
  const uint32_t index_;
  const int driver_branch_;
  const PeerHandles* const peers_;
  /// By class: when it may be read again.
  uint64_t not_before_ns_[kReadClassCount] = {};
  Device handle_ = nullptr;
  bool driver_gone_ = false;
  /// Of the reading under way: whether any call succeeded, and the first that failed for no reason we know.
  bool answered_ = false;
  Return first_failure_ = 0;
  Call first_failed_ = Call::kNone;
  /// By step and by field: answered "not supported" once, never asked again until the driver is opened anew.
  std::bitset<kMaxSteps> unsupported_steps_;
  std::bitset<kMaxSteps> unsupported_fields_;
  std::bitset<kMaxSteps> unsupported_link_fields_;
  bool processes_unsupported_ = false;
  DeviceRow row_{};
};

}  // namespace infernode::nvml
