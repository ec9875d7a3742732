// The scales of the groups whose vectors a team holds.
//
//   rows (`tok`, `gN`)  a group is a power of two of neighbouring lanes; 8 groups a lane are reduced together, halving their number at
//                       each step, so that each lane makes the scale of its own group (7 shuffles for 8 vectors, not 8 x log2)
//   `head`              shuffles in the warp, shared memory between the warps of a team
//   `chan`              a thread keeps to 8 channels and walks the tokens; extents meet in shared memory
#pragma once

#include "kvquant/cuda/vectors.h"

namespace infernode::kv {

/// What the lane `m` away has.
template <bool kAsymmetric>
KV_DEVICE Extent FromLane(const Extent& e, uint32_t m) {
  return {kAsymmetric ? ShuffleXor(e.low, m) : 0, ShuffleXor(e.high, m)};
}

// --- Rows --------------------------------------------------------------------------------------------------------------------

/// Extents of 8 vectors become those of their groups, of 4 to 32 lanes: a lane is left with one of them, or with two where groups have
/// 4 lanes, from FirstOwned on.
template <bool kAsymmetric>
KV_DEVICE void ReduceGroups(Extent* e, uint32_t lanes) {
  const auto halve = [&](uint32_t n, uint32_t m) {
    const bool upper = threadIdx.x & m;
#pragma unroll
    for (uint32_t i = 0; i < kHeld / 2; ++i) {
      if (i >= n / 2) continue;
      const Extent low = e[i], high = e[i + n / 2];
      Extent kept = upper ? high : low, sent = upper ? low : high;
      Widen<kAsymmetric>(kept, FromLane<kAsymmetric>(sent, m));
      e[i] = kept;
    }
  };
  halve(8, lanes / 2);
  halve(4, lanes / 4);
  if (lanes >= 8) halve(2, lanes / 8);
  for (uint32_t m = lanes / 16; m > 0; m /= 2) {
    Widen<kAsymmetric>(e[0], FromLane<kAsymmetric>(e[0], m));
  }
}

/// The way back: every lane gets the factors and minima of its 8 vectors.
template <bool kAsymmetric>
KV_DEVICE void ShareScales(Scale* s, uint32_t lanes) {
  const auto widen = [&](uint32_t n, uint32_t m) {
    const bool upper = threadIdx.x & m;
#pragma unroll
    for (int i = kHeld / 2 - 1; i >= 0; --i) {
      if (static_cast<uint32_t>(i) >= n) continue;
      const Scale mine = s[i];
      Scale other;
      other.factor = ShuffleXor(mine.factor, m);
      if constexpr (kAsymmetric) other.minimum = ShuffleXor(mine.minimum, m);
      s[i] = upper ? other : mine, s[i + n] = upper ? mine : other;
    }
  };
  if (lanes >= 8) widen(1, lanes / 8);
  widen(2, lanes / 4);
  widen(4, lanes / 2);
}

/// Which of the 8 vectors' groups is the first that a lane has after ReduceGroups.
KV_DEVICE uint32_t FirstOwned(uint32_t lanes) {
  const uint32_t lane = threadIdx.x;
  uint32_t first = 0;
  if (lane & lanes / 2) first += 4;
  if (lane & lanes / 4) first += 2;
  if (lanes >= 8 && lane & lanes / 8) first += 1;
  return first;
}

/// Scales of the thread's 8 vectors; writes the headers. False when one is not usable.
template <bool kAsymmetric, class HeldVectors>
KV_DEVICE bool ScaleRows(const TeamJob& job, const HeldVectors& held, const Course& course, Scale* s) {
  const uint32_t lanes = 1u << job.v.group_shift;
  const uint32_t vectors = job.split.tokens * job.split.row_vectors;
  Extent e[kHeld];
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) e[k] = held.template ExtentAt<kAsymmetric>(k);
  ReduceGroups<kAsymmetric>(e, lanes);
  const uint32_t owned = lanes >= 8 ? 1 : 2, first = FirstOwned(lanes);
  const bool writes = job.t.active && (lanes <= 8 || (threadIdx.x & (lanes / 8 - 1)) == 0);
  uint32_t* headers = HeadersOf(job.v, job.t);
  bool usable = true;
#pragma unroll
  for (uint32_t i = 0; i < kHeld / (kLeastRun / 8); ++i) {
    if (i >= owned) continue;
    usable &= IsUsable<kAsymmetric>(e[i]);
    s[i] = ScaleOf<kAsymmetric>(e[i], TopOf(job.v.format.code));
    const uint32_t at = course.first + course.step * (first + i);
    if (writes && at < vectors) headers[at >> job.v.group_shift] = s[i].header;
  }
  ShareScales<kAsymmetric>(s, lanes);
  return usable;
}

