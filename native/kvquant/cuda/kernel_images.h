// The KV kernels' PTX, embedded.
#pragma once

#include "cuda/module.h"

namespace infernode::kv {

inline constexpr size_t kKernelImageCount = 2;
extern const cuda::PtxImage kKernelImages[kKernelImageCount];

}  // namespace infernode::kv
