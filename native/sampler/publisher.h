// What was read of the driver, the node and a device, into the snapshot that the agent maps.
#pragma once

#include "nvml/device_reader.h"
#include "nvml/library.h"
#include "sampler/event_pipe.h"
#include "sampler/snapshot_layout.h"

namespace infernode::sampler {

class Publisher {
 public:
  Publisher(Snapshot& snapshot, EventPipe& pipe);

  /// From the driver thread, while no device thread runs: forgets the devices of the driver before.
  void Driver(const nvml::DriverStatus& status);
  /// From the driver thread. Reads what is of the node as a whole and publishes it.
  void Node(const nvml::Library& library);
  /// From the thread of that device. `identity_changed` tells readers to read the inventory anew.
  void Device(const nvml::DeviceRow& row, bool identity_changed);

 private:
  Snapshot& snapshot_;
  EventPipe& pipe_;
};

}  // namespace infernode::sampler
