// An emulation of the CUDA that the KV kernels use, for the CPU: it shows that their arithmetic, their addresses and their
// synchronization give the right bits. It is no GPU: nothing here says how the compiler for one or its memory behaves.
//
// The threads of a block are fibres of one thread, switched only where they wait for each other; blocks run one after the
// other. So a missing barrier shows as a wrong result when the order of the fibres (turned around by `reverse`) matters, and a barrier that not
// all reach as a deadlock, which is reported.
#pragma once

#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ucontext.h>

#include "kvquant/float_formats.h"

#define KV_EMULATED 1
#define KV_DEVICE static inline
#define KV_MEMBER inline
#define __shared__ static
#define __global__
#define __constant__
#define __launch_bounds__(threads, blocks)

namespace infernode::kv::emulation {

constexpr uint32_t kThreads = 256, kWarpsOfBlock = kThreads / 32;
constexpr size_t kStack = size_t{128} << 10;

struct Index {
  uint32_t x;
};

/// A place where fibres wait for each other.
struct Barrier {
  uint32_t arrived = 0, generation = 0;
};

struct Machine {
  ucontext_t main, contexts[kThreads];
  jmp_buf jumps[kThreads];
  bool started[kThreads], ended[kThreads];
  uint8_t* stacks = static_cast<uint8_t*>(std::malloc(kThreads * kStack));
  uint32_t current = 0, alive = 0, idle_turns = 0;
  bool reverse = false;
  void (*body)(const void*) = nullptr;
  const void* argument = nullptr;
  Barrier block, warps[kWarpsOfBlock];
  uint64_t exchanged[2][kThreads];
  uint32_t parity[kThreads], turn[kThreads];
  ~Machine() { std::free(stacks); }
};
inline Machine machine;

inline void Resume(uint32_t next) {
  machine.current = next;
  if (machine.started[next]) longjmp(machine.jumps[next], 1);
  machine.started[next] = true;
  setcontext(&machine.contexts[next]);
}

inline uint32_t NextAlive() {
  uint32_t next = machine.current;
  do next = (next + (machine.reverse ? kThreads - 1 : 1)) % kThreads;
  while (machine.ended[next]);
  return next;
}

inline void Yield() {
  if (++machine.idle_turns > 64 * kThreads) {
    std::fprintf(stderr, "emulation: deadlock, not every thread reached a barrier\n");
    std::abort();
  }
  if (setjmp(machine.jumps[machine.current]) == 0) Resume(NextAlive());
}

inline void Wait(Barrier& barrier, uint32_t count) {
  const uint32_t generation = barrier.generation;
  if (++barrier.arrived == count) {
    barrier.arrived = 0, ++barrier.generation, machine.idle_turns = 0;
    return;
  }
  while (barrier.generation == generation) Yield();
}

/// Gives `v` to the warp and returns what lane `from` gave.
inline uint64_t Exchange(uint64_t v, uint32_t from) {
  const uint32_t thread = machine.current, warp = thread / 32;
  // Two slots in turns: a lane may be one exchange ahead of those that still read.
  uint64_t* slots = machine.exchanged[machine.parity[thread] ^= 1];
  slots[thread] = v;
  Wait(machine.warps[warp], 32);
  return slots[warp * 32 + from];
}

inline void Fibre() {
  machine.body(machine.argument);
  machine.ended[machine.current] = true, machine.idle_turns = 0;
  if (--machine.alive == 0) setcontext(&machine.main);
  Resume(NextAlive());
}

/// One block from its first instruction to its last.
inline void RunBlock(void (*body)(const void*), const void* argument) {
  Machine& m = machine;
  m.body = body, m.argument = argument, m.alive = kThreads, m.idle_turns = 0, m.block = {};
  for (Barrier& warp : m.warps) warp = {};
  for (uint32_t i = 0; i < kThreads; ++i) {
    m.started[i] = m.ended[i] = false, m.parity[i] = m.turn[i] = 0;
    getcontext(&m.contexts[i]);
    m.contexts[i].uc_stack.ss_sp = m.stacks + i * kStack, m.contexts[i].uc_stack.ss_size = kStack, m.contexts[i].uc_link = nullptr;
    makecontext(&m.contexts[i], Fibre, 0);
  }
  volatile bool back = false;
  getcontext(&m.main);
  if (back) return;
  back = true;
  Resume(m.reverse ? kThreads - 1 : 0);
}

inline Index block_index{0}, grid_size{1};
/// `threadIdx` of the fibre that runs.
struct ThreadIndex {
  struct {
    operator uint32_t() const { return machine.current; }
  } x;
};

}  // namespace infernode::kv::emulation

#define threadIdx (infernode::kv::emulation::ThreadIndex{})
#define blockIdx (infernode::kv::emulation::block_index)
#define gridDim (infernode::kv::emulation::grid_size)

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
KV_DEVICE uint64_t ShuffleXor(uint64_t v, uint32_t mask) { return emulation::Exchange(v, (threadIdx.x % 32) ^ mask); }
KV_DEVICE uint32_t ShuffleXor(uint32_t v, uint32_t mask) { return static_cast<uint32_t>(ShuffleXor(uint64_t{v}, mask)); }
KV_DEVICE float ShuffleXor(float v, uint32_t mask) { return FromBits(ShuffleXor(Bits(v), mask)); }
KV_DEVICE double ShuffleXor(double v, uint32_t mask) {
  uint64_t bits;
  std::memcpy(&bits, &v, sizeof v);
  bits = ShuffleXor(bits, mask);
  std::memcpy(&v, &bits, sizeof v);
  return v;
}
KV_DEVICE uint32_t FromLane0(uint32_t v) { return static_cast<uint32_t>(emulation::Exchange(v, 0)); }
KV_DEVICE bool AnyLane(bool v) {
  uint32_t any = v;
  for (uint32_t m = 1; m < 32; m *= 2) any |= ShuffleXor(any, m);
  return any != 0;
}
KV_DEVICE void SyncWarp() { emulation::Exchange(0, 0); }
KV_DEVICE void SyncBlock() { emulation::Wait(emulation::machine.block, emulation::kThreads); }
KV_DEVICE bool AnyOfBlock(bool v) {
  // Three in turns: one that is given, one that some still read, one that is made ready.
  static bool any[3];
  uint32_t& turn = emulation::machine.turn[threadIdx.x];
  turn = (turn + 1) % 3;
  any[turn] |= v, any[(turn + 1) % 3] = false;
  SyncBlock();
  return any[turn];
}
KV_DEVICE void Fence() {}
KV_DEVICE void Add(uint64_t* p, uint64_t v) { *p += v; }
KV_DEVICE uint32_t TakeTickets(uint32_t* p, uint32_t n) { return (*p += n) - n; }
KV_DEVICE uint64_t Take(uint64_t* p) {
  const uint64_t v = *p;
  *p = 0;
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
