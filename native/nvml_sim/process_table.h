// Which processes hold memory of the simulated GPUs: the files processes/<pid>.json of the node's directory, held against
// /proc. A process that was killed cannot give its memory back, so its death does: after `releaseDelayMs`, as a real driver
// needs its time, the file is removed.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "nvml_sim/nvml_types.h"

namespace infernode::nvml_sim {

struct Holder {
  u32 pid = 0;
  std::string name;
  u64 bytes = 0;
  /// False while the memory of a dead process is still being given back; NVML lists such a process no more.
  bool alive = true;
};

class ProcessTable {
 public:
  static ProcessTable& Instance();

  /// Holders of memory on the device (or MIG instance) with that UUID.
  std::vector<Holder> HoldersOf(const std::string& uuid);
  /// "" when no such process holds anything.
  std::string NameOf(u32 pid);

 private:
  struct Entry {
    ino_t inode = 0;
    i64 modified_ns = 0;
    u32 pid = 0;
    std::string start_time, name;
    std::vector<std::pair<std::string, u64>> devices;
    i64 release_delay_ns = 0;
    /// Monotonic; 0 while it lives.
    i64 died_ns = 0;
  };

  void Refresh();
  void ScanFolder();
  void ReadEntry(const std::string& path, Entry* entry);
  void CheckLiveness(i64 now);

  std::mutex mutex_;
  i64 refreshed_ns_ = 0;
  std::map<std::string, Entry> entries_;
};

}  // namespace infernode::nvml_sim
