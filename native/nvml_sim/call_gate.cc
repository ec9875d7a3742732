#include "nvml_sim/call_gate.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <unordered_map>

#include "nvml_sim/event_sets.h"

namespace infernode::nvml_sim {

namespace {

std::mutex state_mutex;
u32 users = 0;
std::atomic<u32> generation{0};
std::atomic<bool> in_use{false};

/// A call that hangs or crawls looks at the scenario this often, so that a person or a test can let it go.
constexpr u64 kRecheckUs = 20'000;
/// A handle is a number, never an address: a stale or invented one is refused instead of followed.
constexpr u64 kHandleMark = 0x5D00'0000'0000'0000, kHandleMarkMask = 0xFF00'0000'0000'0000;

void SleepUs(u64 us) {
  timespec rest{static_cast<time_t>(us / 1'000'000), static_cast<long>(us % 1'000'000 * 1000)};
  while (nanosleep(&rest, &rest) != 0) {
  }
}

u64 MonotonicUs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<u64>(now.tv_sec) * 1'000'000 + static_cast<u64>(now.tv_nsec) / 1000;
}

/// With `globalLock` one call that hangs blocks all others, as some real drivers do.
std::recursive_mutex& GlobalLock() {
  static auto* const mutex = new std::recursive_mutex;
  return *mutex;
}

/// How often a rule of `returns` with `times` has applied in this process; by the rule's identity, over versions of the file.
bool TakeTurn(const Rule& rule) {
  static auto* const mutex = new std::mutex;
  static auto* const turns = new std::unordered_map<std::string, u64>;
  constexpr size_t kMaxRemembered = 4096;
  const std::lock_guard<std::mutex> lock(*mutex);
  if (turns->size() >= kMaxRemembered && turns->count(rule.identity) == 0) turns->clear();
  u64& turn = (*turns)[rule.identity];
  if (turn >= rule.times) return false;
  turn++;
  return true;
}

}  // namespace

void LibraryState::AddUser() {
  const std::lock_guard<std::mutex> lock(state_mutex);
  if (users++ > 0) return;
  generation++;
  in_use = true;
  ScenarioFile::Instance().StartWatching();
}

bool LibraryState::RemoveUser() {
  const std::lock_guard<std::mutex> lock(state_mutex);
  if (users == 0) return false;
  if (--users > 0) return true;
  in_use = false;
  EventSets::Instance().FreeAll();
  ScenarioFile::Instance().StopWatching();
  return true;
}

bool LibraryState::InUse() { return in_use; }
u32 LibraryState::Generation() { return generation & 0xFFFF; }

Handle MakeHandle(HandleParts parts) {
  const u64 bits = kHandleMark | static_cast<u64>(LibraryState::Generation()) << 32 | (parts.position + 1) << 8 | parts.mig;
  return reinterpret_cast<Handle>(bits);
}

bool ParseHandle(Handle handle, const Scenario& scenario, HandleParts* parts) {
  const auto bits = reinterpret_cast<u64>(handle);
  if ((bits & kHandleMarkMask) != kHandleMark || (bits >> 32 & 0xFFFF) != LibraryState::Generation()) return false;
  const u64 position = bits >> 8 & 0xFFFF;
  if (position == 0 || position > scenario.devices.size()) return false;
  parts->position = static_cast<u32>(position - 1);
  parts->mig = static_cast<u32>(bits & 0xFF);
  return true;
}

Return CopyText(const std::string& text, char* buffer, u32 length) {
  if (!buffer || length == 0) return kInvalidArgument;
  if (text.size() + 1 > length) return kInsufficientSize;
  std::memcpy(buffer, text.c_str(), text.size() + 1);
  return kSuccess;
}

Call::Call(Function function) : Call(function, -1) {}

Call::Call(Function function, int position)
    : function_(function), position_(position), scenario_(ScenarioFile::Instance().Current()) {
  result_ = Enter();
}

