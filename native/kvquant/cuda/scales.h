// The vectors that a team holds, and the scales of their groups.
//
//   rows (`tok`, `gN`)  a group is a power of two of neighbouring lanes; 8 groups a lane are reduced together, halving their number at
//                       each step, so that each lane makes the scale of its own group (7 shuffles for 8 vectors, not 8 x log2)
//   `head`              shuffles in the warp, shared memory between the warps of a team
//   `chan`              a thread keeps to 8 channels and walks the tokens; extents meet in shared memory
#pragma once

#include "kvquant/cuda/rows.h"

namespace infernode::kv {

/// The vectors of one thread: packed as they came, or, rotated, as f32.
template <bool kFp16, bool kRotated>
struct Held {
  Vector16 packed[kRotated ? 1 : kHeld];
  float floats[kRotated ? kHeld : 1][8];
  uint32_t mask = 0;  ///< bit k: vector k is there

  KV_MEMBER bool There(int k) const { return mask >> k & 1u; }

  KV_MEMBER void Get(int k, float* x) const {
    if constexpr (kRotated) {
#pragma unroll
      for (int i = 0; i < 8; ++i) x[i] = floats[k][i];
    } else {
      Unpack<kFp16>(packed[k], x);
    }
  }

  template <bool kAsymmetric>
  KV_MEMBER Extent ExtentAt(int k) const {
    Extent e;
    if (!There(k)) return e;
    if constexpr (!kRotated) return ExtentOfPacked<kFp16, kAsymmetric>(packed[k]);
    else {
#pragma unroll
      for (int i = 0; i < 8; ++i) Widen<kAsymmetric>(e, floats[k][i]);
    }
    return e;
  }

  /// Of each of the 8 columns over the vectors that are there; of no meaning where the first is not.
  template <bool kAsymmetric>
  KV_MEMBER void ExtentsOfColumns(Extent* e) const {
    if constexpr (kRotated) {
#pragma unroll
      for (uint32_t k = 0; k < kHeld; ++k)
#pragma unroll
        for (int i = 0; i < 8; ++i)
          if (There(k)) Widen<kAsymmetric>(e[i], floats[k][i]);
    } else {
      constexpr uint32_t mask = kAsymmetric ? 0xFFFFFFFFu : 0x7FFF7FFFu;
      uint32_t high[4], low[4];
#pragma unroll
      for (uint32_t k = 0; k < kHeld; ++k) {
        const uint32_t w[4] = {packed[k].x, packed[k].y, packed[k].z, packed[k].w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          if (k == 0) high[i] = w[i] & mask, low[i] = w[i];
          else if (There(k)) high[i] = MaxPair<kFp16>(high[i], w[i] & mask), low[i] = kAsymmetric ? MinPair<kFp16>(low[i], w[i]) : 0;
        }
      }
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        Widen<kAsymmetric>(e[i], ElementOf<kFp16>(high[i / 2], i % 2));
        if constexpr (kAsymmetric) Widen<true>(e[i], ElementOf<kFp16>(low[i / 2], i % 2));
      }
    }
  }

  /// Vectors at the addresses (0: none), all asked for before the first is used. `column` is their place in a row:
  /// one for all, since a rotated row is 1 to 32 vectors, a power of two, and vectors are multiples of 32 or rows apart.
  KV_MEMBER void Fill(const uint64_t* address, bool fp16, uint32_t column, uint32_t lanes, float scale) {
    Vector16 v[kHeld];
#pragma unroll
    for (uint32_t k = 0; k < kHeld; ++k) {
      mask |= (address[k] != 0) << k;
      v[k] = address[k] != 0 ? Load16(reinterpret_cast<const void*>(address[k])) : Vector16{0, 0, 0, 0};
    }
#pragma unroll
    for (uint32_t k = 0; k < kHeld; ++k) {
      if constexpr (kRotated) {
        UnpackAs(fp16, v[k], floats[k]);
        FlipSignsOf(floats[k], column);
        HadamardInLanes(floats[k], lanes, scale);
      } else {
        packed[k] = v[k];
      }
    }
  }
};

template <Coding kValue>
struct Constant {
  static constexpr Coding value = kValue;
};

/// What a team needs to know, beside its vectors.
struct TeamJob {
  const KernelParams& p;
  const Split& split;
  const SectionView& v;
  const Tile& t;
  Shared& shared;
  uint8_t* codes;
  uint64_t first_word;
};

