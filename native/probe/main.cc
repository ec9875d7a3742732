// infernode-probe: asks a GPU whether it still computes. A process of its own, because a driver call may never return and an error
// may spoil the process that it happens in.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "probe/heartbeat.h"
#include "probe/preflight.h"

namespace {

constexpr const char* kUsage =
    "usage: infernode-probe [--library PATH] [--device INDEX|GPU-UUID] [--memory-mib N] [--copy-mib N] [--time-limit-ms N]\n"
    "       infernode-probe --heartbeat [--library PATH] [--device INDEX|GPU-UUID] [--interval-ms N]\n";

/// A number of [least, most], or the usage and the end.
unsigned long Number(const char* name, const char* text, unsigned long least, unsigned long most) {
  char* end = nullptr;
  errno = 0;
  const unsigned long value = std::strtoul(text, &end, 10);
  if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && value >= least && value <= most) return value;
  std::fprintf(stderr, "%s: expected %lu to %lu, got %s\n%s", name, least, most, text, kUsage);
  std::exit(64);
}

}  // namespace

int main(int argc, char** argv) {
  // The reader going away is the end of standard input too; writing must not be what ends us.
  std::signal(SIGPIPE, SIG_IGN);
  infernode::probe::PreflightOptions preflight;
  infernode::probe::HeartbeatOptions heartbeat;
  bool beats = false;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--heartbeat") {
      beats = true;
      continue;
    }
    const char* value = i + 1 < argc ? argv[++i] : "";
    if (name == "--library") preflight.library = heartbeat.library = value;
    else if (name == "--device") preflight.device = heartbeat.device = value;
    else if (name == "--memory-mib") preflight.memory_bytes = Number("--memory-mib", value, 1, 1 << 20) << 20;
    else if (name == "--copy-mib") preflight.copy_bytes = Number("--copy-mib", value, 1, 4096) << 20;
    else if (name == "--time-limit-ms") preflight.time_limit_ms = static_cast<unsigned>(Number("--time-limit-ms", value, 1, 600000));
    else if (name == "--interval-ms") heartbeat.interval_ms = static_cast<unsigned>(Number("--interval-ms", value, 1, 600000));
    else return std::fprintf(stderr, "unknown option %s\n%s", name.c_str(), kUsage), 64;
  }
  const int status = beats ? infernode::probe::RunHeartbeat(heartbeat) : infernode::probe::RunPreflight(preflight);
  // Not through exit handlers: the vendor library's may wait for a device that does not answer.
  std::fflush(nullptr);
  std::_Exit(status);
}
