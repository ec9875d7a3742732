// infernode-keeper: stands between one engine and everything that may die around it. Started by the agent, outlives it.
//
//   infernode-keeper --dir RUNDIR --log-max-bytes N [--cgroup auto|off] [--orphans end|keep] [--orphan-grace-ms N]
//                    [--hold-name NAME] [--argv-hash HEX] -- PROGRAM ARGS...
//   infernode-keeper --sweep --dir RUNDIR [--leader PID:STARTTIME] [--cgroup-path PATH]
//
// Prints one JSON line when the engine's program runs (or why it does not), then lets go of its standard streams. SIGHUP,
// SIGINT, SIGTERM and SIGQUIT are ignored: a keeper ends when its tree is empty and not before; who wants that says so over
// keeper.sock. See README.md.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keeper/json.h"
#include "keeper/keeper.h"
#include "keeper/options.h"
#include "keeper/sweep.h"

namespace {

/// Nothing of the agent (sockets, locks) may live on in a keeper or its engine.
void CloseInherited() {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0) return;
#endif
  for (int fd = 3; fd < 65536; fd++) close(fd);
}

/// A session of its own, also when a shell made this process the leader of a group.
void LeaveSession() {
  if (setsid() >= 0 || getsid(0) == getpid()) return;
  if (fork() != 0) _exit(0);
  setsid();
}

void IgnoreSignals() {
  for (int number : {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGPIPE, SIGTTOU, SIGTTIN, SIGTSTP}) signal(number, SIG_IGN);
}

/// The OOM killer takes the engine before the one who reports it. Needs CAP_SYS_RESOURCE; returns the engine's own score.
std::string LowerOwnOomScore() {
  const std::string inherited = keeper::ReadSmallFile("/proc/self/oom_score_adj");
  const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  const bool lowered = file >= 0 && write(file, "-900", 4) == 4;
  if (file >= 0) close(file);
  return lowered ? inherited : "";
}

void LetGoOfStreams() {
  fflush(stdout);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3 && null >= 0; fd++) dup2(null, fd);
  if (null > 2) close(null);
}

int Refuse(const std::string& error) {
  printf("{\"ok\":false,\"error\":%s}\n", keeper::Quote(error).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  keeper::Options options;
  std::string error;
  if (!keeper::ParseOptions(argc, argv, &options, &error)) {
    fprintf(stderr, "infernode-keeper: %s\n", error.c_str());
    return 2;
  }
  CloseInherited();
  keeper::EngineSetting setting;
  setting.umask = umask(077);
  if (options.sweep) {
    keeper::Sweep(options);
    return 0;
  }
  setting.working_directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (chdir(options.dir.c_str()) != 0) return Refuse("expected a directory " + options.dir + ": " + strerror(errno));
  LeaveSession();
  IgnoreSignals();
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  putenv(strdup(keeper::RunMark(options.dir).c_str()));

  setting.oom_score = LowerOwnOomScore();
  keeper::Keeper engine_keeper(options, setting);
  error = engine_keeper.Start();
  if (!error.empty()) return Refuse(error);
  printf("{\"ok\":true}\n");
  LetGoOfStreams();
  engine_keeper.Run();
  return 0;
}
