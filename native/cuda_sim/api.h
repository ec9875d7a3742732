// How the driver's functions are written down: declared from the callers' symbol table, so that a wrong type does not compile.
#pragma once

#include "cuda/symbols.h"
#include "cuda_sim/scenario.h"
#include "cuda_sim/sim_state.h"

#define INFERNODE_CUDA_SIM_API extern "C" __attribute__((visibility("default"))) infernode::cuda::Result

using namespace infernode::cuda;
using namespace infernode::cuda_sim;
using Lock = std::unique_lock<std::mutex>;

#define X(name, need, args) INFERNODE_CUDA_SIM_API name args;
INFERNODE_CUDA_SYMBOLS(X)
#undef X
