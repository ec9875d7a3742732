// Reads the kernel log beside the driver: the second source of faults, and the one that still speaks when NVML hangs. A thread of its
// own, by poll; it never calls the driver. Lines that the agent asked for go down the event pipe, the rest is only counted along.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "sampler/event_pipe.h"
#include "sampler/kmsg_record.h"

namespace infernode::sampler {

struct KmsgOptions {
  /// /dev/kmsg, or a file that holds or gets its lines; empty: not read.
  std::string path;
  /// A line is passed on when it holds one of these.
  std::vector<std::string> match;
};

class KmsgReader {
 public:
  KmsgReader(KmsgOptions options, EventPipe& pipe) : options_(std::move(options)), pipe_(pipe) {}

  /// Body of the thread; never returns. Begins with what the log holds of this boot.
  [[noreturn]] void Run();

 private:
  /// Empty when open; otherwise why not, with `state_` set.
  std::string Open();
  void Close();
  /// Both return when the log has to be opened anew, with the reason.
  std::string FollowDevice();
  std::string FollowFile();

  void StartOfFile();
  /// False at the end of the file.
  bool ReadChunk();
  void EndLine();
  void Take(const std::string& line);
  void NoteSequence(uint64_t sequence);
  void Say(const char* state, const std::string& reason);
  void SayCounts();

  const KmsgOptions options_;
  EventPipe& pipe_;
  int fd_ = -1;
  int notify_ = -1;
  bool is_file_ = false;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  uint64_t offset_ = 0;
  std::string line_;
  bool too_long_ = false;
  /// Sequence number that comes next; 0 before the first.
  uint64_t expected_ = 0;
  bool overrun_ = false;
  uint64_t lost_ = 0;
  uint64_t invalid_ = 0;
  uint64_t said_lost_ = 0;
  uint64_t said_invalid_ = 0;
  std::string said_;
};

}  // namespace infernode::sampler
