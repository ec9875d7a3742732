#include "sampler/sampler.h"

#include <algorithm>
#include <chrono>

namespace infernode::sampler {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Opening the driver is tried again after 1 s, then less and less often: a driver that is being installed shows up soon,
/// and one that is broken is not hammered.
constexpr uint32_t kRetryBaseMs = 1000;
constexpr uint32_t kRetryCapMs = 10'000;
/// An extra round after an event comes no sooner than this after the one before it.
constexpr milliseconds kRoundSpacing{50};
constexpr uint32_t kWaitSliceMs = 100;
constexpr uint32_t kBadWaitCapMs = 5000;

}  // namespace

Sampler::Sampler(SamplerOptions options, Snapshot& snapshot, EventPipe& pipe)
    : options_(std::move(options)), snapshot_(snapshot), pipe_(pipe), publisher_(snapshot, pipe) {}

void Sampler::SampleNow() {
  const std::lock_guard<std::mutex> lock(mutex_);
  sample_now_ = true;
  wake_.notify_all();
}

void Sampler::AnswerSample() {
  const std::lock_guard<std::mutex> lock(mutex_);
  asked_++;
  sample_now_ = true;
  wake_.notify_all();
}

void Sampler::Inspect() {
  const std::lock_guard<std::mutex> lock(mutex_);
  inspect_ = true;
  sample_now_ = true;
  wake_.notify_all();
}

void Sampler::AskPeers() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ask_peers_ = true;
  sample_now_ = true;
  wake_.notify_all();
}

void Sampler::Release() {
  const std::lock_guard<std::mutex> lock(mutex_);
  release_ = true;
  wake_.notify_all();
}

void Sampler::Acquire() {
  const std::lock_guard<std::mutex> lock(mutex_);
  release_ = false;
  wake_.notify_all();
}

void Sampler::Quit() {
  const std::lock_guard<std::mutex> lock(mutex_);
  quit_ = true;
  wake_.notify_all();
}

bool Sampler::finished() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return finished_;
}

void Sampler::RequestReopen() {
  const std::lock_guard<std::mutex> lock(mutex_);
  reopen_ = true;
  wake_.notify_all();
}

void Sampler::Run() {
  nvml::CallSlot& slot = snapshot_.slots[kDriverSlot];
  for (uint32_t attempt = 0;;) {
    bool run;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (quit_) break;
      run = !release_;
    }
    nvml::DriverStatus status;
    if (!run) {
      status.state = nvml::DriverState::kReleased;
      status.reason = "released on request";
      publisher_.Driver(status);
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return quit_ || !release_; });
      attempt = 0;
      continue;
    }
    const auto library = nvml::Library::Open(options_.library, slot, &status);
    publisher_.Driver(status);
    const auto opened = Clock::now();
    const Ending ending = library ? RunOpen(*library, status) : Ending::kReopen;
    if (ending == Ending::kStop) continue;
    if (ending == Ending::kRecount) {
      // Nothing failed, and the devices that stayed miss no beat: each open reads them once, and there is one open for each beat at most.
      WaitUntil(opened + milliseconds(options_.interval_ms));
      continue;
    }
    // A driver that stayed open for a while deserves a quick return.
    if (library && Clock::now() - opened > milliseconds(kRetryCapMs)) attempt = 0;
    WaitUntil(Clock::now() + milliseconds(std::min(kRetryCapMs, kRetryBaseMs << std::min(attempt++, 8u))));
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  finished_ = true;
}

void Sampler::WaitUntil(Clock::time_point when) {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait_until(lock, when, [this] { return !WantsToRun(); });
}

/// Device and event threads live inside this call. Joining them may take for ever when one is stuck; the agent sees how long
/// that call takes and replaces the whole process.
Sampler::Ending Sampler::RunOpen(const nvml::Library& library, const nvml::DriverStatus& status) {
  const uint32_t count = std::min(status.device_count, kMaxDevices);
  std::vector<uint32_t> indices;
  for (uint32_t i = 0; i < count; i++)
    if (options_.skip.count(i) == 0) indices.push_back(i);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_threads_ = reopen_ = false;
    new_devices_.clear();
    // Indexed by device; those without a thread count as finished.
    finished_rounds_.assign(count, UINT64_MAX);
    for (const uint32_t i : indices) finished_rounds_[i] = round_;
  }
  nvml::PeerHandles handles{};
  // A device that is left out hangs: nothing is asked that could touch it.
  nvml::PeerHandles* const peers = options_.skip.empty() ? &handles : nullptr;
  std::vector<std::thread> threads;
  for (const uint32_t i : indices)
    threads.emplace_back([this, &library, i, &status, peers] { RunDevice(library, i, status.DriverBranch(), peers); });
  threads.emplace_back([this, &library] { RunEvents(library); });

  bool recount = false;
  auto next_round = Clock::now();
  auto next_normal = next_round, next_slow = next_round;
  for (;;) {
    const auto now = Clock::now();
    nvml::ReadPlan plan;
    plan.normal = now >= next_normal;
    plan.slow = now >= next_slow;
    if (plan.normal) next_normal = now + milliseconds(options_.normal_interval_ms);
    if (plan.slow) next_slow = now + milliseconds(options_.slow_interval_ms);
    if (!BeginRound(plan)) break;
    if (plan.normal) publisher_.Node(library);
    // Every device is left out: nobody else would say that the round is over.
    if (indices.empty()) FinishRound(UINT64_MAX);
    uint32_t count_now = status.device_count;
    if (plan.normal && library.CountDevices(snapshot_.slots[kDriverSlot], &count_now) != nvml::kSuccess) RequestReopen();
    recount = count_now != status.device_count;
    if (recount) RequestReopen();
    // The beat stays in phase whatever rounds come in between, and a machine that was suspended does not catch up.
    if (now >= next_round) next_round = std::max(next_round + milliseconds(options_.interval_ms), now);
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait_until(lock, std::min(next_round, now + kRoundSpacing), [this] { return reopen_ || !WantsToRun(); });
    wake_.wait_until(lock, next_round, [this] { return sample_now_ || reopen_ || !WantsToRun(); });
    if (sample_now_) next_normal = Clock::now();
    sample_now_ = false;
  }

  Ending ending;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_threads_ = true;
    ending = !WantsToRun() ? Ending::kStop : recount ? Ending::kRecount : Ending::kReopen;
    wake_.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
  return ending;
}

