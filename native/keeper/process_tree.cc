#include "keeper/process_tree.h"

#include <dirent.h>
#include <stdlib.h>

#include <set>
#include <sstream>

#include "keeper/json.h"

namespace keeper {

bool ReadStat(pid_t pid, ProcessStat* out) {
  const std::string text = ReadSmallFile("/proc/" + std::to_string(pid) + "/stat");
  // The second field is a name in brackets that may hold anything, so counting starts behind the last bracket.
  const size_t bracket = text.rfind(')');
  if (bracket == std::string::npos) return false;
  std::istringstream fields(text.substr(bracket + 1));
  std::string skipped;
  pid_t group = 0;
  fields >> out->state >> out->parent >> group >> out->session;
  for (int field = 7; field < 22; field++) fields >> skipped;
  fields >> out->start_time;
  out->pid = pid;
  return !fields.fail();
}

std::string StartTimeOf(pid_t pid) {
  ProcessStat stat;
  return ReadStat(pid, &stat) ? stat.start_time : "";
}

std::vector<ProcessStat> AllProcesses() {
  std::vector<ProcessStat> all;
  DIR* directory = opendir("/proc");
  if (!directory) return all;
  while (const dirent* entry = readdir(directory)) {
    const pid_t pid = atoi(entry->d_name);
    ProcessStat stat;
    if (pid > 0 && ReadStat(pid, &stat)) all.push_back(stat);
  }
  closedir(directory);
  return all;
}

std::vector<int> WithDescendants(const std::vector<int>& roots, const std::vector<ProcessStat>& all) {
  std::set<int> tree(roots.begin(), roots.end());
  for (size_t before = 0; before != tree.size();) {
    before = tree.size();
    for (const ProcessStat& process : all)
      if (tree.count(process.parent)) tree.insert(process.pid);
  }
  return {tree.begin(), tree.end()};
}

std::vector<int> DescendantsOf(pid_t root) {
  const std::vector<ProcessStat> all = AllProcesses();
  std::set<int> zombies;
  for (const ProcessStat& process : all)
    if (process.state == 'Z' || process.state == 'X') zombies.insert(process.pid);
  std::vector<int> living;
  for (int pid : WithDescendants({root}, all))
    if (pid != root && !zombies.count(pid)) living.push_back(pid);
  return living;
}

bool HasEnvironment(pid_t pid, const std::string& assignment) {
  const std::string environment = ReadSmallFile("/proc/" + std::to_string(pid) + "/environ");
  for (size_t at = 0; at < environment.size();) {
    const size_t end = environment.find('\0', at);
    if (environment.compare(at, (end == std::string::npos ? environment.size() : end) - at, assignment) == 0) return true;
    if (end == std::string::npos) break;
    at = end + 1;
  }
  return false;
}

}  // namespace keeper
