// The probe's kernels: memory pattern, matrix product, comparison, heartbeat. Generated into PTX by scripts/generate-ptx.mjs.
#include <cuda_bf16.h>
#include <mma.h>

#include "probe/kernel_abi.h"

using namespace infernode::probe;

namespace {

template <class T>
__device__ T* At(uint64_t address) {
  return reinterpret_cast<T*>(address);
}

__device__ uint64_t First() { return uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ uint64_t Step() { return uint64_t{gridDim.x} * blockDim.x; }

__device__ void Report(uint64_t mismatches, uint64_t index) {
  auto* m = At<unsigned long long>(mismatches);
  atomicAdd(m, 1ull);
  atomicMin(m + 1, index + 1);
}

}  // namespace

extern "C" __global__ void infernode_probe_fill(PatternParams p) {
  for (uint64_t i = First(); i < p.words; i += Step()) At<uint64_t>(p.memory)[i] = PatternWord(p.seed, i);
}

extern "C" __global__ void infernode_probe_verify(PatternParams p) {
  // Volatile: what was written a moment ago is read from memory, not from what the compiler knows.
  for (uint64_t i = First(); i < p.words; i += Step())
    if (At<volatile uint64_t>(p.memory)[i] != PatternWord(p.seed, i)) Report(p.mismatches, i);
}

extern "C" __global__ void infernode_probe_matrix(MatrixParams p) {
  using namespace nvcuda::wmma;
  const uint32_t tiles = p.n / kTile, tile = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (tile >= tiles * tiles) return;
  const uint32_t row = tile / tiles * kTile, column = tile % tiles * kTile;
  fragment<matrix_a, 16, 16, 16, __nv_bfloat16, row_major> a;
  fragment<matrix_b, 16, 16, 16, __nv_bfloat16, row_major> b;
  fragment<accumulator, 16, 16, 16, float> c;
  fill_fragment(c, 0.0f);
  for (uint32_t k = 0; k < p.n; k += kTile) {
    load_matrix_sync(a, At<const __nv_bfloat16>(p.a) + uint64_t{row} * p.n + k, p.n);
    load_matrix_sync(b, At<const __nv_bfloat16>(p.b) + uint64_t{k} * p.n + column, p.n);
    mma_sync(c, a, b, c);
  }
  store_matrix_sync(At<float>(p.c) + uint64_t{row} * p.n + column, c, p.n, mem_row_major);
}

extern "C" __global__ void infernode_probe_compare(CompareParams p) {
  for (uint64_t i = First(); i < p.words; i += Step())
    if (At<volatile uint32_t>(p.actual)[i] != At<const uint32_t>(p.expected)[i]) Report(p.mismatches, i);
}

extern "C" __global__ void infernode_probe_beat(BeatParams p) {
  if (First() == 0) *At<uint64_t>(p.counter) += 1;
}
