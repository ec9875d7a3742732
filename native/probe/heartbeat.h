// The long run: one small captured graph is replayed at each interval, and its latency printed.
#pragma once

#include <string>

namespace infernode::probe {

struct HeartbeatOptions {
  std::string library = "libcuda.so.1", device = "0";
  unsigned interval_ms = 1000;
};

/// Lines of JSON: `{"ready":true,"device":NAME}`, then `{"beat":N,"latencyUs":X}` for each beat. After an error
/// `{"error":{"code","message"}}`; a sticky CUDA error cannot be survived, so the process ends (1; 2: could not start). Ends with
/// 0 when standard input does, which is how it outlives nobody.
int RunHeartbeat(const HeartbeatOptions& options);

}  // namespace infernode::probe