Call::Call(Function function, Handle device, bool mig_allowed)
    : function_(function), scenario_(ScenarioFile::Instance().Current()) {
  if (!scenario_ || !LibraryState::InUse()) {
    result_ = kUninitialized;
    return;
  }
  if (!ParseHandle(device, *scenario_, &parts_)) {
    result_ = kInvalidArgument;
    return;
  }
  position_ = static_cast<int>(parts_.position);
  result_ = Enter();
  // The scenario may have become a shorter one while the call hung.
  if (result_ == kSuccess && parts_.position >= scenario_->devices.size()) result_ = kUnknown;
  if (result_ == kSuccess && scenario_->devices[parts_.position].lost) result_ = kGpuIsLost;
  if (result_ == kSuccess && parts_.mig != 0) result_ = !mig_allowed ? kNotSupported : mig() ? kSuccess : kNotFound;
}

const MigInstance* Call::mig() const {
  const auto& instances = device().mig;
  return parts_.mig > 0 && parts_.mig <= instances.size() && device().MigEnabled() ? &instances[parts_.mig - 1] : nullptr;
}

Return Call::CheckVersion(u32 word, u32 expected) const {
  const u32 highest = scenario_->struct_versions[static_cast<size_t>(function_)];
  return word == expected && (highest == 0 || word >> 24 <= highest) ? kSuccess : kArgumentVersionMismatch;
}

Return Call::Enter() {
  const bool starts = function_ == Function::nvmlInit_v2 || function_ == Function::nvmlInitWithFlags;
  if (!scenario_) return starts ? kDriverNotLoaded : kUninitialized;
  if (scenario_->missing[static_cast<size_t>(function_)]) return kFunctionNotFound;
  if (!starts && !LibraryState::InUse()) return kUninitialized;
  if (scenario_->global_lock) global_lock_ = std::unique_lock<std::recursive_mutex>(GlobalLock());
  if (scenario_->latency_us > 0 || Ruled()) {
    ObeyDelays();
    ObeyHangs();
  }
  const Return forced = Ruled() ? ObeyReturns() : kSuccess;
  // A wait for events, which is long by nature, holds no lock.
  if (function_ == Function::nvmlEventSetWait_v2 && global_lock_.owns_lock()) global_lock_.unlock();
  return forced;
}

u64 Call::DelayUs() const {
  u64 us = scenario_->latency_us;
  for (const Rule& rule : scenario_->delays)
    if (rule.Matches(function_, position_)) us = std::max(us, rule.delay_us);
  return us;
}

void Call::ObeyDelays() {
  const u64 start = MonotonicUs();
  for (;;) {
    const u64 passed = MonotonicUs() - start, wanted = DelayUs();
    if (passed >= wanted) return;
    SleepUs(std::min(wanted - passed, kRecheckUs));
    if (wanted > kRecheckUs) scenario_ = ScenarioFile::Instance().Current();
  }
}

bool Call::Hangs() const {
  // The lock is the driver's: a process that was killed in the call leaves it taken, so that the next process waits as well.
  const bool waits_for_events = function_ == Function::nvmlEventSetWait_v2;
  if (scenario_->global_lock && !scenario_->hangs.empty() && !waits_for_events) return true;
  const auto matches = [&](const Rule& rule) { return rule.Matches(function_, position_); };
  return std::any_of(scenario_->hangs.begin(), scenario_->hangs.end(), matches);
}

void Call::ObeyHangs() {
  while (Hangs()) {
    SleepUs(kRecheckUs);
    scenario_ = ScenarioFile::Instance().Current();
  }
}

Return Call::ObeyReturns() {
  for (const Rule& rule : scenario_->returns)
    if (rule.Matches(function_, position_) && (rule.times == 0 || TakeTurn(rule))) return rule.code;
  return kSuccess;
}

}  // namespace infernode::nvml_sim
