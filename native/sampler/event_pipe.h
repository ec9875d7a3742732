// Newline-delimited JSON to the agent. A write never waits: what does not fit is dropped and counted.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "nvml/event_watcher.h"

namespace infernode::sampler {

class EventPipe {
 public:
  /// Makes the descriptor non-blocking.
  EventPipe(int fd, std::atomic<uint64_t>* written, std::atomic<uint64_t>* dropped);

  void WriteEvent(const nvml::Event& event);
  /// A bare `{"kind":...}`: `hello` once the snapshot is there, `round` when a round of readings is complete.
  void WriteNote(const char* kind);

 private:
  void Write(const std::string& line, bool count);

  const int fd_;
  std::atomic<uint64_t>* const written_;
  std::atomic<uint64_t>* const dropped_;
  std::mutex mutex_;
  /// Rest of a line that the pipe took in part; it goes first, or the reader would see two lines as one.
  std::string rest_;
};

}  // namespace infernode::sampler
