#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "keeper/json.h"
#include "keeper/process_tree.h"
#include "keeper/spawn_engine.h"

namespace keeper {
namespace {

constexpr char kSocketName[] = "keeper.sock";
/// While ending, how often the group is looked at and SIGKILL repeated: a process may have forked in between.
constexpr int kEndStepMs = 50;
/// A process that SIGKILL has not ended by then hangs in the kernel, mostly in the GPU driver; said once, waited for still.
constexpr long long kStuckAfterMs = 10000;
/// Once stuck, looking costs more than it finds.
constexpr int kStuckStepMs = 1000;
constexpr size_t kMaxListedPids = 1024;
/// Output read per turn of the loop, so that a flood does not keep commands waiting.
constexpr size_t kOutputPerTurn = 1 << 20;
constexpr int kPipeBytes = 1 << 20;
constexpr int kFlushLimitMs = 200;

/// `SIGKILL`; the number where it has no name here. (sigabbrev_np would tie the binary to a newer libc.)
std::string SignalName(int number) {
  static const char* const names[] = {"0",      "SIGHUP",  "SIGINT",  "SIGQUIT", "SIGILL",  "SIGTRAP", "SIGABRT", "SIGBUS",
                                      "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM"};
  return number < 16 ? names[number] : std::to_string(number);
}

std::string Refusal(const std::string& reply, const std::string& error) {
  return "{\"reply\":" + Quote(reply) + ",\"ok\":false,\"error\":" + Quote(error) + "}";
}

}  // namespace

Keeper::Keeper(const Options& options, const EngineSetting& setting) : options_(options), setting_(setting) {}

std::string Keeper::Start() {
  if (!HoldName()) return "name " + options_.hold_name + " is held by another keeper";
  if (!control_.Listen(kSocketName)) return std::string("expected to bind keeper.sock: ") + strerror(errno);
  sigset_t child_signal;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_signal, nullptr);
  children_changed_ = signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK);
  int output[2];
  if (children_changed_ < 0 || pipe2(output, O_CLOEXEC) != 0) return std::string("no descriptors: ") + strerror(errno);
  output_ = output[0];
  fcntl(output_, F_SETFL, O_NONBLOCK);
  // Room for a burst while the keeper is not scheduled; the default of 64 KiB stays where the system's limit is lower.
  fcntl(output_, F_SETPIPE_SZ, kPipeBytes);
  if (options_.cgroup)
    group_ = EngineGroup::Create(std::to_string(getpid()) + "-" + StartTimeOf(getpid()));
  else
    group_.Remove("switched off");

  SpawnRequest request;
  request.argv = options_.argv;
  request.output = output[1];
  request.group_procs = group_.OpenProcs();
  request.setting = setting_;
  const SpawnResult spawned = SpawnEngine(request, [this](const SpawnResult& child) {
    if (child.group_errno != 0) group_.Remove(std::string("entering the group: ") + strerror(child.group_errno));
    return WriteKeeperRecord(child.pid, child.start_time);
  });
  close(output[1]);
  if (request.group_procs >= 0) close(request.group_procs);
  log_ = std::make_unique<LogSink>("engine.log", options_.log_max_bytes);
  if (spawned.exec_errno == 0) return "";
  const std::string error = std::string("cannot start ") + options_.argv[0] + ": " + strerror(spawned.exec_errno);
  if (spawned.pid > 0) waitpid(spawned.pid, nullptr, 0);
  WriteExitRecord(error);
  group_.Remove("");
  control_.Close(kSocketName);
  return error;
}

/// An abstract socket lives as long as a process holds it and in the same network namespace as the port it stands for, so
/// that no stale claim can be left behind.
bool Keeper::HoldName() {
  if (options_.hold_name.empty()) return true;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path + 1, options_.hold_name.data(), options_.hold_name.size());
  const socklen_t length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + options_.hold_name.size());
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0;
}

