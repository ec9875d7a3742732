// The error of encoding: what a record decodes to, compared with the pages it was made of. The decoder does it instead of storing, when
// KernelParams::errors asks for it. In f64 as on the CPU; only the order of the additions differs, and is the same at every launch.
#pragma once

#include "kvquant/cuda/work.h"

namespace infernode::kv {

/// Adds what `made` differs from `x` by.
KV_DEVICE void Compare(const float* x, const float* made, int n, KernelDifference& d) {
#pragma unroll
  for (int i = 0; i < n; ++i) {
    const double value = x[i], difference = value - made[i];
    d.energy += value * value, d.error += difference * difference;
  }
}

/// Adds the warp's part to what it has of its tile; the whole warp comes here.
KV_DEVICE void AddDifference(Shared& shared, const KernelDifference& d) {
  const double energy = SumOfWarp(d.energy), error = SumOfWarp(d.error);
  KernelDifference& all = shared.difference[threadIdx.x / 32];
  if (threadIdx.x % 32 == 0) all.energy += energy, all.error += error;
}

/// Gives away what `warps` warps from `first` on have of a tile, and clears it; by one thread between two barriers.
KV_DEVICE void WriteDifference(const KernelParams& p, Shared& shared, uint32_t section, const Tile& t, uint32_t first, uint32_t warps) {
  KernelDifference all{0, 0};
#pragma unroll 1
  for (uint32_t w = first; w < first + warps; ++w) {
    all.energy += shared.difference[w].energy, all.error += shared.difference[w].error;
    shared.difference[w] = {0, 0};
  }
  reinterpret_cast<KernelDifference*>(p.errors)[(static_cast<uint64_t>(section) * p.records + t.record) * p.heads + t.head] = all;
}

}  // namespace infernode::kv
