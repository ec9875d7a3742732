#include "kvquant/simd.h"

#include <cstdlib>
#include <cstring>

#include "kvquant/geometry.h"

namespace infernode::kv {
namespace {

const SimdKernels& Choose() {
  const char* wish = std::getenv("INFERNODE_KV_SIMD");
  const auto allowed = [wish](const SimdKernels& kernels) { return !wish || std::strcmp(wish, kernels.name) == 0; };
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (avx512 && allowed(kAvx512Kernels)) return kAvx512Kernels;
  if (avx2 && allowed(kAvx2Kernels)) return kAvx2Kernels;
#endif
  return kPortableKernels;
}

}  // namespace

const SimdKernels& SimdKernelsOfThisCpu() {
  static const SimdKernels& chosen = Choose();
  return chosen;
}

bool SimdCovers(const infernode_kv_format& f, const infernode_kv_shape& s) {
  if (f.rotate || f.static_scale != 0 || s.dim % kSimdGranule != 0) return false;
  return f.grouping != INFERNODE_KV_RUN || (f.run % kSimdGranule == 0 && s.dim % f.run == 0);
}

}  // namespace infernode::kv
