#include "keeper/sweep.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "keeper/engine_group.h"
#include "keeper/json.h"
#include "keeper/process_tree.h"

namespace keeper {
namespace {

constexpr int kStepMs = 50;
constexpr int kLimitMs = 5000;

/// Everything that is provably of this engine: members of its group, the leader itself, the leader's session, whoever
/// carries the run mark, and all below them. A session number may have been used again once its leader is gone, so the
/// session counts only while the leader with the recorded start time still stands.
std::vector<int> Leftovers(const Options& options, const EngineGroup& group) {
  const std::vector<ProcessStat> all = AllProcesses();
  const bool leader_stands =
      options.leader_pid > 0 && StartTimeOf(options.leader_pid) == options.leader_start_time;
  const std::string mark = RunMark(options.dir);
  std::vector<int> roots = group.Members();
  for (const ProcessStat& process : all) {
    const bool in_session = leader_stands && process.session == options.leader_pid;
    if (in_session || HasEnvironment(process.pid, mark)) roots.push_back(process.pid);
  }
  std::vector<int> tree = WithDescendants(roots, all);
  const auto gone = [&](int pid) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const ProcessStat& p) { return p.pid == pid; });
    return pid == getpid() || (found != all.end() && (found->state == 'Z' || found->state == 'X'));
  };
  tree.erase(std::remove_if(tree.begin(), tree.end(), gone), tree.end());
  return tree;
}

}  // namespace

std::string RunMark(const std::string& directory) { return "INFERNODE_KEEPER_RUN=" + directory; }

void Sweep(const Options& options) {
  EngineGroup group = EngineGroup::Open(options.cgroup_path);
  std::set<int> killed;
  std::vector<int> left = Leftovers(options, group);
  // The record with the group's path may be lost; whoever is left still stands in it.
  for (size_t i = 0; i < left.size() && !group.exists(); i++) group = EngineGroup::OfProcess(left[i]);
  for (int waited = 0; !left.empty() && waited < kLimitMs; waited += kStepMs) {
    for (int pid : left) {
      kill(pid, SIGKILL);
      killed.insert(pid);
    }
    group.Kill();
    usleep(kStepMs * 1000);
    left = Leftovers(options, group);
  }
  group.Remove("");
  printf("{\"ok\":true,\"killed\":%s,\"remaining\":%s}\n", List({killed.begin(), killed.end()}).c_str(),
         List(left).c_str());
}

}  // namespace keeper
