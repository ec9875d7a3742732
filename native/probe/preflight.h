// The short run: is this device able to compute, remember and move what it is given? Bounded in memory and in time.
#pragma once

#include <string>

namespace infernode::probe {

struct PreflightOptions {
  std::string library = "libcuda.so.1", device = "0";
  size_t memory_bytes = size_t{256} << 20;  ///< of the pattern test; less where less than twice that is free
  size_t copy_bytes = size_t{64} << 20;
  unsigned time_limit_ms = 10000;           ///< of the whole run (`active_probe` allows 10 s)
};

/// Prints the verdict as one line of JSON. 0: pass, 1: fail, 2: the device could not be asked. A run over its time limit prints its
/// verdict too, and ends the process from another thread, because the main one may never come back from the driver.
int RunPreflight(const PreflightOptions& options);

}  // namespace infernode::probe
