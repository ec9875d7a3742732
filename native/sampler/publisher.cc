#include "sampler/publisher.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

namespace infernode::sampler {

namespace {

void Copy(char* to, size_t size, const std::string& from) {
  const size_t length = std::min(size - 1, from.size());
  std::memcpy(to, from.data(), length);
  to[length] = '\0';
}

}  // namespace

Publisher::Publisher(Snapshot& snapshot, EventPipe& pipe) : snapshot_(snapshot), pipe_(pipe) {}

void Publisher::Driver(const nvml::DriverStatus& status) {
  DriverBody body{};
  body.state = static_cast<uint32_t>(status.state);
  body.device_count = std::min(status.device_count, kMaxDevices);
  Copy(body.reason, sizeof body.reason, status.reason);
  Copy(body.driver_version, sizeof body.driver_version, status.driver_version);
  Copy(body.nvml_version, sizeof body.nvml_version, status.nvml_version);
  snapshot_.driver.Store(body);
  // No device thread runs now: what they left is of the driver before.
  const nvml::DeviceRow nothing{};
  for (auto& device : snapshot_.devices) {
    if (device.body.present) device.Store(nothing);
  }
  snapshot_.inventory_generation.fetch_add(1, std::memory_order_release);
  if (status.state != nvml::DriverState::kOk) pipe_.WriteNote("round");
}

void Publisher::Node(const nvml::Library& library) {
  nvml::CallSlot& slot = snapshot_.slots[kDriverSlot];
  const double nothing = std::nan("");
  NodeBody body{nothing, nothing, nothing};
  nvml::ConfComputeState confidential{};
  if (INFERNODE_NVML(library.symbols(), slot, -1, nvmlSystemGetConfComputeState, &confidential) == nvml::kSuccess)
    body.confidential_feature = confidential.feature;
  uint32_t number = 0;
  if (body.confidential_feature > 0 && INFERNODE_NVML(library.symbols(), slot, -1, nvmlSystemGetConfComputeGpusReadyState, &number) == nvml::kSuccess)
    body.confidential_ready = number;
  if (INFERNODE_NVML(library.symbols(), slot, -1, nvmlGetExcludedDeviceCount, &number) == nvml::kSuccess) body.excluded_devices = number;
  snapshot_.node.Store(body);
}

void Publisher::Device(const nvml::DeviceRow& row, bool identity_changed) {
  // Before and after: who saw the new row sees a new generation, and who saw the old row under it looks again.
  if (identity_changed) snapshot_.inventory_generation.fetch_add(1, std::memory_order_acq_rel);
  snapshot_.devices[row.index].Store(row);
  if (identity_changed) snapshot_.inventory_generation.fetch_add(1, std::memory_order_release);
}

}  // namespace infernode::sampler
