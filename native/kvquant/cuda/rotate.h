// Signs and Walsh-Hadamard of rows, in the butterfly order of scalar.cc, so with its bits.
#pragma once

#include "kvquant/cuda/work.h"

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

/// Eight neighbours of a row that lies in `lanes` (a power of two) neighbouring lanes; the whole warp comes here.
KV_DEVICE void HadamardInLanes(float* x, uint32_t lanes, float scale) {
#pragma unroll
  for (int h = 1; h < 8; h *= 2) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      if (i & h) continue;
      const float a = x[i], b = x[i + h];
      x[i] = a + b, x[i + h] = a - b;
    }
  }
#pragma unroll 1
  for (uint32_t m = 1; m < lanes; m *= 2) {
    const bool upper = threadIdx.x & m;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float other = ShuffleXor(x[i], m);
      x[i] = upper ? other - x[i] : x[i] + other;
    }
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) x[i] *= scale;
}

/// Flips the signs of channels 8 x column to 8 x column + 7.
KV_DEVICE void FlipSignsOf(float* x, uint32_t column) {
  const uint32_t bits = kSigns.words[column / 4] >> column % 4 * 8;
#pragma unroll
  for (int i = 0; i < 8; ++i) x[i] = FromBits(Bits(x[i]) ^ (bits >> i & 1u) << 31);
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
