// An emulation of the CUDA that the KV kernels use, for the CPU: it shows that their arithmetic, their addresses and their
// synchronization (`emulated_grid.h`) give the right bits. It is no GPU: nothing here says how the compiler for one or its memory behaves.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kvquant/float_formats.h"
#include "test/emulated_grid.h"

#define KV_EMULATED 1
#define KV_DEVICE static inline
#define KV_MEMBER inline
#define KV_SHARED(type, name) type& name = infernode::kv::emulation::SharedMemory<type>()
#define __global__
#define __constant__
#define __launch_bounds__(threads, blocks)

namespace infernode::kv::emulation {

/// `threadIdx`, `blockIdx` and `gridDim` of the fibre that runs.
struct ThreadIndex {
  struct {
    operator uint32_t() const { return OwnThread(); }
  } x;
};
struct BlockIndex {
  struct {
    operator uint32_t() const { return machine.current / kThreads; }
  } x;
};
struct GridSize {
  struct {
    operator uint32_t() const { return machine.count / kThreads; }
  } x;
};

}  // namespace infernode::kv::emulation

#define threadIdx (infernode::kv::emulation::ThreadIndex{})
#define blockIdx (infernode::kv::emulation::BlockIndex{})
#define gridDim (infernode::kv::emulation::GridSize{})