/// False when the driver is to be closed.
bool Sampler::BeginRound(nvml::ReadPlan plan) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (reopen_ || !WantsToRun()) return false;
  round_++;
  if (plan.normal) class_round_.normal = round_;
  if (plan.slow) class_round_.slow = class_round_.processes = round_;
  if (inspect_) class_round_.on_demand = round_;
  if (ask_peers_) class_round_.peers = round_;
  inspect_ = ask_peers_ = false;
  if (asked_ > asked_in_round_) {
    asked_in_round_ = asked_;
    answer_round_ = class_round_.processes = round_;
  }
  wake_.notify_all();
  return true;
}

void Sampler::EndRound(size_t thread, uint64_t round) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    finished_rounds_[thread] = round;
    const auto behind = [round](uint64_t finished) { return finished < round; };
    if (std::any_of(finished_rounds_.begin(), finished_rounds_.end(), behind)) return;
  }
  FinishRound(round);
}

void Sampler::FinishRound(uint64_t round) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (round >= answer_round_) snapshot_.samples_answered.store(asked_in_round_, std::memory_order_release);
  }
  snapshot_.rounds.fetch_add(1, std::memory_order_release);
  pipe_.WriteNote("round");
}

void Sampler::RunDevice(const nvml::Library& library, uint32_t index, int driver_branch, nvml::PeerHandles* peers) {
  nvml::DeviceReader reader(library.symbols(), snapshot_.slots[kFirstDeviceSlot + index], index, driver_branch, peers);
  bool published = false, announced = false;
  uint64_t seen = 0;
  int32_t migs = -1;
  std::string uuid;
  for (;;) {
    nvml::ReadPlan plan;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (seen == 0) seen = finished_rounds_[index];
      wake_.wait(lock, [&] { return stop_threads_ || round_ > seen; });
      if (stop_threads_) return;
      const uint64_t before = seen;
      seen = round_;
      plan.normal = class_round_.normal > before;
      plan.slow = class_round_.slow > before;
      plan.on_demand = class_round_.on_demand > before;
      plan.peers = class_round_.peers > before;
      plan.processes = class_round_.processes > before;
    }
    reader.Read(plan);
    const bool opened = !announced && reader.handle();
    if (peers) (*peers)[index].store(reader.handle(), std::memory_order_release);
    // A device that fell off the bus makes those behind it move up: its index may be another's when it is opened anew. Instances have names
    // too, and come and go.
    const nvml::DeviceRow& row = reader.row();
    publisher_.Device(row, opened || !published || plan.slow || row.mig_count != migs || row.identity.uuid != uuid);
    migs = row.mig_count;
    uuid = row.identity.uuid;
    published = true;
    if (opened) {
      announced = true;
      const std::lock_guard<std::mutex> lock(mutex_);
      new_devices_.push_back({reader.handle(), reader.row().identity.uuid, static_cast<int32_t>(index)});
    }
    if (reader.driver_gone()) RequestReopen();
    EndRound(index, seen);
  }
}

void Sampler::RunEvents(const nvml::Library& library) {
  nvml::EventWatcher watcher(library.symbols(), snapshot_.slots[kEventSlot]);
  uint32_t pause_ms = 0;
  bool broken = false;
  for (;;) {
    std::vector<NewDevice> added;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (pause_ms > 0) wake_.wait_for(lock, milliseconds(pause_ms), [this] { return stop_threads_; });
      if (stop_threads_) return;
      added.swap(new_devices_);
    }
    for (const NewDevice& device : added) watcher.Add(device.device, device.uuid, device.index);
    if (watcher.empty()) {
      pause_ms = kWaitSliceMs;
      continue;
    }
    const auto began = Clock::now();
    nvml::Event event;
    const nvml::Return result = watcher.Wait(kWaitSliceMs, &event);
    const bool at_once = Clock::now() - began < milliseconds(kWaitSliceMs / 2);
    const bool fails = result != nvml::kSuccess && result != nvml::kTimeout;
    // "Lost" speaks of one device, which its own readings tell better; the set goes on for the others.
    if (fails && result != nvml::kGpuIsLost && !broken) pipe_.WriteNote("events-broken");
    if (!fails && broken) pipe_.WriteNote("events-restored");
    broken = fails && (broken || result != nvml::kGpuIsLost);
    if (broken) watcher.Renew();
    if (result == nvml::kSuccess) {
      pause_ms = 0;
      pipe_.WriteEvent(event);
      SampleNow();
    } else if (result == nvml::kTimeout && !at_once) {
      pause_ms = 0;
    } else {
      // A wait that fails at once would spin; one that says "lost" does not say which device, so all are read.
      if (result == nvml::kGpuIsLost && pause_ms == 0) SampleNow();
      if (result == nvml::kUninitialized || result == nvml::kDriverNotLoaded) RequestReopen();
      pause_ms = std::min(kBadWaitCapMs, std::max(kWaitSliceMs, pause_ms * 2));
    }
  }
}

}  // namespace infernode::sampler
