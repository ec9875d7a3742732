// The threads of a launch, all its blocks, as fibres of one thread of the CPU: where they wait for each other, who runs next, and what they
// share. `cuda_emulation.h` gives them the words of CUDA.
//
// They are switched where they wait and at every atomic access to global memory, in an order that each launch draws (`Order`). So a missing
// barrier shows as a wrong result in some launches, and one that not all reach, or reach from different places, is reported. Stores are
// seen by all at once and in order: a missing fence does not show.
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

}  // namespace infernode::kv::emulation