/// The address of vector `at` of the tile, token by token, and its column; 0 past the end.
KV_DEVICE uint64_t VectorAddress(const TeamJob& job, uint32_t at, uint32_t* column) {
  const uint32_t token = Over(at, job.v.row);
  *column = at - token * job.split.row_vectors;
  return job.t.active && token < job.split.tokens ? FastRowAddress(job.p, job.v, job.t, token) + 16 * *column : 0;
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
      sent.high = ShuffleXor(sent.high, m);
      if constexpr (kAsymmetric) sent.low = ShuffleXor(sent.low, m);
      Widen<kAsymmetric>(kept, sent);
      e[i] = kept;
    }
  };
  halve(8, lanes / 2);
  halve(4, lanes / 4);
  if (lanes >= 8) halve(2, lanes / 8);
  for (uint32_t m = lanes / 16; m > 0; m /= 2) {
    Extent other{0, ShuffleXor(e[0].high, m)};
    if constexpr (kAsymmetric) other.low = ShuffleXor(e[0].low, m);
    Widen<kAsymmetric>(e[0], other);
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

/// Where the vectors of a thread lie in its tile: the first, and the distance to the next (`chan`: see ChannelToken).
struct Course {
  uint32_t first, step;
};

/// Scales of the thread's 8 vectors; writes the headers. False when one is not usable.
template <bool kAsymmetric, class HeldVectors>
KV_DEVICE bool ScaleRows(const TeamJob& job, const HeldVectors& held, const Course& course, Scale* s) {
  const uint32_t lanes = job.v.format.grouping == INFERNODE_KV_TOK ? job.split.row_vectors : job.v.format.run / 8;
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
    if (writes && at < vectors) headers[at / lanes] = s[i].header;
  }
  ShareScales<kAsymmetric>(s, lanes);
  return usable;
}

// --- Heads -------------------------------------------------------------------------------------------------------------------

/// The extent of a team's tile; the whole block comes here.
template <bool kAsymmetric>
KV_DEVICE Extent ExtentOfTeam(const TeamJob& job, Extent e) {
  for (uint32_t m = 16; m > 0; m /= 2) {
    Extent other{0, ShuffleXor(e.high, m)};
    if constexpr (kAsymmetric) other.low = ShuffleXor(e.low, m);
    Widen<kAsymmetric>(e, other);
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
  Extent e;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) Widen<kAsymmetric>(e, held.template ExtentAt<kAsymmetric>(k));
  e = ExtentOfTeam<kAsymmetric>(job, e);
  s[0] = ScaleOf<kAsymmetric>(e, TopOf(job.v.format.code));
#pragma unroll
  for (uint32_t k = 1; k < kHeld; ++k) s[k] = s[0];
  if (job.t.active && job.t.thread == 0) HeadersOf(job.v, job.t)[0] = s[0].header;
  return IsUsable<kAsymmetric>(e);
}

// --- Channels ----------------------------------------------------------------------------------------------------------------

/// A thread has one column, and tokens in pairs: 4-bit codes of both share a byte.
KV_DEVICE uint32_t ChannelToken(const TeamJob& job, uint32_t k) { return 2 * (job.t.thread / job.split.row_vectors + k / 2 * job.split.rows_at_once) + k % 2; }

/// Scales of the thread's 8 channels: its extents meet those of the other threads of its team. The whole block comes here.
template <bool kAsymmetric, class HeldVectors>
KV_DEVICE bool ScaleChannels(const TeamJob& job, const HeldVectors& held, uint32_t column, Scale* s) {
  uint32_t *low = job.shared.low + job.t.team * job.p.dim, *high = job.shared.high + job.t.team * job.p.dim;
#pragma unroll 1
  for (uint32_t d = job.t.thread; d < job.p.dim; d += 32 * job.split.team_warps) low[d] = 0xFFFFFFFFu, high[d] = 0;
  Extent e[8];
  held.template ExtentsOfColumns<kAsymmetric>(e);
  SyncBlock();
  if (held.There(0)) {
#pragma unroll
    for (uint32_t i = 0; i < 8; ++i) {
      Maximize(high + 8 * column + i, e[i].high);
      if constexpr (kAsymmetric) Minimize(low + 8 * column + i, e[i].low);
    }
  }
  SyncBlock();
  bool usable = true;
  if (!held.There(0)) return usable;
  const bool writes = job.t.thread < job.split.row_vectors;
  uint32_t* headers = HeadersOf(job.v, job.t);
#pragma unroll
  for (uint32_t i = 0; i < 8; ++i) {
    const Extent all{low[8 * column + i], high[8 * column + i]};
    s[i] = ScaleOf<kAsymmetric>(all, TopOf(job.v.format.code));
    usable &= IsUsable<kAsymmetric>(all);
    if (writes) headers[8 * column + i] = s[i].header;
  }
  return usable;
}

}  // namespace infernode::kv
