#include "nvml_sim/event_sets.h"

namespace infernode::nvml_sim {

namespace {

/// Far above what any client opens; a leak shows as a refusal instead of growing for ever.
constexpr size_t kMaxSets = 256;
constexpr u64 kHandleMark = 0x5E70'0000'0000'0000;

}  // namespace

void EventSet::Register(u32 device, u64 mask) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (Registration& registration : registrations_)
    if (registration.device == device) {
      registration.mask |= mask;
      return;
    }
  registrations_.push_back({device, mask});
}

void EventSet::Offer(const ScenarioEvent& event, size_t limit) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Registration& registration : registrations_)
    if (registration.device == event.device && (registration.mask & event.type)) {
      if (queue_.size() < limit) queue_.push_back(event);
      return;
    }
}

bool EventSet::Pop(ScenarioEvent* event) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (queue_.empty()) return false;
  *event = queue_.front();
  queue_.pop_front();
  return true;
}

EventSets& EventSets::Instance() {
  static auto* const sets = new EventSets;
  return *sets;
}

Handle EventSets::Create() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (sets_.size() >= kMaxSets) return nullptr;
  const u64 handle = kHandleMark | next_++;
  sets_[handle] = std::make_shared<EventSet>();
  return reinterpret_cast<Handle>(handle);
}

std::shared_ptr<EventSet> EventSets::Find(Handle handle) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = sets_.find(reinterpret_cast<u64>(handle));
  return found == sets_.end() ? nullptr : found->second;
}

bool EventSets::Free(Handle handle) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return sets_.erase(reinterpret_cast<u64>(handle)) > 0;
}

void EventSets::FreeAll() {
  const std::lock_guard<std::mutex> lock(mutex_);
  sets_.clear();
}

void EventSets::Deliver(const Scenario& scenario) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // A file whose numbers start over is another story; what it already tells is history.
  const bool started_over = scenario.newest_seq < delivered_seq_;
  if (!first_ && !started_over && !scenario.drop_events)
    for (const ScenarioEvent& event : scenario.events)
      if (event.seq > delivered_seq_ && !event.dropped)
        for (const auto& [handle, set] : sets_) set->Offer(event, scenario.event_queue_length);
  delivered_seq_ = scenario.newest_seq;
  first_ = false;
}

}  // namespace infernode::nvml_sim
