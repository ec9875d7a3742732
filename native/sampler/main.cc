// infernode-sampler: reads the GPUs for one agent. It owns every driver call, so that a call that never returns, or a crash
// of the vendor library, costs this process and not the agent. The agent gives it its orders on stdin, one word a line, and
// ends it by closing stdin; events leave on descriptor 3; readings lie in a mapped file.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "sampler/event_pipe.h"
#include "sampler/kmsg_reader.h"
#include "sampler/sampler.h"
#include "sampler/snapshot_file.h"

namespace {

using infernode::sampler::EventPipe;
using infernode::sampler::KmsgOptions;
using infernode::sampler::KmsgReader;
using infernode::sampler::Sampler;
using infernode::sampler::SamplerOptions;
using infernode::sampler::SnapshotFile;

constexpr int kEventFd = 3;
constexpr int kHeartbeatMs = 250;
/// How long a clean shutdown of the driver may take before the process just ends.
constexpr int kQuitMs = 1000;
constexpr size_t kMaxLine = 64;
constexpr size_t kMaxKmsgMatches = 64;
constexpr int kUsageError = 2;

struct Arguments {
  SamplerOptions sampler;
  KmsgOptions kmsg;
  std::string snapshot;
};

bool ParseNumber(const char* text, uint32_t low, uint32_t high, uint32_t* number) {
  char* end = nullptr;
  const unsigned long value = std::strtoul(text, &end, 10);
  if (end == text || *end || value < low || value > high) return false;
  *number = static_cast<uint32_t>(value);
  return true;
}

bool Parse(int argc, char** argv, Arguments* arguments) {
  bool normal_given = false, slow_given = false;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const char* value = argv[i + 1];
    uint32_t number = 0;
    if (flag == "--library") {
      arguments->sampler.library = value;
    } else if (flag == "--snapshot") {
      arguments->snapshot = value;
    } else if (flag == "--kmsg") {
      arguments->kmsg.path = value;
    } else if (flag == "--kmsg-match" && *value && arguments->kmsg.match.size() < kMaxKmsgMatches) {
      arguments->kmsg.match.push_back(value);
    } else if (flag == "--interval-ms" && ParseNumber(value, 10, 3'600'000, &number)) {
      arguments->sampler.interval_ms = number;
    } else if (flag == "--normal-interval-ms" && ParseNumber(value, 10, 3'600'000, &number)) {
      arguments->sampler.normal_interval_ms = number;
      normal_given = true;
    } else if (flag == "--slow-interval-ms" && ParseNumber(value, 10, 3'600'000, &number)) {
      arguments->sampler.slow_interval_ms = number;
      slow_given = true;
    } else if (flag == "--skip-index" && ParseNumber(value, 0, infernode::sampler::kMaxDevices - 1, &number)) {
      arguments->sampler.skip.insert(number);
    } else {
      std::fprintf(stderr, "expected a known flag with a valid value, got %s %s\n", argv[i], value);
      return false;
    }
  }
  if (!normal_given) arguments->sampler.normal_interval_ms = arguments->sampler.interval_ms * 5;
  if (!slow_given) arguments->sampler.slow_interval_ms = arguments->sampler.interval_ms * 30;
  if (argc % 2 == 1 && !arguments->sampler.library.empty() && !arguments->snapshot.empty()) return true;
  std::fprintf(stderr, "usage: infernode-sampler --library PATH --snapshot FILE [--interval-ms N] [--normal-interval-ms N] "
               "[--slow-interval-ms N] [--skip-index I]... [--kmsg PATH [--kmsg-match TEXT]...]\n");
  return false;
}

/// False: quit.
bool Obey(Sampler& sampler, const std::string& command) {
  if (command == "quit") return false;
  if (command == "sample") sampler.AnswerSample();
  else if (command == "inspect") sampler.Inspect();
  else if (command == "peers") sampler.AskPeers();
  else if (command == "release") sampler.Release();
  else if (command == "acquire") sampler.Acquire();
  else std::fprintf(stderr, "expected release, acquire, sample, inspect, peers or quit on stdin\n");
  return true;
}

/// Until `quit`, end of stdin or SIGTERM. This thread never calls the driver, so the heartbeat is that of the process.
void ServeCommands(Sampler& sampler, SnapshotFile& snapshot, const volatile std::sig_atomic_t& terminated) {
  std::string line;
  for (;;) {
    snapshot->heartbeat_ns.store(infernode::nvml::MonotonicNs(), std::memory_order_relaxed);
    if (terminated) return;
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, kHeartbeatMs) <= 0) continue;
    char buffer[256];
    const ssize_t size = read(STDIN_FILENO, buffer, sizeof buffer);
    if (size == 0 || (size < 0 && errno != EINTR && errno != EAGAIN)) return;
    for (ssize_t i = 0; i < size; i++) {
      if (buffer[i] != '\n') {
        if (line.size() < kMaxLine) line += buffer[i];
        continue;
      }
      if (!Obey(sampler, line)) return;
      line.clear();
    }
  }
}

volatile std::sig_atomic_t g_terminated = 0;

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, &arguments)) return kUsageError;
  std::signal(SIGPIPE, SIG_IGN);
  // Ctrl-C goes to the whole foreground group; the agent decides when sampling ends.
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  std::signal(SIGTERM, [](int) { g_terminated = 1; });

  std::string error;
  const auto snapshot = SnapshotFile::Create(arguments.snapshot, &error);
  if (!snapshot) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  EventPipe pipe(kEventFd, &(*snapshot)->events_written, &(*snapshot)->events_dropped);
  Sampler sampler(arguments.sampler, **snapshot, pipe);
  pipe.WriteNote("hello");
  std::thread driver([&] { sampler.Run(); });
  KmsgReader kmsg(arguments.kmsg, pipe);
  if (!arguments.kmsg.path.empty()) std::thread([&] { kmsg.Run(); }).detach();
  ServeCommands(sampler, *snapshot, g_terminated);

  sampler.Quit();
  for (int waited = 0; waited < kQuitMs && !sampler.finished(); waited += 5) usleep(5000);
  // Not exit(): destructors would wait for, or pull the ground from under, a thread that is stuck in the driver.
  _exit(0);
}
