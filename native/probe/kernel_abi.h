// What the probe's kernels and whoever launches them agree on. Plain C++, included by the kernels, by the probe, and by the
// libcuda simulator, which runs RunKernelOnHost in their place. A kernel takes its struct by value as the only parameter.
#pragma once

#include <cstddef>
#include <cstdint>

namespace infernode::probe {

inline constexpr uint32_t kThreads = 256;
/// Threads of a matrix block: 4 warps, one tile of 16 x 16 each.
inline constexpr uint32_t kMatrixThreads = 128;
/// n of the matrix test is a multiple of it.
inline constexpr uint32_t kTile = 16;

/// What a verifying kernel adds to; zeros before.
struct Mismatches {
  uint64_t count;
  uint64_t first;  ///< lowest index of a wrong word + 1; ~0 before the first
};
static_assert(sizeof(Mismatches) == 16, "shared with device code");

/// `infernode_probe_fill`: writes PatternWord(seed, i) to word i. `infernode_probe_verify`: counts the words that are not that.
struct PatternParams {
  uint64_t memory;  ///< uint64_t[words]
  uint64_t words;
  uint64_t seed;    ///< kZeros, kOnes, or anything else
  uint64_t mismatches;  ///< Mismatches; not used by fill
};
static_assert(sizeof(PatternParams) == 32, "shared with device code");
inline constexpr uint64_t kZeros = 0, kOnes = ~uint64_t{0};

/// `infernode_probe_matrix`: c = a x b of n x n matrices, bf16 in, f32 out, on tensor cores. With small whole numbers every
/// sum is exact, so that there is one right answer on every device.
struct MatrixParams {
  uint64_t c;  ///< float[n][n]
  uint64_t a, b;  ///< uint16_t[n][n], bf16
  uint32_t n, reserved;
};
static_assert(sizeof(MatrixParams) == 32, "shared with device code");

/// `infernode_probe_compare`: counts the 32-bit words of `actual` that are not those of `expected`.
struct CompareParams {
  uint64_t actual, expected;
  uint64_t words;
  uint64_t mismatches;
};
static_assert(sizeof(CompareParams) == 32, "shared with device code");

/// `infernode_probe_beat`: adds 1 to a counter.
struct BeatParams {
  uint64_t counter;  ///< uint64_t
};

/// Different bits in every word, so that a stuck or crossed address line shows; zeros and ones by their seeds.
#ifdef __CUDACC__
__device__
#endif
inline uint64_t PatternWord(uint64_t seed, uint64_t i) {
  if (seed == kZeros || seed == kOnes) return seed;
  uint64_t x = (i + 1) * 0x9E3779B97F4A7C15u ^ seed;
  x ^= x >> 31;
  x *= 0xBF58476D1CE4E5B9u;
  return x ^ x >> 29;
}

/// Does what the kernel `name` does, on the host. False when there is no such kernel or the size is another.
bool RunKernelOnHost(const char* name, const void* params, size_t bytes);

}  // namespace infernode::probe
