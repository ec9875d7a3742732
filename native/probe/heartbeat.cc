#include "probe/heartbeat.h"

#include <poll.h>
#include <unistd.h>

#include <cstdio>

#include "probe/gpu.h"
#include "probe/report.h"

namespace infernode::probe {
namespace {

int Fail(const std::string& code, const char* message, int status) {
  std::printf("{\"error\":{\"code\":%s,\"message\":%s}}\n", JsonString(code).c_str(), JsonString(message).c_str());
  std::fflush(stdout);
  return status;
}

/// Waits for the next beat; false when standard input has ended.
bool WaitForNext(unsigned ms) {
  pollfd in{STDIN_FILENO, POLLIN, 0};
  if (poll(&in, 1, static_cast<int>(ms)) <= 0) return true;
  char byte;
  return read(STDIN_FILENO, &byte, 1) > 0;
}

int Run(const HeartbeatOptions& options, bool* started) {
  Gpu gpu(options.library, options.device);
  Beat beat(gpu);
  *started = true;
  std::printf("{\"ready\":true,\"device\":%s}\n", JsonString(gpu.context()->Name()).c_str());
  unsigned long beats = 0;
  do {
    const double us = beat.Once();
    std::printf("{\"beat\":%lu,\"latencyUs\":%.1f}\n", ++beats, us);
    if (std::fflush(stdout) != 0) return 0;
  } while (WaitForNext(options.interval_ms));
  return 0;
}

}  // namespace

int RunHeartbeat(const HeartbeatOptions& options) {
  bool started = false;
  try {
    return Run(options, &started);
  } catch (const Unavailable& error) {
    return Fail(error.state, error.what(), 2);
  } catch (const cuda::CudaError& error) {
    return Fail(cuda::ResultName(error.code), error.what(), started ? 1 : 2);
  } catch (const std::exception& error) {
    return Fail("INFERNODE_WRONG_ANSWER", error.what(), 1);
  }
}

}  // namespace infernode::probe
