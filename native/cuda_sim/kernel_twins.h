// The kernels that the simulated driver can run: the host twins of those that infernode ships.
#pragma once

#include <cstddef>
#include <string>

namespace infernode::cuda_sim {

/// Runs the twin of an entry with its parameters as they lie in parameter space. False when there is none, or it refuses them.
bool RunTwin(const std::string& entry, const void* parameters, size_t bytes);

}  // namespace infernode::cuda_sim
