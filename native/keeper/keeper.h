// Keeps one engine: starts it, drains its output, reaps its whole tree, and ends that tree when the leader dies or when
// told to. One thread and one poll loop; everything that may wait (the disk) is in LogSink's own thread.
#pragma once
#include <sys/types.h>

#include <memory>
#include <string>

#include "keeper/control_socket.h"
#include "keeper/engine_group.h"
#include "keeper/log_sink.h"
#include "keeper/options.h"
#include "keeper/spawn_engine.h"

namespace keeper {

class Keeper {
 public:
  Keeper(const Options& options, const EngineSetting& setting);
  /// Empty when the engine's program runs and the socket listens; else why not, in one line, and exit.json is written.
  std::string Start();
  /// Returns when the tree is empty.
  void Run();

 private:
  enum class Phase { kRunning, kEnding, kEmpty };

  bool HoldName();
  bool WriteKeeperRecord(pid_t leader, const std::string& start_time);
  void WriteExitRecord(const std::string& error);
  std::string ExitFields() const;

  std::string Answer(const std::string& line);
  std::string Status();
  std::vector<int> Tree() const;

  void ReadOutput();
  void Reap();
  void LeaderEnded(int status);
  void EndStep();
  void SignalTree(int signal_number);
  void KillTree();
  void TreeEmptied();
  int TimeoutMs() const;

  const Options options_;
  const EngineSetting setting_;
  EngineGroup group_;
  ControlSocket control_;
  std::unique_ptr<LogSink> log_;
  int output_ = -1;
  int children_changed_ = -1;

  Phase phase_ = Phase::kRunning;
  pid_t leader_ = -1;
  std::string leader_start_time_;
  bool no_children_ = false;
  bool requested_ = false;
  bool stuck_said_ = false;

  bool has_exit_ = false;
  int exit_code_ = -1;
  std::string exit_signal_;
  long long exit_unix_ms_ = 0;
  long long empty_unix_ms_ = 0;
  /// Monotonic ms from which on SIGKILL is sent; 0 while nobody is to be killed.
  long long kill_at_ms_ = 0;
};

}  // namespace keeper
