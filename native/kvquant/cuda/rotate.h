// Signs and Walsh-Hadamard of rows, in the butterfly order of scalar.cc, so with its bits.
#pragma once

#include "kvquant/cuda/measure.h"

namespace infernode::kv {

/// One bit a channel, 1 is minus; the same for every row.
struct SignTable {
  uint32_t words[kKernelMaxDim / 32] = {};
  constexpr SignTable() {
    uint32_t state = 0x4B565131u;
    for (uint32_t d = 0; d < kKernelMaxDim; ++d) {
      state ^= state << 13, state ^= state >> 17, state ^= state << 5;
      if (state & (1u << 16)) words[d / 32] |= 1u << d % 32;
    }
  }
};
static __constant__ const SignTable kSigns;

KV_DEVICE uint32_t SignBit(uint32_t dim) { return kSigns.words[dim / 32] >> dim % 32 << 31; }

/// f32(1 / sqrt(dim)) of a power of two.
KV_DEVICE float HadamardScale(uint32_t dim) {
  float scale = 1.0f;
#pragma unroll 1
  for (; dim >= 4; dim /= 4) scale *= 0.5f;
  return dim == 2 ? scale * 0.70710678118654752f : scale;
}

/// Rows of which each lane has eight neighbours, in `lanes` (a power of two) neighbouring lanes; the whole warp comes here.
template <int kRows>
KV_DEVICE void HadamardInLanes(float (*x)[8], uint32_t lanes, float scale) {
#pragma unroll
  for (int k = 0; k < kRows; ++k) {
#pragma unroll
    for (int h = 1; h < 8; h *= 2) {
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        if (i & h) continue;
        const float a = x[k][i], b = x[k][i + h];
        x[k][i] = a + b, x[k][i + h] = a - b;
      }
    }
  }
#pragma unroll 1
  for (uint32_t m = 1; m < lanes; m *= 2) {
    // Times 1 or -1 is exact, so this is the one addition of the butterfly.
    const float sign = threadIdx.x & m ? -1.0f : 1.0f;
#pragma unroll
    for (int k = 0; k < kRows; ++k)
#pragma unroll
      for (int i = 0; i < 8; ++i) x[k][i] = fmaf(x[k][i], sign, ShuffleXor(x[k][i], m));
  }
#pragma unroll
  for (int k = 0; k < kRows; ++k)
#pragma unroll
    for (int i = 0; i < 8; ++i) x[k][i] *= scale;
}

/// The signs of channels 8 x column to 8 x column + 7, as they lie in a vector of 16-bit values.
KV_DEVICE Vector16 SignsOf(uint32_t column) {
  const uint32_t bits = kSigns.words[column / 4] >> column % 4 * 8;
  const auto pair = [bits](int i) { return (bits >> i & 1u) << 15 | (bits >> (i + 1) & 1u) << 31; };
  return {pair(0), pair(2), pair(4), pair(6)};
}

/// A row in shared memory; the whole block comes here.
KV_DEVICE void HadamardInBlock(float* row, uint32_t dim) {
#pragma unroll 1
  for (uint32_t h = 1; h < dim; h *= 2) {
#pragma unroll 1
    for (uint32_t i = threadIdx.x; i < dim / 2; i += kKernelThreads) {
      const uint32_t low = i / h * 2 * h + i % h;
      const float a = row[low], b = row[low + h];
      row[low] = a + b, row[low + h] = a - b;
    }
    SyncBlock();
  }
  const float scale = HadamardScale(dim);
#pragma unroll 1
  for (uint32_t d = threadIdx.x; d < dim; d += kKernelThreads) row[d] *= scale;
  SyncBlock();
}

}  // namespace infernode::kv