bool Keeper::WriteKeeperRecord(pid_t leader, const std::string& start_time) {
  leader_ = leader;
  leader_start_time_ = start_time;
  return WriteByRename(
      "keeper.json",
      StateDocument("{\"keeperPid\":" + std::to_string(getpid()) + ",\"keeperStartTime\":" + Quote(StartTimeOf(getpid())) +
                    ",\"leaderPid\":" + std::to_string(leader) + ",\"leaderStartTime\":" + Quote(start_time) +
                    ",\"cgroup\":" + QuoteOrNull(group_.path()) + ",\"endsTreeBy\":" +
                    (group_.exists() ? "\"cgroup\"" : "\"walk\"") + ",\"cgroupReason\":" + QuoteOrNull(group_.reason()) +
                    ",\"argvHash\":" + QuoteOrNull(options_.argv_hash) + ",\"startedAtUnixMs\":" +
                    std::to_string(UnixMs()) + "}"));
}

std::string Keeper::ExitFields() const {
  return std::string("\"code\":") + (exit_code_ < 0 ? "null" : std::to_string(exit_code_)) +
         ",\"signal\":" + QuoteOrNull(exit_signal_) + ",\"atUnixMs\":" + std::to_string(exit_unix_ms_) +
         ",\"requested\":" + (requested_ ? "true" : "false");
}

void Keeper::WriteExitRecord(const std::string& error) {
  if (exit_unix_ms_ == 0) exit_unix_ms_ = UnixMs();
  WriteByRename("exit.json",
                StateDocument("{" + ExitFields() + ",\"treeEmptyAtUnixMs\":" +
                              (empty_unix_ms_ == 0 ? "null" : std::to_string(empty_unix_ms_)) +
                              ",\"error\":" + QuoteOrNull(error) + "}"));
}

void Keeper::Run() {
  while (phase_ != Phase::kEmpty) {
    std::vector<pollfd> fds = {{children_changed_, POLLIN, 0}, {output_, POLLIN, 0}};
    control_.AddTo(&fds);
    if (poll(fds.data(), fds.size(), TimeoutMs()) < 0 && errno != EINTR) usleep(1000);
    if (output_ >= 0 && fds[1].revents) ReadOutput();
    if (fds[0].revents) Reap();
    control_.Handle(fds.data() + 2, fds.size() - 2, [this](const std::string& line) { return Answer(line); });
    if (phase_ == Phase::kEnding) EndStep();
  }
}

int Keeper::TimeoutMs() const {
  if (phase_ != Phase::kEnding) return -1;
  return stuck_said_ ? kStuckStepMs : kEndStepMs;
}

std::string Keeper::Answer(const std::string& line) {
  if (line == "status") return Status();
  if (line == "signal TERM") {
    if (has_exit_) return Refusal("signal", "the leader has ended");
    requested_ = true;
    // Not reaped yet, so the pid is still the leader's.
    kill(leader_, SIGTERM);
    return "{\"reply\":\"signal\",\"ok\":true}";
  }
  if (line == "kill") {
    requested_ = requested_ || !has_exit_;
    kill_at_ms_ = MonotonicMs();
    KillTree();
    return "{\"reply\":\"kill\",\"ok\":true}";
  }
  return Refusal("unknown", "expected status, signal TERM or kill");
}

std::string Keeper::Status() {
  std::vector<int> pids = Tree();
  const size_t count = pids.size();
  pids.resize(std::min(count, kMaxListedPids));
  return "{\"reply\":\"status\",\"ok\":true,\"phase\":" +
         std::string(phase_ == Phase::kRunning ? "\"running\"" : "\"ending\"") +
         ",\"keeperPid\":" + std::to_string(getpid()) + ",\"keeperStartTime\":" + Quote(StartTimeOf(getpid())) +
         ",\"leaderPid\":" + std::to_string(leader_) + ",\"leaderStartTime\":" + Quote(leader_start_time_) +
         ",\"cgroup\":" + QuoteOrNull(group_.path()) + ",\"argvHash\":" + QuoteOrNull(options_.argv_hash) +
         ",\"processes\":" + std::to_string(count) + ",\"pids\":" + List(pids) +
         ",\"logDroppedBytes\":" + std::to_string(log_->dropped_bytes()) +
         ",\"exit\":" + (has_exit_ ? "{" + ExitFields() + "}" : "null") + "}";
}

