// Starts the engine's leader so that no moment exists in which it runs and nobody could find it again: the child stands
// still behind a gate until its pid is on record, and ends if the keeper dies before it opens the gate.
#pragma once
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace keeper {

/// What the keeper changed for itself and the engine gets as the agent had it.
struct EngineSetting {
  /// Directory in which the engine starts, or -1.
  int working_directory = -1;
  mode_t umask = 022;
  /// Empty to leave it.
  std::string oom_score;
};

struct SpawnRequest {
  std::vector<char*> argv;
  /// Write end of the log pipe; becomes stdout and stderr.
  int output = -1;
  /// `cgroup.procs` of the engine's group, or -1.
  int group_procs = -1;
  EngineSetting setting;
};

struct SpawnResult {
  pid_t pid = -1;
  std::string start_time;
  /// 0, or why the engine could not enter its group (it runs all the same).
  int group_errno = 0;
  /// 0, or why its program could not be started: the child is gone then and must be reaped.
  int exec_errno = 0;
};

/// `record` is called with pid, start time and group_errno while the child waits; false keeps the gate shut.
SpawnResult SpawnEngine(const SpawnRequest& request, const std::function<bool(const SpawnResult&)>& record);

}  // namespace keeper
