// The scenario as it is on disk now. The file lies beside the library itself, so a process that opens a simulated library by
// its path gets the node of that directory, knows nothing of the simulation, and needs no environment variable.
#pragma once

#include <sys/types.h>

#include <memory>
#include <mutex>
#include <string>

#include "nvml_sim/scenario.h"

namespace infernode::nvml_sim {

using ScenarioPtr = std::shared_ptr<const Scenario>;

/// Directory of this library; "." when the loader cannot tell.
const std::string& NodeDirectory();

/// Tells whether something happened to scenario.json, by inotify. Without inotify (no instance left, odd file system) it says
/// always "perhaps".
class ChangeWatch {
 public:
  ~ChangeWatch() { Close(); }
  void Open();
  void Close();
  /// Takes what was reported; true when scenario.json may be another one. Never waits.
  bool Take();
  /// Waits for a report at most that long; true at once when there is no inotify and the caller should look every so often.
  void Wait(int timeout_ms) const;
  bool works() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

class ScenarioFile {
 public:
  static ScenarioFile& Instance();

  /// The scenario of this moment; null when there never was a good one. Safe and cheap (one system call) from any thread.
  ScenarioPtr Current();
  /// The same, and looks at the file whatever the watch says.
  ScenarioPtr Refreshed();

  /// Between the first init and the last shutdown.
  void StartWatching();
  void StopWatching();

 private:
  struct Signature {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;
    i64 modified_ns = 0;
    bool operator==(const Signature& other) const {
      return device == other.device && inode == other.inode && size == other.size && modified_ns == other.modified_ns;
    }
  };

  ScenarioPtr Look(bool always);
  void Reload();
  void Warn(const std::string& text) const;

  std::mutex mutex_;
  ChangeWatch watch_;
  Signature signature_;
  i64 looked_ns_ = 0;
  ScenarioPtr current_;
};

}  // namespace infernode::nvml_sim