// --- Heads -------------------------------------------------------------------------------------------------------------------

/// The extent of a team's tile; the whole block comes here.
template <bool kAsymmetric>
KV_DEVICE Extent ExtentOfTeam(const TeamJob& job, Extent e) {
  for (uint32_t m = 16; m > 0; m /= 2) {
    Widen<kAsymmetric>(e, FromLane<kAsymmetric>(e, m));
  }
  if (job.split.team_warps == 1) return e;
  if (threadIdx.x % 32 == 0) job.shared.warp_low[threadIdx.x / 32] = e.low, job.shared.warp_high[threadIdx.x / 32] = e.high;
  SyncBlock();
#pragma unroll 1
  for (uint32_t w = job.t.team * job.split.team_warps; w < (job.t.team + 1) * job.split.team_warps; ++w)
    Widen<kAsymmetric>(e, Extent{job.shared.warp_low[w], job.shared.warp_high[w]});
  return e;
}

template <bool kAsymmetric, class HeldVectors>
KV_DEVICE bool ScaleHead(const TeamJob& job, const HeldVectors& held, Scale* s) {
  Extent e = NothingYet<kAsymmetric>();
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) {
    // Zeros widen no symmetric extent.
    if (!kAsymmetric || held.There(k)) Widen<kAsymmetric>(e, held.template ExtentAt<kAsymmetric>(k));
  }
  e = ExtentOfTeam<kAsymmetric>(job, e);
  s[0] = ScaleOf<kAsymmetric>(e, TopOf(job.v.format.code));
#pragma unroll
  for (uint32_t k = 1; k < kHeld; ++k) s[k] = s[0];
  if (job.t.active && job.t.thread == 0) HeadersOf(job.v, job.t)[0] = s[0].header;
  return IsUsable<kAsymmetric>(e);
}

// --- Channels ----------------------------------------------------------------------------------------------------------------

/// Scales of the thread's 8 channels: its extents meet those of the other threads of its team in shared memory, where each scale is
/// made once. Channel 8 x column + i lies at i x columns + column: neighbouring lanes, neighbouring banks. The whole block comes here.
template <bool kAsymmetric>
KV_DEVICE bool ScaleChannels(const TeamJob& job, const Extent* e, const Course& course, Scale* s) {
  const uint32_t columns = job.split.row_vectors, column = course.start.column;
  uint32_t *low = job.shared.low + job.t.team * job.p.dim, *high = job.shared.high + job.t.team * job.p.dim;
#pragma unroll 1
  for (uint32_t d = job.t.thread; d < job.p.dim; d += 32 * job.split.team_warps) low[d] = 0xFFFFFFFFu, high[d] = 0;
  SyncBlock();
  const bool there = course.there && course.start.page < job.p.pages_per_record;
  if (there) {
#pragma unroll
    for (uint32_t i = 0; i < 8; ++i) {
      Maximize(high + i * columns + column, kAsymmetric ? OrderedKey(e[i].high) : MagnitudeKey(e[i].high));
      if constexpr (kAsymmetric) Minimize(low + i * columns + column, OrderedKey(e[i].low));
    }
  }
  SyncBlock();
  bool usable = true;
  uint32_t* headers = HeadersOf(job.v, job.t);
#pragma unroll 1
  for (uint32_t d = job.t.thread; job.t.active && d < job.p.dim; d += 32 * job.split.team_warps) {
    const Extent all = ExtentOfKeys<kAsymmetric>(low[d], high[d]);
    const Scale scale = ScaleOf<kAsymmetric>(all, TopOf(job.v.format.code));
    usable &= IsUsable<kAsymmetric>(all);
    low[d] = Bits(scale.minimum), high[d] = Bits(scale.factor);
    const uint32_t i = Over(d, job.v.row);
    headers[8 * (d - i * columns) + i] = scale.header;
  }
  SyncBlock();
#pragma unroll
  for (uint32_t i = 0; i < 8; ++i) {
    s[i].factor = FromBits(there ? high[i * columns + column] : 0);
    if constexpr (kAsymmetric) s[i].minimum = FromBits(there ? low[i * columns + column] : 0);
  }
  return usable;
}

}  // namespace infernode::kv
