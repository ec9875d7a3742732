// A part of the check as a process of its own: one that hangs in the driver, or spoils its context, takes nothing of the others with it.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "kvquant/gpu_check.h"

namespace infernode::kv {
namespace {

using Clock = std::chrono::steady_clock;

/// After the kill. A process that the driver holds does not go, and is left behind.
constexpr auto kGrace = std::chrono::seconds(3);

struct Child {
  pid_t pid = -1;
  int out = -1, err = -1;
};

Child Start(const Part& part, int count, char** arguments) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_adddup2(&actions, err[1], 2);
  std::string name = part.name, option = "--part";
  std::vector<char*> words(arguments, arguments + count);
  words.insert(words.end(), {option.data(), name.data(), nullptr});
  Child child;
  const int failed = posix_spawn(&child.pid, "/proc/self/exe", &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]), close(err[1]);
  if (failed) throw std::runtime_error("cannot start a process for " + part.name);
  child.out = out[0], child.err = err[0];
  return child;
}

/// What there is, or false at the end.
bool ReadSome(int fd, std::string* text) {
  char bytes[4096];
  const ssize_t count = read(fd, bytes, sizeof bytes);
  if (count > 0) text->append(bytes, static_cast<size_t>(count));
  return count > 0;
}

/// Until both ends are closed or the time is over; then false.
bool ReadUntil(Clock::time_point deadline, const Child& child, std::string* out, std::string* err) {
  pollfd ends[] = {{child.out, POLLIN, 0}, {child.err, POLLIN, 0}};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    if (poll(ends, 2, static_cast<int>(left)) <= 0) continue;
    if (ends[0].revents && !ReadSome(child.out, out)) ends[0].fd = -1;
    if (ends[1].revents && !ReadSome(child.err, err)) ends[1].fd = -1;
  }
  return true;
}

/// The exit status, or -1 when the process does not end.
int WaitUntil(Clock::time_point deadline, pid_t pid) {
  for (int status = 0; Clock::now() < deadline; usleep(2000))
    if (waitpid(pid, &status, WNOHANG) == pid) return status;
  return -1;
}

void ReadValues(const std::string& told, PartResult* result) {
  for (size_t from = 0; from < told.size();) {
    const size_t end = told.find('\n', from), space = told.find(' ', from);
    if (end == std::string::npos) return;  // a line that was cut off
    const std::string name = told.substr(from, space - from), literal = told.substr(space + 1, end - space - 1);
    const auto known = std::find_if(result->values.begin(), result->values.end(), [&](const auto& value) { return value.first == name; });
    if (known == result->values.end()) result->values.emplace_back(name, literal);
    else known->second = literal;
    from = end + 1;
  }
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

const char* PartStateName(PartState state) {
  static constexpr const char* kNames[] = {"done", "failed", "timed-out", "died", "skipped"};
  return kNames[static_cast<size_t>(state)];
}

const std::string* PartResult::Value(const std::string& name) const {
  for (const auto& value : values)
    if (value.first == name) return &value.second;
  return nullptr;
}

double PartResult::Number(const std::string& name) const {
  const std::string* value = Value(name);
  return value ? std::strtod(value->c_str(), nullptr) : NAN;
}

PartResult RunPart(const Part& part, int limit_s, int count, char** arguments) {
  PartResult result;
  result.part = part;
  const auto begin = Clock::now();
  const Child child = Start(part, count, arguments);
  std::string out, err;
  const bool ended = ReadUntil(begin + std::chrono::seconds(limit_s), child, &out, &err);
  if (!ended) kill(child.pid, SIGKILL);
  const int status = WaitUntil(Clock::now() + kGrace, child.pid);
  close(child.out), close(child.err);
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  ReadValues(out, &result);
  std::fputs(err.c_str(), stderr);
  result.reason = FirstLine(err);
  const std::string us = "infernode-kv-gpu-check: ";
  if (result.reason.rfind(us, 0) == 0) result.reason.erase(0, us.size());
  if (!ended) result.state = PartState::kTimedOut, result.reason = "not over after " + std::to_string(limit_s) + " s" + (status == -1 ? ", and its process does not end" : "");
  else if (status >= 0 && WIFEXITED(status)) result.state = WEXITSTATUS(status) == 0 ? PartState::kDone : PartState::kFailed;
  else result.state = PartState::kDied, result.reason = "ended by signal " + std::to_string(WTERMSIG(status)) + (err.empty() ? "" : ": " + result.reason);
  result.no_gpu = ended && WIFEXITED(status) && WEXITSTATUS(status) == 3;
  return result;
}

}  // namespace infernode::kv
