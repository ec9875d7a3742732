// The fast CPU path: one source of vector code (simd_kernels.inc) compiled for three widths, chosen at run time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kvquant/infernode_kv.h"

namespace infernode::kv {

/// One compiled width. Both functions work on one head and handle only what `SimdCovers`.
struct SimdKernels {
  const char* name;
  void (*encode_head)(const infernode_kv_format& f, const infernode_kv_shape& s, const uint16_t* head_in, uint8_t* codes,
                      uint32_t* headers, float* scratch, uint64_t* nonfinite);
  void (*decode_head)(const infernode_kv_format& f, const infernode_kv_shape& s, const uint8_t* codes, const uint32_t* headers,
                      float* scratch, uint16_t* head_out);
};

extern const SimdKernels kAvx512Kernels, kAvx2Kernels, kPortableKernels;

/// The widest that this processor runs; `INFERNODE_KV_SIMD` = avx512 | avx2 | portable narrows it, for tests.
const SimdKernels& SimdKernelsOfThisCpu();

/// Rows and runs of whole vectors, no rotation, no static scale; everything else takes the scalar reference.
bool SimdCovers(const infernode_kv_format& f, const infernode_kv_shape& s);

/// Lanes of 32 bits in the widest vector: the granule of rows and runs.
inline constexpr uint32_t kSimdGranule = 32;

/// Floats of scratch that a head needs.
inline size_t SimdScratch(const infernode_kv_shape& s, size_t groups_per_head) { return 2 * size_t{s.tokens} * s.dim + 3 * groups_per_head + 128; }

}  // namespace infernode::kv
