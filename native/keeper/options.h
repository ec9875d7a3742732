#pragma once
#include <string>
#include <vector>

namespace keeper {

struct Options {
  /// Run directory; made before by the agent, mode 0700.
  std::string dir;
  /// Bound of engine.log and engine.log.1 together.
  long long log_max_bytes = 64LL << 20;
  /// False: no group of its own, the subreaper walk only.
  bool cgroup = true;
  /// False: a leader's death leaves the rest of the tree alone.
  bool end_orphans = true;
  /// SIGTERM to SIGKILL for what is left when the leader has died.
  long long orphan_grace_ms = 1000;
  /// Name of an abstract socket to hold for as long as the tree lives; the engine's claim on its port.
  std::string hold_name;
  /// Opaque, recorded in keeper.json.
  std::string argv_hash;
  std::vector<char*> argv;

  /// Instead of keeping an engine: end what a dead keeper left behind.
  bool sweep = false;
  /// `PID:STARTTIME` of the leader, for the sweep.
  int leader_pid = 0;
  std::string leader_start_time;
  std::string cgroup_path;
};

/// False with one line in `error` when the arguments are wrong.
bool ParseOptions(int argc, char** argv, Options* out, std::string* error);

}  // namespace keeper
