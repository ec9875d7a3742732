#include "keeper/spawn_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper/process_tree.h"

extern char** environ;

namespace keeper {
namespace {

void WriteWhole(int fd, const void* bytes, size_t length) {
  while (write(fd, bytes, length) < 0 && errno == EINTR) {
  }
}

/// Ignored signals stay ignored over exec, so each goes back to its default.
void ResetSignals() {
  for (int signal_number = 1; signal_number < 32; signal_number++) signal(signal_number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void Restore(const EngineSetting& setting) {
  umask(setting.umask);
  if (setting.working_directory >= 0 && fchdir(setting.working_directory) != 0) errno = 0;
  if (setting.oom_score.empty()) return;
  const int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (oom >= 0) WriteWhole(oom, setting.oom_score.data(), setting.oom_score.size());
}

[[noreturn]] void RunChild(const SpawnRequest& request, int gate, int report) {
  setsid();
  int join_errno = 0;
  if (request.group_procs >= 0 && write(request.group_procs, "0", 1) != 1) join_errno = errno;
  WriteWhole(report, &join_errno, sizeof join_errno);
  char open_gate = 0;
  if (read(gate, &open_gate, 1) != 1) _exit(125);

  ResetSignals();
  Restore(request.setting);
  dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
  dup2(request.output, 1);
  dup2(request.output, 2);
  execvpe(request.argv[0], request.argv.data(), environ);
  const int exec_errno = errno;
  WriteWhole(report, &exec_errno, sizeof exec_errno);
  _exit(exec_errno == ENOENT ? 127 : 126);
}

}  // namespace

SpawnResult SpawnEngine(const SpawnRequest& request, const std::function<bool(const SpawnResult&)>& record) {
  SpawnResult result;
  int gate[2], report[2];
  if (pipe2(gate, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
    result.exec_errno = errno;
    return result;
  }
  const pid_t pid = fork();
  if (pid == 0) {
    // Only the keeper may hold the gate's other end, or its death would not be noticed.
    close(gate[1]);
    RunChild(request, gate[0], report[1]);
  }
  close(gate[0]);
  close(report[1]);
  if (pid < 0) {
    result.exec_errno = errno;
  } else {
    result.pid = pid;
    result.start_time = StartTimeOf(pid);
    if (read(report[0], &result.group_errno, sizeof result.group_errno) <= 0) result.group_errno = EIO;
    if (record(result)) {
      WriteWhole(gate[1], "g", 1);
      // End of file: the pipe was closed by a program that started.
      if (read(report[0], &result.exec_errno, sizeof result.exec_errno) <= 0) result.exec_errno = 0;
    } else {
      result.exec_errno = EIO;
    }
  }
  close(gate[1]);
  close(report[0]);
  return result;
}

}  // namespace keeper
