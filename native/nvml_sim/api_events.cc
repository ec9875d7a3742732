// Events: what happens in the scenario reaches whoever waits for it.
#include <time.h>

#include <algorithm>

#include "nvml_sim/call_gate.h"
#include "nvml_sim/event_sets.h"

using namespace infernode::nvml_sim;

namespace {

/// A wait looks at least this often whether the library is being shut down.
constexpr i64 kWaitSliceMs = 100;

u64 SupportedEvents(const Scenario& scenario) {
  constexpr u64 kFirst = 0x1 | 0x2 | 0x4 | kEventXid | 0x10 | 0x80 | 0x100;
  constexpr u64 kSince1206 = 0x200 | 0x400 | 0x800 | 0x1000 | 0x2000, kSince1208 = 0x4000 | 0x8000;
  return kFirst | (scenario.api_version >= 12060 ? kSince1206 : 0) | (scenario.api_version >= 12080 ? kSince1208 : 0);
}

i64 MonotonicMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1'000'000;
}

}  // namespace

NVML_SIM_EXPORT Return nvmlEventSetCreate(Handle* set) {
  OPEN_SYSTEM(nvmlEventSetCreate);
  if (!set) return kInvalidArgument;
  *set = EventSets::Instance().Create();
  return *set ? kSuccess : kInsufficientResources;
}

NVML_SIM_EXPORT Return nvmlDeviceGetSupportedEventTypes(Handle device, u64* types) {
  OPEN_DEVICE(nvmlDeviceGetSupportedEventTypes, device);
  if (!types) return kInvalidArgument;
  *types = SupportedEvents(call.scenario());
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceRegisterEvents(Handle device, u64 types, Handle set) {
  OPEN_DEVICE(nvmlDeviceRegisterEvents, device);
  const auto found = EventSets::Instance().Find(set);
  if (!found || types == 0) return kInvalidArgument;
  // One bit that is not supported registers nothing.
  if (types & ~SupportedEvents(call.scenario())) return kNotSupported;
  // Takes in what the file tells up to now, so that only later events are news for this set.
  ScenarioFile::Instance().Refreshed();
  found->Register(call.parts().position, types);
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlEventSetWait_v2(Handle set, EventData* data, u32 timeout_ms) {
  OPEN_SYSTEM(nvmlEventSetWait_v2);
  const auto found = EventSets::Instance().Find(set);
  if (!found || !data) return kInvalidArgument;
  const i64 deadline = MonotonicMs() + timeout_ms;
  for (;;) {
    // What was reported is taken before looking, so that a change after the look wakes the next wait.
    if (found->watch().Take()) ScenarioFile::Instance().Current();
    ScenarioEvent event;
    if (found->Pop(&event)) {
      *data = {MakeHandle({event.device, 0}), event.type, event.data, event.gpu_instance, event.compute_instance};
      return kSuccess;
    }
    const i64 left = deadline - MonotonicMs();
    if (left <= 0) return kTimeout;
    if (!LibraryState::InUse() || !EventSets::Instance().Find(set)) return kUninitialized;
    found->watch().Wait(static_cast<int>(std::min(left, kWaitSliceMs)));
  }
}

NVML_SIM_EXPORT Return nvmlEventSetFree(Handle set) {
  OPEN_SYSTEM(nvmlEventSetFree);
  return EventSets::Instance().Free(set) ? kSuccess : kInvalidArgument;
}
