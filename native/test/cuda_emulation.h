// An emulation of the CUDA that the KV kernels use, for the CPU: it shows that their arithmetic, their addresses and their
// synchronization give the right bits. It is no GPU: nothing here says how the compiler for one or its memory behaves.
//
// The threads of all blocks of a launch are fibres of one thread, switched where they wait for each other and at every atomic access to
// global memory, in an order that each launch draws (`Order`). So a missing barrier shows as a wrong result in some launches, and one that
// not all reach, or reach from different places, is reported. Stores are seen by all at once and in order: a missing fence does not show.
#pragma once

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#include "kvquant/float_formats.h"

#define KV_EMULATED 1
#define KV_DEVICE static inline
#define KV_MEMBER inline
#define KV_SHARED(type, name) type& name = infernode::kv::emulation::SharedMemory<type>()
#define __global__
#define __constant__
#define __launch_bounds__(threads, blocks)

namespace infernode::kv::emulation {

constexpr uint32_t kThreads = 256, kWarpsOfBlock = kThreads / 32, kMostBlocks = 6, kMostFibres = kMostBlocks * kThreads;
constexpr size_t kStack = size_t{128} << 10, kSharedBytes = size_t{48} << 10;

/// A place where fibres wait for each other. `site` is where in the source the first of them came from: a GPU wants all from one.
struct Barrier {
  uint32_t arrived, site;
};

struct Fibre {
  ucontext_t context;
  jmp_buf jump;
  bool started;
  uint32_t parity, turn;
};

struct Block {
  Barrier all, warps[kWarpsOfBlock];
  uint64_t exchanged[2][kThreads];
  bool any[3];
  alignas(64) uint8_t shared[kSharedBytes];
};

/// Who runs next: the first in `fibres` that can (`greedy`: one warp, or one block, gets as far as it can before the next begins), or the
/// first that can after the one that ran last (all advance together).
struct Order {
  uint32_t fibres[kMostFibres], places[kMostFibres];  ///< each the other's inverse
  uint64_t ready[kMostFibres / 64];                   ///< a bit for each place: its fibre waits for no one and has not ended
  bool greedy;
  bool newest_first;  ///< of those that were interrupted
};

struct Machine {
  ucontext_t main;
  const void* main_stack = nullptr;
  size_t main_bytes = 0;
  Fibre fibres[kMostFibres];
  Block blocks[kMostBlocks];
  uint8_t* stacks = static_cast<uint8_t*>(std::malloc(kMostFibres * kStack));
  Order order;
  uint32_t count = 0, current = 0, alive = 0;
  uint32_t interrupted[kMostFibres], interruptions = 0;
  void (*body)(const void*) = nullptr;
  const void* argument = nullptr;
  ~Machine() { std::free(stacks); }
};
inline Machine machine;

inline Fibre& Self() { return machine.fibres[machine.current]; }
inline Block& OwnBlock() { return machine.blocks[machine.current / kThreads]; }
inline uint32_t OwnThread() { return machine.current % kThreads; }

template <class T>
T& SharedMemory() {
  static_assert(sizeof(T) <= kSharedBytes, "what a block may have without asking for more");
  return *reinterpret_cast<T*>(OwnBlock().shared);
}

/// AddressSanitizer has to know whose stack is the present one, and that what is below in it is free: frames that were left by a jump
/// stay poisoned.
inline void Leave([[maybe_unused]] const void* for_stack, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(nullptr, for_stack, bytes);
#endif
}

inline void Arrive([[maybe_unused]] const void** from_stack = nullptr, [[maybe_unused]] size_t* bytes = nullptr) {
#if defined(__SANITIZE_ADDRESS__)
  constexpr size_t left = 8 << 10;
  __sanitizer_finish_switch_fiber(nullptr, from_stack, bytes);
  __asan_unpoison_memory_region(static_cast<char*>(__builtin_frame_address(0)) - left, left);
#endif
}

inline void Resume() {
  Fibre& self = Self();
  Leave(machine.stacks + machine.current * kStack, kStack);
  if (self.started) longjmp(self.jump, 1);
  self.started = true;
  setcontext(&self.context);
}

inline void SetReady(uint32_t fibre, bool ready) {
  const uint32_t place = machine.order.places[fibre];
  uint64_t& word = machine.order.ready[place / 64];
  word = ready ? word | uint64_t{1} << place % 64 : word & ~(uint64_t{1} << place % 64);
}

/// The first place from `from` on, and around, whose fibre is ready; kMostFibres when there is none.
inline uint32_t NextReady(uint32_t from) {
  constexpr uint32_t words = kMostFibres / 64;
  for (uint32_t i = 0; i <= words; ++i) {
    const uint32_t word = (from / 64 + i) % words;
    const uint64_t bits = machine.order.ready[word] & (i == 0 ? ~uint64_t{0} << from % 64 : ~uint64_t{0});
    if (bits) return 64 * word + static_cast<uint32_t>(__builtin_ctzll(bits));
  }
  return kMostFibres;
}

/// Lets one go on that was interrupted, now that no other can.
inline void EndInterruption() {
  Machine& m = machine;
  if (m.interruptions == 0) std::fprintf(stderr, "emulation: deadlock, not every thread reached a barrier\n"), std::abort();
  if (!m.order.newest_first) std::rotate(m.interrupted, m.interrupted + 1, m.interrupted + m.interruptions);
  SetReady(m.interrupted[--m.interruptions], true);
}

inline void ResumeNext(bool greedy) {
  Order& order = machine.order;
  const uint32_t from = greedy ? 0 : (order.places[machine.current] + 1) % kMostFibres;
  uint32_t place = NextReady(from);
  if (place == kMostFibres) EndInterruption(), place = NextReady(from);
  machine.current = order.fibres[place];
  Resume();
}

/// Comes back when it is this fibre's turn again.
inline void Yield(bool greedy) {
  if (setjmp(Self().jump) == 0) ResumeNext(greedy);
  Arrive();
}

/// For `count` neighbouring fibres from `first` on.
inline void Wait(Barrier& barrier, uint32_t first, uint32_t count, uint32_t site) {
  if (barrier.arrived == 0) barrier.site = site;
  if (barrier.site != site) std::fprintf(stderr, "emulation: threads meet from two places, lines %u and %u\n", barrier.site, site), std::abort();
  if (++barrier.arrived == count) {
    barrier.arrived = 0;
    for (uint32_t i = 0; i < count; ++i) SetReady(first + i, true);
    return;
  }
  SetReady(machine.current, false);
  Yield(machine.order.greedy);
}

inline void WaitForBlock(uint32_t site) { Wait(OwnBlock().all, machine.current / kThreads * kThreads, kThreads, site); }

/// Everything that others, of other blocks too, can do without this thread comes between.
inline void Interrupt() {
  SetReady(machine.current, false);
  machine.interrupted[machine.interruptions++] = machine.current;
  Yield(machine.order.greedy);
}

/// Gives `v` to the warp and returns what lane `from` gave.
inline uint64_t Exchange(uint64_t v, uint32_t from, uint32_t site) {
  const uint32_t thread = OwnThread(), warp = thread / 32;
  // Two slots in turns: a lane may be one exchange ahead of those that still read.
  uint64_t* slots = OwnBlock().exchanged[Self().parity ^= 1];
  slots[thread] = v;
  Wait(OwnBlock().warps[warp], machine.current / 32 * 32, 32, site);
  return slots[warp * 32 + from];
}

inline void RunFibre() {
  const void* from = nullptr;
  size_t bytes = 0;
  Arrive(&from, &bytes);
  // The first of a launch comes from the caller's stack, to which the last returns.
  if (machine.main_bytes == 0) machine.main_stack = from, machine.main_bytes = bytes;
  machine.body(machine.argument);
  SetReady(machine.current, false);
  if (--machine.alive == 0) {
    Leave(machine.main_stack, machine.main_bytes);
    setcontext(&machine.main);
  }
  ResumeNext(machine.order.greedy);
}

/// A launch of `blocks` blocks, from the first instruction to the last. What lies in shared memory before is `poison`.
inline void RunGrid(void (*body)(const void*), const void* argument, uint32_t blocks, uint8_t poison) {
  Machine& m = machine;
  m.body = body, m.argument = argument, m.count = m.alive = blocks * kThreads, m.current = m.order.fibres[m.count - 1];
  for (uint32_t b = 0; b < blocks; ++b) {
    m.blocks[b].all = {};
    for (Barrier& warp : m.blocks[b].warps) warp = {};
    for (bool& any : m.blocks[b].any) any = false;
    std::memset(m.blocks[b].shared, poison, kSharedBytes);
  }
  for (uint32_t i = 0; i < m.count; ++i) {
    Fibre& f = m.fibres[i];
    f.started = false, f.parity = f.turn = 0;
    m.order.places[m.order.fibres[i]] = i;
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = m.stacks + i * kStack, f.context.uc_stack.ss_size = kStack, f.context.uc_link = nullptr;
    makecontext(&f.context, RunFibre, 0);
  }
  for (uint32_t i = 0; i < m.count; ++i) SetReady(i, true);
  volatile bool back = false;
  getcontext(&m.main);
  if (back) return Arrive();
  back = true;
  ResumeNext(false);
}

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
