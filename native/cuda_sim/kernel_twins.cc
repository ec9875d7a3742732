#include "cuda_sim/kernel_twins.h"

#include "kvquant/cuda/kernel_abi.h"
#include "probe/kernel_abi.h"

namespace infernode::cuda_sim {

bool RunTwin(const std::string& entry, const void* parameters, size_t bytes) {
  return kv::RunKernelOnHost(entry.c_str(), parameters, bytes) || probe::RunKernelOnHost(entry.c_str(), parameters, bytes);
}

}  // namespace infernode::cuda_sim
