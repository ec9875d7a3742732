#include "keeper/engine_group.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <sstream>

#include "keeper/json.h"

namespace keeper {
namespace {

constexpr char kPrefix[] = "infernode-";
constexpr int kRemoveTries = 20;
constexpr int kRemovePauseUs = 10000;
constexpr long kCgroup2Magic = 0x63677270;  // CGROUP2_SUPER_MAGIC of linux/magic.h

/// Mount point and root of the first cgroup v2 hierarchy, wherever it stands: /sys/fs/cgroup, or /sys/fs/cgroup/unified
/// on machines that still carry v1.
bool FindHierarchy(std::string* mount_point, std::string* root) {
  std::istringstream lines(ReadSmallFile("/proc/self/mountinfo"));
  for (std::string line; std::getline(lines, line);) {
    const size_t separator = line.find(" - ");
    if (separator == std::string::npos || line.compare(separator + 3, 8, "cgroup2 ") != 0) continue;
    std::istringstream fields(line);
    std::string id, parent, device;
    fields >> id >> parent >> device >> *root >> *mount_point;
    return true;
  }
  return false;
}

/// The `0::` line of /proc/<process>/cgroup; empty without one.
std::string GroupOf(const std::string& process) {
  std::istringstream lines(ReadSmallFile("/proc/" + process + "/cgroup"));
  for (std::string line; std::getline(lines, line);)
    if (line.compare(0, 3, "0::") == 0) return line.substr(3);
  return "";
}

/// The path inside the mount: what of the group lies above the mount's root is not visible here.
std::string WithoutRoot(const std::string& group, const std::string& root) {
  if (root == "/") return group == "/" ? "" : group;
  if (group.compare(0, root.size(), root) == 0) return group.substr(root.size());
  return group == "/" ? "" : group;
}

std::string Failure(const std::string& what) { return what + ": " + strerror(errno); }

}  // namespace

EngineGroup EngineGroup::Create(const std::string& name) {
  EngineGroup group;
  std::string mount_point, root;
  const std::string own = GroupOf("self");
  if (!FindHierarchy(&mount_point, &root) || own.empty()) {
    group.reason_ = "no cgroup v2 hierarchy is mounted";
    return group;
  }
  const std::string path = mount_point + WithoutRoot(own, root) + "/" + kPrefix + name;
  if (mkdir(path.c_str(), 0700) != 0) {
    group.reason_ = Failure("mkdir " + path);
    return group;
  }
  group.path_ = path;
  return group;
}

EngineGroup EngineGroup::Open(const std::string& path) {
  EngineGroup group;
  struct statfs fs;
  const size_t slash = path.rfind('/');
  const bool ours = slash != std::string::npos && path.compare(slash + 1, sizeof kPrefix - 1, kPrefix) == 0;
  if (ours && statfs(path.c_str(), &fs) == 0 && fs.f_type == kCgroup2Magic) group.path_ = path;
  return group;
}

EngineGroup EngineGroup::OfProcess(int pid) {
  std::string mount_point, root;
  const std::string group = GroupOf(std::to_string(pid));
  if (group.empty() || !FindHierarchy(&mount_point, &root)) return EngineGroup();
  return Open(mount_point + WithoutRoot(group, root));
}

int EngineGroup::OpenProcs() const {
  return exists() ? open((path_ + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC) : -1;
}

bool EngineGroup::Kill() const {
  if (!exists()) return false;
  const int file = open((path_ + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool killed = write(file, "1", 1) == 1;
  close(file);
  return killed;
}

bool EngineGroup::Populated() const {
  return exists() && ReadSmallFile(path_ + "/cgroup.events").find("populated 1") != std::string::npos;
}

std::vector<int> EngineGroup::Members() const {
  std::vector<int> pids;
  if (!exists()) return pids;
  std::istringstream lines(ReadSmallFile(path_ + "/cgroup.procs"));
  for (int pid; lines >> pid;)
    if (pid > 0) pids.push_back(pid);
  return pids;
}

void EngineGroup::Remove(const std::string& reason) {
  // What has just been killed may still be on its way out, which the kernel calls busy.
  for (int tries = 0; exists() && rmdir(path_.c_str()) != 0 && errno == EBUSY && tries < kRemoveTries; tries++)
    usleep(kRemovePauseUs);
  path_.clear();
  reason_ = reason;
}

}  // namespace keeper
