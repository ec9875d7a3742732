// The KV kernels' PTX, embedded: an image of each entry, so that a driver compiles only what is launched.
#pragma once

#include "cuda/module.h"

namespace infernode::kv {

struct LoadedKernel {
  cuda::LoadedModule module;
  cuda::CUfunction function = nullptr;
};

/// Loads the kernel `name`, one of kKernelNames; the driver compiles it the first time, about a second, and caches it. Throws CudaError.
LoadedKernel LoadKernel(const cuda::ContextRef& context, const char* name);

}  // namespace infernode::kv
