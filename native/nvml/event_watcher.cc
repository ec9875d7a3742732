#include "nvml/event_watcher.h"

#include <algorithm>
#include <cmath>

#include "nvml/read_steps.h"

namespace infernode::nvml {

namespace {

constexpr uint64_t kWanted = kEventXid | kEventDoubleBitEcc | kEventSingleBitEcc | kEventSingleBitEccStorm | kEventMigConfig |
                             kEventDramRetirement | kEventDramRetirementFailure | kEventNonFatalPoison | kEventFatalPoison |
                             kEventUnavailable | kEventRecoveryAction;
constexpr uint32_t kFieldRecoveryAction = 230;

const char* KindOf(uint64_t type) {
  switch (type) {
    case kEventXid:
      return "xid";
    case kEventSingleBitEcc:
    case kEventSingleBitEccStorm:
      return "single-bit-ecc";
    case kEventDoubleBitEcc:
      return "double-bit-ecc";
    case kEventRecoveryAction:
      return "recovery-action";
    case kEventUnavailable:
      return "unavailable";
    default:
      return "other";
  }
}

}  // namespace

EventWatcher::~EventWatcher() { FreeSet(); }

bool EventWatcher::Add(Device device, const std::string& uuid, int32_t index) {
  uint64_t supported = 0;
  const Return result = INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetSupportedEventTypes, device, &supported);
  // One unsupported bit in the mask registers nothing at all.
  const Watched watched{device, uuid, index, supported & kWanted};
  if (result != kSuccess || watched.mask == 0 || !CreateSet()) return false;
  const Return registered = Register(watched);
  if (registered == kSuccess) {
    devices_.push_back(watched);
    return true;
  }
  // After UNKNOWN the set itself must go; the devices before this one are registered anew.
  if (registered == kUnknown) {
    FreeSet();
    if (!devices_.empty() && CreateSet())
      devices_.erase(std::remove_if(devices_.begin(), devices_.end(), [&](const Watched& w) { return Register(w) != kSuccess; }),
                     devices_.end());
  }
  return false;
}

void EventWatcher::Renew() {
  FreeSet();
  if (!CreateSet()) return;
  for (const Watched& watched : devices_) Register(watched);
}

Return EventWatcher::Wait(uint32_t timeout_ms, Event* event) {
  if (!set_) return kUnknown;
  EventData data{};
  const Return result = INFERNODE_NVML(symbols_, slot_, -1, nvmlEventSetWait_v2, set_, &data, timeout_ms);
  if (result != kSuccess) return result;
  const auto found =
      std::find_if(devices_.begin(), devices_.end(), [&](const Watched& w) { return data.device && w.device == data.device; });
  event->at_ns = MonotonicNs();
  event->kind = KindOf(data.event_type);
  event->type = data.event_type;
  event->gpu_instance = data.gpu_instance_id;
  event->uuid = found == devices_.end() ? "" : found->uuid;
  event->code = data.event_type == kEventXid ? data.event_data : data.event_type;
  if (data.event_type == kEventRecoveryAction && found != devices_.end()) event->code = RecoveryAction(*found, data.event_data);
  return kSuccess;
}

bool EventWatcher::CreateSet() {
  if (set_) return true;
  return INFERNODE_NVML(symbols_, slot_, -1, nvmlEventSetCreate, &set_) == kSuccess && set_;
}

void EventWatcher::FreeSet() {
  if (set_) INFERNODE_NVML(symbols_, slot_, -1, nvmlEventSetFree, set_);
  set_ = nullptr;
}

Return EventWatcher::Register(const Watched& watched) {
  return INFERNODE_NVML(symbols_, slot_, watched.index, nvmlDeviceRegisterEvents, watched.device, watched.mask, set_);
}

/// The event says only that the driver's advice changed; the advice itself is a field.
uint64_t EventWatcher::RecoveryAction(const Watched& watched, uint64_t otherwise) {
  FieldValue field{};
  field.field_id = kFieldRecoveryAction;
  const Return result = INFERNODE_NVML(symbols_, slot_, watched.index, nvmlDeviceGetFieldValues, watched.device, 1, &field);
  const double value = result == kSuccess && field.result == kSuccess ? FieldNumber(field) : std::nan("");
  return value >= 0 ? static_cast<uint64_t>(value) : otherwise;
}

}  // namespace infernode::nvml
