// The threads that call the driver. One thread opens and closes it and keeps the beat; each device has a thread of its own,
// so that a call that never returns costs the readings of that device only; one thread waits for events. The threads
// publish into the snapshot and never take a lock across a driver call.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "nvml/device_reader.h"
#include "nvml/event_watcher.h"
#include "nvml/library.h"
#include "sampler/event_pipe.h"
#include "sampler/publisher.h"
#include "sampler/snapshot_layout.h"

namespace infernode::sampler {

struct SamplerOptions {
  std::string library;
  uint32_t interval_ms = 1000;
  uint32_t normal_interval_ms = 5000;
  uint32_t slow_interval_ms = 30'000;
  /// Devices that are left alone because a call on them hung.
  std::set<uint32_t> skip;
};

class Sampler {
 public:
  Sampler(SamplerOptions options, Snapshot& snapshot, EventPipe& pipe);

  /// Body of the driver thread; returns after Quit().
  void Run();

  // From the command thread. None of them waits.
  void AnswerSample();
  /// The next round also reads what is read on demand only.
  void Inspect();
  /// Reads whether devices reach each other, with the next round.
  void AskPeers();
  void Release();
  void Acquire();
  void Quit();
  /// True when Run() has returned: the driver is closed in good order.
  bool finished() const;

 private:
  /// What a device thread hands to the event thread.
  struct NewDevice {
    nvml::Device device;
    std::string uuid;
    int32_t index;
  };
  /// Why the driver is closed: on request, because it answers no more, or because it lists other devices than it did.
  enum class Ending { kStop, kReopen, kRecount };

  Ending RunOpen(const nvml::Library& library, const nvml::DriverStatus& status);
  void RunDevice(const nvml::Library& library, uint32_t index, int driver_branch, nvml::PeerHandles* peers);
  void RunEvents(const nvml::Library& library);
  void SampleNow();
  bool BeginRound(nvml::ReadPlan plan);
  void EndRound(size_t thread, uint64_t round);
  void FinishRound(uint64_t round);
  void RequestReopen();
  bool WantsToRun() const { return !quit_ && !release_; }
  void WaitUntil(std::chrono::steady_clock::time_point when);

  const SamplerOptions options_;
  Snapshot& snapshot_;
  EventPipe& pipe_;
  Publisher publisher_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // All below under mutex_.
  bool quit_ = false;
  bool release_ = false;
  bool finished_ = false;
  bool stop_threads_ = false;
  bool reopen_ = false;
  bool sample_now_ = false;
  /// `sample` commands so far, and the first round that began after `asked_in_round_` of them.
  uint64_t asked_ = 0;
  uint64_t asked_in_round_ = 0;
  uint64_t answer_round_ = 0;
  uint64_t round_ = 0;
  /// Newest round that was to read each class beside the fast one: a thread that missed some rounds still reads it.
  struct {
    uint64_t normal = 0, slow = 0, on_demand = 0, peers = 0, processes = 0;
  } class_round_;
  bool inspect_ = false;
  bool ask_peers_ = false;
  /// Last finished round by device thread.
  std::vector<uint64_t> finished_rounds_;
  std::vector<NewDevice> new_devices_;
};

}  // namespace infernode::sampler
