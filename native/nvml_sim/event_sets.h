// NVML's event sets: who registered for what, and the events that wait to be fetched.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "nvml_sim/scenario.h"
#include "nvml_sim/scenario_file.h"

namespace infernode::nvml_sim {

class EventSet {
 public:
  EventSet() { watch_.Open(); }

  void Register(u32 device, u64 mask);
  void Offer(const ScenarioEvent& event, size_t limit);
  bool Pop(ScenarioEvent* event);
  ChangeWatch& watch() { return watch_; }

 private:
  struct Registration {
    u32 device;
    u64 mask;
  };
  std::mutex mutex_;
  ChangeWatch watch_;
  std::vector<Registration> registrations_;
  std::deque<ScenarioEvent> queue_;
};

class EventSets {
 public:
  static EventSets& Instance();

  /// An opaque handle for nvmlEventSet_t; null when there are too many sets.
  Handle Create();
  /// Null for a handle that was never given out or is freed.
  std::shared_ptr<EventSet> Find(Handle handle);
  bool Free(Handle handle);
  void FreeAll();

  /// Hands the events that are newer than the last version of the file had to the sets that want them. Events are news:
  /// whoever registers later does not get them.
  void Deliver(const Scenario& scenario);

 private:
  std::mutex mutex_;
  std::map<u64, std::shared_ptr<EventSet>> sets_;
  u64 next_ = 1;
  u64 delivered_seq_ = 0;
  bool first_ = true;
};

}  // namespace infernode::nvml_sim
