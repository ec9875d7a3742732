// Waits for what the driver has to say of its devices: Xid errors, ECC, recovery actions. The first stage of the fault path;
// what is found here goes down the sampler's event pipe to src/device/watch-device-events.ts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nvml/call_slot.h"
#include "nvml/symbols.h"

namespace infernode::nvml {

struct Event {
  /// A kind of `DeviceEvent` in src/domain/device.ts.
  const char* kind;
  /// Empty when the driver names no device.
  std::string uuid;
  /// Xid code, recovery action, or the raw type for what is neither.
  uint64_t code;
  uint64_t type;
  uint64_t at_ns;
  /// Where MIG is on; UINT32_MAX: the whole device.
  uint32_t gpu_instance = UINT32_MAX;
};

/// One event set, used by one thread only: an event set must not be freed or changed while another thread waits on it.
class EventWatcher {
 public:
  EventWatcher(const Symbols& symbols, CallSlot& slot) : symbols_(symbols), slot_(slot) {}
  ~EventWatcher();
  EventWatcher(const EventWatcher&) = delete;
  EventWatcher& operator=(const EventWatcher&) = delete;

  /// Registers what the device supports of what is wanted. False when it supports no events, which is no fault.
  bool Add(Device device, const std::string& uuid, int32_t index);
  /// A set that cannot be waited on is given up for a new one with the same devices.
  void Renew();
  bool empty() const { return devices_.empty(); }

  /// At most `timeout_ms`, which is also how long a stop may take: there is no way to interrupt a wait. kTimeout is normal.
  Return Wait(uint32_t timeout_ms, Event* event);

 private:
  struct Watched {
    Device device;
    std::string uuid;
    int32_t index;
    uint64_t mask;
  };
  bool CreateSet();
  void FreeSet();
  Return Register(const Watched& watched);
  uint64_t RecoveryAction(const Watched& watched, uint64_t otherwise);

  const Symbols& symbols_;
  CallSlot& slot_;
  EventSet set_ = nullptr;
  std::vector<Watched> devices_;
};

}  // namespace infernode::nvml