namespace infernode::kv {

struct Vector16 {
  uint32_t x, y, z, w;
};

template <class T>
T LoadAny(const void* p) {
  T v;
  if (reinterpret_cast<uintptr_t>(p) % sizeof v != 0) std::fprintf(stderr, "emulation: an access that is not aligned\n"), std::abort();
  std::memcpy(&v, p, sizeof v);
  return v;
}
KV_DEVICE Vector16 Load16(const void* p) { return LoadAny<Vector16>(p); }
KV_DEVICE uint64_t Load8(const void* p) { return LoadAny<uint64_t>(p); }
KV_DEVICE uint32_t Load4(const void* p) { return LoadAny<uint32_t>(p); }
KV_DEVICE uint64_t LoadWritten8(const void* p) { return LoadAny<uint64_t>(p); }
template <class T>
void StoreAny(void* p, const T& v) {
  LoadAny<T>(p);
  std::memcpy(p, &v, sizeof v);
}
KV_DEVICE void Store16(void* p, Vector16 v) { StoreAny(p, v); }
KV_DEVICE void Store8(void* p, uint64_t v) { StoreAny(p, v); }

KV_DEVICE uint32_t MultiplyHigh(uint32_t a, uint32_t b) { return static_cast<uint32_t>(uint64_t{a} * b >> 32); }
// `site`: the caller's line.
KV_DEVICE uint64_t ShuffleXor(uint64_t v, uint32_t mask, uint32_t site = __builtin_LINE()) { return emulation::Exchange(v, (threadIdx.x % 32) ^ mask, site << 5 | mask); }
KV_DEVICE uint32_t ShuffleXor(uint32_t v, uint32_t mask, uint32_t site = __builtin_LINE()) { return static_cast<uint32_t>(ShuffleXor(uint64_t{v}, mask, site)); }
KV_DEVICE float ShuffleXor(float v, uint32_t mask, uint32_t site = __builtin_LINE()) { return FromBits(ShuffleXor(Bits(v), mask, site)); }
KV_DEVICE double ShuffleXor(double v, uint32_t mask, uint32_t site = __builtin_LINE()) {
  uint64_t bits;
  std::memcpy(&bits, &v, sizeof v);
  bits = ShuffleXor(bits, mask, site);
  std::memcpy(&v, &bits, sizeof v);
  return v;
}
KV_DEVICE uint32_t FromLane0(uint32_t v, uint32_t site = __builtin_LINE()) { return static_cast<uint32_t>(emulation::Exchange(v, 0, site << 5)); }
KV_DEVICE bool AnyLane(bool v, uint32_t site = __builtin_LINE()) {
  uint32_t any = v;
  for (uint32_t m = 1; m < 32; m *= 2) any |= ShuffleXor(any, m, site);
  return any != 0;
}
KV_DEVICE void SyncWarp(uint32_t site = __builtin_LINE()) { emulation::Exchange(0, 0, site << 5); }
KV_DEVICE void SyncBlock(uint32_t site = __builtin_LINE()) { emulation::WaitForBlock(site); }
KV_DEVICE bool AnyOfBlock(bool v, uint32_t site = __builtin_LINE()) {
  // Three in turns: one that is given, one that some still read, one that is made ready.
  bool* any = emulation::OwnBlock().any;
  uint32_t& turn = emulation::Self().turn;
  turn = (turn + 1) % 3;
  any[turn] |= v, any[(turn + 1) % 3] = false;
  emulation::WaitForBlock(site);
  return any[turn];
}
KV_DEVICE void Fence() {}
KV_DEVICE void Add(uint64_t* p, uint64_t v) {
  *p += v;
  emulation::Interrupt();
}
KV_DEVICE uint32_t TakeTickets(uint32_t* p, uint32_t n) {
  const uint32_t before = *p;
  *p += n;
  emulation::Interrupt();
  return before;
}
KV_DEVICE uint64_t Take(uint64_t* p) {
  const uint64_t v = *p;
  *p = 0;
  emulation::Interrupt();
  return v;
}
KV_DEVICE void Maximize(uint32_t* p, uint32_t v) { *p = v > *p ? v : *p; }
KV_DEVICE void Minimize(uint32_t* p, uint32_t v) { *p = v < *p ? v : *p; }
KV_DEVICE uint32_t PackBytes(uint32_t a, uint32_t b, uint32_t c, uint32_t d) { return (a & 255) | (b & 255) << 8 | (c & 255) << 16 | d << 24; }
KV_DEVICE uint32_t Interleave(uint32_t a, uint32_t b, int i) { return PackBytes(a >> 8 * i, b >> 8 * i, a >> 8 * (i + 1), b >> 8 * (i + 1)); }
KV_DEVICE uint32_t UpperBytes(uint32_t v, int i) { return (v >> 8 * i & 255) << 8 | (v >> 8 * (i + 1) & 255) << 24; }
KV_DEVICE float MaxOf(float a, float b) { return a != a || b != b ? FromBits(0x7FFFFFFF) : a > b || (a == b && !std::signbit(a)) ? a : b; }
KV_DEVICE float MinOf(float a, float b) { return a != a || b != b ? FromBits(0x7FFFFFFF) : a < b || (a == b && std::signbit(a)) ? a : b; }
KV_DEVICE float HalfToFloat(uint32_t low16) { return Fp16ToFloat(static_cast<uint16_t>(low16)); }

/// A NaN on either side gives 0x7FFF; +0 is above -0.
template <bool kFp16, bool kMax>
uint32_t PickHalf(uint32_t a, uint32_t b) {
  const uint32_t first_nan = kFp16 ? 0x7C01 : 0x7F81;
  if ((a & 0x7FFF) >= first_nan || (b & 0x7FFF) >= first_nan) return 0x7FFF;
  const auto key = [](uint32_t h) { return h & 0x8000 ? -static_cast<int32_t>(h & 0x7FFF) - 1 : static_cast<int32_t>(h); };
  return (key(a) > key(b)) == kMax ? a : b;
}
template <bool kFp16>
uint32_t MaxPair(uint32_t a, uint32_t b) {
  return PickHalf<kFp16, true>(a & 0xFFFF, b & 0xFFFF) | PickHalf<kFp16, true>(a >> 16, b >> 16) << 16;
}
template <bool kFp16>
uint32_t MinPair(uint32_t a, uint32_t b) {
  return PickHalf<kFp16, false>(a & 0xFFFF, b & 0xFFFF) | PickHalf<kFp16, false>(a >> 16, b >> 16) << 16;
}
template <bool kFp16>
uint32_t RoundPair(float low, float high) {
  const auto round = [](float x) -> uint32_t { return std::isnan(x) ? 0x7FFF : kFp16 ? FloatToFp16(x) : FloatToBf16(x); };
  return round(low) | round(high) << 16;
}

}  // namespace infernode::kv
