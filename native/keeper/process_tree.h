// Who runs, as /proc tells it. A pid alone is no identity: it is always read together with its start time.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

namespace keeper {

struct ProcessStat {
  pid_t pid = 0;
  char state = '?';
  pid_t parent = 0;
  pid_t session = 0;
  /// Field 22 of /proc/<pid>/stat: clock ticks since boot, as text.
  std::string start_time;
};

/// False when there is no such process.
bool ReadStat(pid_t pid, ProcessStat* out);

/// Start time of a process, empty when there is none.
std::string StartTimeOf(pid_t pid);

std::vector<ProcessStat> AllProcesses();

/// Every process below `root`, zombies left out. With `root` a subreaper that is the whole tree, whatever it forked.
std::vector<int> DescendantsOf(pid_t root);

/// The roots given and everything below them.
std::vector<int> WithDescendants(const std::vector<int>& roots, const std::vector<ProcessStat>& all);

/// True when the process was started with this variable in its environment. A program that rewrites its title may have
/// overwritten it, so "false" proves nothing.
bool HasEnvironment(pid_t pid, const std::string& assignment);

}  // namespace keeper
