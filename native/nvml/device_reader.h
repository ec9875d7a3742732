// Reads one device into one row. What to read is a table of steps and a table of field ids (device_reader.cc); the reader
// itself only walks them, remembers what the part does not support, and keeps the first error that speaks of the device.
#pragma once

#include <bitset>
#include <vector>

#include "nvml/call_slot.h"
#include "nvml/device_row.h"
#include "nvml/symbols.h"

namespace infernode::nvml {

class DeviceReader {
 public:
  /// `driver_branch` chooses among field ids that moved; 0 when unknown.
  DeviceReader(const Symbols& symbols, CallSlot& slot, uint32_t index, int driver_branch);

  /// One reading; `slow` also refreshes what rarely changes or costs much. The row keeps the slow values in between.
  void Read(bool slow);

  const DeviceRow& row() const { return row_; }
  /// Null until the device could be opened.
  Device handle() const { return handle_; }
  /// The driver itself went away during the last reading: close everything and open it again.
  bool driver_gone() const { return driver_gone_; }

 private:
  static constexpr size_t kMaxSteps = 64;

  bool Open();
  void ReadIdentity();
  void RunSteps(bool slow);
  void ReadFields(bool slow);
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
  Device handle_ = nullptr;
  bool driver_gone_ = false;
  /// Of the reading under way: whether any call succeeded, and the first that failed for no reason we know.
  bool answered_ = false;
  Return first_failure_ = 0;
  Call first_failed_ = Call::kNone;
  /// By step and by field: answered "not supported" once, never asked again until the driver is opened anew.
  std::bitset<kMaxSteps> unsupported_steps_;
  std::bitset<kMaxSteps> unsupported_fields_;
  bool processes_unsupported_ = false;
  DeviceRow row_{};
};

}  // namespace infernode::nvml
