// The few instructions that C++ has no word for, each with the bits that it gives. The emulation (native/test) defines
// KV_EMULATED and the same names for the CPU, and compiles the rest of the kernels unchanged.
#pragma once

#include <cstdint>
#include <cstring>

#ifndef KV_EMULATED
#define KV_DEVICE static __device__ __forceinline__
#define KV_MEMBER __device__ __forceinline__

namespace infernode::kv {

using Vector16 = uint4;

KV_DEVICE uint32_t Bits(float x) { return __float_as_uint(x); }
KV_DEVICE float FromBits(uint32_t u) { return __uint_as_float(u); }

KV_DEVICE Vector16 Load16(const void* p) { return __ldg(static_cast<const uint4*>(p)); }
KV_DEVICE uint64_t Load8(const void* p) { return __ldg(static_cast<const unsigned long long*>(p)); }
KV_DEVICE uint32_t Load4(const void* p) { return __ldg(static_cast<const unsigned int*>(p)); }
/// What other blocks have written, past the first-level cache.
KV_DEVICE uint64_t LoadWritten8(const void* p) { return __ldcg(static_cast<const unsigned long long*>(p)); }
/// To global memory; a plain store through an address that was a number does not know that.
KV_DEVICE void Store16(void* p, Vector16 v) { __stcg(static_cast<uint4*>(p), v); }
KV_DEVICE void Store8(void* p, uint64_t v) { __stcg(static_cast<unsigned long long*>(p), static_cast<unsigned long long>(v)); }

KV_DEVICE uint32_t MultiplyHigh(uint32_t a, uint32_t b) { return __umulhi(a, b); }

KV_DEVICE uint32_t ShuffleXor(uint32_t v, uint32_t mask) { return __shfl_xor_sync(0xFFFFFFFFu, v, mask); }
KV_DEVICE float ShuffleXor(float v, uint32_t mask) { return __shfl_xor_sync(0xFFFFFFFFu, v, mask); }
KV_DEVICE double ShuffleXor(double v, uint32_t mask) { return __shfl_xor_sync(0xFFFFFFFFu, v, mask); }
KV_DEVICE uint64_t ShuffleXor(uint64_t v, uint32_t mask) { return __shfl_xor_sync(0xFFFFFFFFu, static_cast<unsigned long long>(v), mask); }
KV_DEVICE uint32_t FromLane0(uint32_t v) { return __shfl_sync(0xFFFFFFFFu, v, 0); }
KV_DEVICE bool AnyLane(bool v) { return __any_sync(0xFFFFFFFFu, v); }
KV_DEVICE void SyncWarp() { __syncwarp(); }
KV_DEVICE void SyncBlock() { __syncthreads(); }
/// SyncBlock, and whether any thread of the block came with true.
KV_DEVICE bool AnyOfBlock(bool v) { return __syncthreads_or(v); }
KV_DEVICE void Fence() { __threadfence(); }

KV_DEVICE void Add(uint64_t* p, uint64_t v) { atomicAdd(reinterpret_cast<unsigned long long*>(p), static_cast<unsigned long long>(v)); }
KV_DEVICE uint32_t TakeTickets(uint32_t* p, uint32_t n) { return atomicAdd(p, n); }
KV_DEVICE uint64_t Take(uint64_t* p) { return atomicExch(reinterpret_cast<unsigned long long*>(p), 0ull); }
KV_DEVICE void Maximize(uint32_t* p, uint32_t v) { atomicMax(p, v); }
KV_DEVICE void Minimize(uint32_t* p, uint32_t v) { atomicMin(p, v); }

/// The lowest bytes of four words.
KV_DEVICE uint32_t PackBytes(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return __byte_perm(__byte_perm(a, b, 0x0040), __byte_perm(c, d, 0x0040), 0x5410);
}

/// Bytes i and i + 1 of `a`, each before that of `b`.
KV_DEVICE uint32_t Interleave(uint32_t a, uint32_t b, int i) { return __byte_perm(a, b, i == 0 ? 0x5140 : 0x7362); }
/// Bytes i and i + 1 as the upper bytes of two halves.
KV_DEVICE uint32_t UpperBytes(uint32_t v, int i) { return __byte_perm(v, 0, i == 0 ? 0x1404 : 0x3424); }

/// A NaN on either side gives one; +0 is above -0.
KV_DEVICE float MaxOf(float a, float b) {
  float v;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(v) : "f"(a), "f"(b));
  return v;
}
KV_DEVICE float MinOf(float a, float b) {
  float v;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(v) : "f"(a), "f"(b));
  return v;
}

KV_DEVICE float HalfToFloat(uint32_t low16) {
  float x;
  asm("{.reg .b16 h; cvt.u16.u32 h, %1; cvt.f32.f16 %0, h;}" : "=f"(x) : "r"(low16));
  return x;
}

/// Maximum and minimum of two pairs of 16-bit floats; a NaN on either side gives 0x7FFF.
template <bool kFp16>
KV_DEVICE uint32_t MaxPair(uint32_t a, uint32_t b) {
  uint32_t v;
  if constexpr (kFp16) asm("max.NaN.f16x2 %0, %1, %2;" : "=r"(v) : "r"(a), "r"(b));
  else asm("max.NaN.bf16x2 %0, %1, %2;" : "=r"(v) : "r"(a), "r"(b));
  return v;
}
template <bool kFp16>
KV_DEVICE uint32_t MinPair(uint32_t a, uint32_t b) {
  uint32_t v;
  if constexpr (kFp16) asm("min.NaN.f16x2 %0, %1, %2;" : "=r"(v) : "r"(a), "r"(b));
  else asm("min.NaN.bf16x2 %0, %1, %2;" : "=r"(v) : "r"(a), "r"(b));
  return v;
}

/// Two numbers as 16-bit floats, ties to even; `low` in the low half. fp16 saturates to +-65504; a NaN becomes 0x7FFF.
template <bool kFp16>
KV_DEVICE uint32_t RoundPair(float low, float high) {
  uint32_t v;
  if constexpr (kFp16) {
    asm("max.NaN.f32 %0, %0, %1;" : "+f"(low) : "f"(-65504.0f));
    asm("min.NaN.f32 %0, %0, %1;" : "+f"(low) : "f"(65504.0f));
    asm("max.NaN.f32 %0, %0, %1;" : "+f"(high) : "f"(-65504.0f));
    asm("min.NaN.f32 %0, %0, %1;" : "+f"(high) : "f"(65504.0f));
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(v) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(v) : "f"(high), "f"(low));
  }
  return v;
}

/// Two numbers as fp8 in the low 16 bits, by the instruction that capability 8.9 brought.
#if __CUDA_ARCH__ >= 890
#define KV_HARDWARE_FP8 1
template <bool kE5m2>
KV_DEVICE uint32_t HardwareFp8Pair(float low, float high) {
  uint16_t v;
  if constexpr (kE5m2) asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(v) : "f"(high), "f"(low));
  else asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(v) : "f"(high), "f"(low));
  return v;
}
#endif

}  // namespace infernode::kv
#endif

#ifndef KV_HARDWARE_FP8
#define KV_HARDWARE_FP8 0
#endif