/// The group misses nobody who stayed in it, the walk nobody who left it for another group.
std::vector<int> Keeper::Tree() const {
  std::vector<int> pids = DescendantsOf(getpid());
  for (int pid : group_.Members())
    if (std::find(pids.begin(), pids.end(), pid) == pids.end()) pids.push_back(pid);
  return pids;
}

void Keeper::ReadOutput() {
  char chunk[65536];
  for (size_t total = 0; total < kOutputPerTurn;) {
    const ssize_t length = read(output_, chunk, sizeof chunk);
    if (length < 0) return;
    if (length == 0) {
      // Nobody of the tree has its output open any more; -1 takes it out of the poll.
      close(output_);
      output_ = -1;
      return;
    }
    log_->Write(chunk, static_cast<size_t>(length));
    total += static_cast<size_t>(length);
  }
}

void Keeper::Reap() {
  signalfd_siginfo ignored;
  while (read(children_changed_, &ignored, sizeof ignored) > 0) {
  }
  for (int status; ;) {
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    no_children_ = pid < 0 && errno == ECHILD;
    if (pid <= 0) return;
    if (pid == leader_ && !has_exit_) LeaderEnded(status);
  }
}

void Keeper::LeaderEnded(int status) {
  has_exit_ = true;
  exit_unix_ms_ = UnixMs();
  if (WIFSIGNALED(status))
    exit_signal_ = SignalName(WTERMSIG(status));
  else
    exit_code_ = WEXITSTATUS(status);
  // Its last words first: whoever hears of the end reads the log for the cause.
  if (output_ >= 0) ReadOutput();
  log_->Flush(kFlushLimitMs / 4);
  WriteExitRecord("");
  std::vector<int> left = Tree();
  left.resize(std::min(left.size(), kMaxListedPids));
  control_.Broadcast("{\"event\":\"exit\"," + ExitFields() + ",\"pids\":" + List(left) + "}");
  phase_ = Phase::kEnding;
  if (!options_.end_orphans) return;
  if (kill_at_ms_ == 0) {
    SignalTree(SIGTERM);
    kill_at_ms_ = MonotonicMs() + options_.orphan_grace_ms;
  }
}

void Keeper::EndStep() {
  // As a subreaper the keeper is the parent of every orphan: without children there is no tree.
  Reap();
  if (no_children_ && !group_.Populated()) return TreeEmptied();
  const long long now = MonotonicMs();
  if (kill_at_ms_ == 0 || now < kill_at_ms_) return;
  KillTree();
  if (stuck_said_ || now < kill_at_ms_ + kStuckAfterMs) return;
  stuck_said_ = true;
  control_.Broadcast("{\"event\":\"stuck\",\"pids\":" + List(Tree()) + "}");
}

void Keeper::SignalTree(int signal_number) {
  for (int pid : Tree()) kill(pid, signal_number);
}

void Keeper::KillTree() {
  group_.Kill();
  for (int pid : DescendantsOf(getpid())) kill(pid, SIGKILL);
}

void Keeper::TreeEmptied() {
  phase_ = Phase::kEmpty;
  empty_unix_ms_ = UnixMs();
  WriteExitRecord("");
  control_.Broadcast("{\"event\":\"empty\"}");
  if (output_ >= 0) ReadOutput();
  log_->Flush(kFlushLimitMs);
  group_.Remove("");
  control_.Close(kSocketName);
}

}  // namespace keeper
