// Newline-delimited JSON to the agent. A write never waits: what does not fit is dropped and counted.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "nvml/event_watcher.h"
#include "sampler/kmsg_record.h"

namespace infernode::sampler {

class EventPipe {
 public:
  /// Makes the descriptor non-blocking.
  EventPipe(int fd, std::atomic<uint64_t>* written, std::atomic<uint64_t>* dropped);

  void WriteEvent(const nvml::Event& event);
  /// A bare `{"kind":...}`: `hello` once the snapshot is there, `round` when a round of readings is complete.
  void WriteNote(const char* kind);
  /// Waits a while for room, since the kernel keeps what is still to come; false when there was none. Never under a lock that another
  /// writer needs.
  bool WriteKmsg(const KmsgRecord& record, uint64_t age_us);
  /// The counts are those of this process.
  void WriteKmsgState(const char* state, const std::string& reason, uint64_t lost, uint64_t invalid);

 private:
  void Write(const std::string& line, bool count);
  /// False when not a byte of the line was taken.
  bool TryWrite(const std::string& line);

  const int fd_;
  std::atomic<uint64_t>* const written_;
  std::atomic<uint64_t>* const dropped_;
  std::mutex mutex_;
  /// Rest of a line that the pipe took in part; it goes first, or the reader would see two lines as one.
  std::string rest_;
};

}  // namespace infernode::sampler
