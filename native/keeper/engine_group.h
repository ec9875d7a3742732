// The engine's own cgroup v2 group, made below the group in which the keeper itself runs. It holds the engine and nothing
// else, so that "the group is empty" proves that the engine is gone and `cgroup.kill` misses nobody.
#pragma once
#include <string>
#include <vector>

namespace keeper {

class EngineGroup {
 public:
  /// Makes the group; on failure `path()` stays empty and `reason()` says why in one phrase.
  static EngineGroup Create(const std::string& name);
  /// A group that another keeper made. Refused (empty path) unless it is a cgroup v2 directory with our prefix.
  static EngineGroup Open(const std::string& path);

  /// The group that a process is in, if it is one of ours.
  static EngineGroup OfProcess(int pid);

  const std::string& path() const { return path_; }
  const std::string& reason() const { return reason_; }
  bool exists() const { return !path_.empty(); }

  /// To be written "0" by the engine before it starts its program; -1 when there is no group. The caller closes it.
  int OpenProcs() const;
  /// SIGKILL to all members at once, also to those that are just forking. False when the kernel has no `cgroup.kill`.
  bool Kill() const;
  /// True while any process, also of groups below, is in it.
  bool Populated() const;
  std::vector<int> Members() const;
  /// Gives the group up; a group that could not be used leaves no directory behind.
  void Remove(const std::string& reason);

 private:
  std::string path_;
  std::string reason_;
};

}  // namespace keeper
