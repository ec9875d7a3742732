// The vectors that a thread holds: which of its tile's they are, where they lie in the cache, and their values.
//
//   rows (`tok`, `gN`)  a warp takes 256 vectors that lie together, a lane each 32nd of them
//   `head`              the same, dealt among all threads of the team
//   `chan`              a thread keeps to one column and walks the tokens, in pairs
#pragma once

#include "kvquant/cuda/rows.h"

namespace infernode::kv {

/// What a team needs to know, beside its vectors.
struct TeamJob {
  const KernelParams& p;
  const Split& split;
  const SectionView& v;
  const Tile& t;
  Shared& shared;
  uint8_t* codes;
  uint64_t first_key;  ///< what ChecksumTerm mixes into the tile's first word
};

KV_DEVICE TeamJob JobOf(const KernelParams& p, const Split& split, const SectionView& v, const Tile& t, Shared& shared) {
  return {p, split, v, t, shared, CodesOf(v, t), (FirstWord(v, t) + 1) * kChecksumStep};
}

/// ChecksumTerm of word `at` of the tile.
KV_DEVICE uint64_t TermAt(const TeamJob& job, uint64_t word, uint32_t at) {
  const uint64_t x = word ^ (job.first_key + at * kChecksumStep);
  return (x & 0xFFFFFFFFu) * (x >> 32) + word;
}

/// A vector's place in its record, and the way to another.
struct RowPlace {
  uint32_t page, row, column;
};

/// The vectors of one thread. `first` and `step` count vectors (not `chan`); `even` and `odd` lead from an even, an odd one to the next.
struct Course {
  uint32_t first, step;
  RowPlace start, even, odd;
  bool there;     ///< false: the thread has none
  bool straight;  ///< all lie in one page and one column
};

KV_DEVICE RowPlace PlaceAfter(const TeamJob& job, uint32_t tokens, uint32_t columns) {
  const uint32_t pages = Over(tokens, job.v.page);
  return {pages, tokens - pages * job.p.page_tokens, columns};
}

KV_DEVICE RowPlace PlaceOfVector(const TeamJob& job, uint32_t at) {
  const uint32_t token = Over(at, job.v.row);
  return PlaceAfter(job, token, at - token * job.split.row_vectors);
}

KV_DEVICE Course RowCourse(const TeamJob& job, uint32_t first) {
  const RowPlace way = PlaceOfVector(job, job.v.step);
  return {first, job.v.step, PlaceOfVector(job, first), way, way, job.t.active, job.v.straight};
}

/// A thread has one column, and tokens in pairs: 4-bit codes of both share a byte.
KV_DEVICE uint32_t ChannelToken(const TeamJob& job, uint32_t k) { return 2 * (Over(job.t.thread, job.v.row) + k / 2 * job.split.rows_at_once) + k % 2; }

KV_DEVICE Course ChannelCourse(const TeamJob& job) {
  const uint32_t row = Over(job.t.thread, job.v.row), column = job.t.thread - row * job.split.row_vectors;
  return {0, 0, PlaceAfter(job, 2 * row, column), PlaceAfter(job, 1, 0), PlaceAfter(job, 2 * job.split.rows_at_once - 1, 0), job.t.active && row < job.split.rows_at_once, false};
}

/// Bit k: vector k of the course is there. FindVectors says so too, but reads the table for it.
KV_DEVICE uint32_t VectorsThere(const TeamJob& job, const Course& course) {
  if (!course.there) return 0;
  if (course.straight) return course.start.page < job.p.pages_per_record ? 0xFFu : 0;
  const bool channels = job.v.format.grouping == INFERNODE_KV_CHAN;
  const uint32_t end = channels ? job.split.tokens : job.split.tokens * job.split.row_vectors;
  uint32_t mask = 0;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) mask |= ((channels ? ChannelToken(job, k) : course.first + course.step * k) < end) << k;
  return mask;
}

/// The addresses of the course's vectors, and the same bits.
KV_DEVICE uint32_t FindVectors(const TeamJob& job, const Course& course, uint64_t* address) {
  const KernelParams& p = job.p;
  const uint64_t base = job.v.section.cache + 2 * job.t.head * static_cast<uint64_t>(p.head_stride);
  const uint32_t page_bytes = 2 * static_cast<uint32_t>(p.page_stride), row_bytes = 2 * static_cast<uint32_t>(p.token_stride);
  const auto address_of = [&](const RowPlace& at) {
    return base + static_cast<uint64_t>(Load4(job.t.table + at.page)) * page_bytes + at.row * row_bytes + 16 * at.column;
  };
  const uint32_t pages = course.there ? p.pages_per_record : 0;
  RowPlace at = course.start;
  if (course.straight) {
    const bool there = at.page < pages;
    const uint64_t first = there ? address_of(at) : 0;
#pragma unroll
    for (uint32_t k = 0; k < kHeld; ++k) address[k] = first + k * (course.even.row * row_bytes);
    return there ? 0xFFu : 0;
  }
  uint32_t mask = 0;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) {
    const bool there = at.page < pages;
    mask |= there << k;
    address[k] = there ? address_of(at) : 0;
    const RowPlace& way = k % 2 == 0 ? course.even : course.odd;
    at.column += way.column;
    const bool next_row = at.column >= job.split.row_vectors;
    if (next_row) at.column -= job.split.row_vectors;
    at.row += way.row + next_row;
    const bool next_page = at.row >= p.page_tokens;
    if (next_page) at.row -= p.page_tokens;
    at.page += way.page + next_page;
  }
  return mask;
}

/// Even and odd lanes hold neighbours, whose 4-bit codes share a word. Of two vectors each, an even lane takes the word of both
/// first ones, an odd lane that of both second ones: whole words, and one exchange.
KV_DEVICE uint64_t JoinNibbles(uint32_t first, uint32_t second) {
  const bool odd = threadIdx.x % 2 != 0;
  const uint32_t other = ShuffleXor(odd ? first : second, 1);
  return (odd ? other : first) | static_cast<uint64_t>(odd ? second : other) << 32;
}

/// The way back.
KV_DEVICE void PartNibbles(uint64_t word, uint32_t* first, uint32_t* second) {
  const bool odd = threadIdx.x % 2 != 0;
  const uint32_t low = static_cast<uint32_t>(word), high = static_cast<uint32_t>(word >> 32), other = ShuffleXor(odd ? low : high, 1);
  *first = odd ? other : low, *second = odd ? high : other;
}

/// Which word of the tile that is, and whether it is there.
KV_DEVICE uint32_t JoinedWord(const Course& course, uint32_t k) { return (course.first + course.step * (k + threadIdx.x % 2)) / 2; }
KV_DEVICE bool HasJoined(uint32_t mask, uint32_t k) { return mask >> (k + threadIdx.x % 2) & 1u; }

/// The vectors of one thread: packed as they came, or, rotated, as f32.
template <bool kFp16, bool kRotated>
struct Held {
  Vector16 packed[kRotated ? 1 : kHeld];
  float floats[kRotated ? kHeld : 1][8];
  uint32_t mask = 0;  ///< bit k: vector k is there; those that are not are zeros

  KV_MEMBER bool There(int k) const { return mask >> k & 1u; }

  KV_MEMBER void Get(int k, float* x) const {
    if constexpr (kRotated) {
#pragma unroll
      for (int i = 0; i < 8; ++i) x[i] = floats[k][i];
    } else {
      Unpack<kFp16>(packed[k], x);
    }
  }

  /// Of a vector that is there.
  template <bool kAsymmetric>
  KV_MEMBER Extent ExtentAt(int k) const {
    if constexpr (kRotated) {
      Extent e = NothingYet<kAsymmetric>();
#pragma unroll
      for (int i = 0; i < 8; ++i) Widen<kAsymmetric>(e, floats[k][i]);
      return e;
    } else {
      return ExtentOfPacked<kFp16, kAsymmetric>(packed[k]);
    }
  }

  /// Of each of the 8 columns over the vectors that are there; of no meaning where the first is not.
  template <bool kAsymmetric>
  KV_MEMBER void ExtentsOfColumns(Extent* e) const {
    if constexpr (kRotated) {
#pragma unroll
      for (int i = 0; i < 8; ++i) e[i] = NothingYet<kAsymmetric>();
#pragma unroll
      for (uint32_t k = 0; k < kHeld; ++k)
#pragma unroll
        for (int i = 0; i < 8; ++i)
          if (!kAsymmetric || There(k)) Widen<kAsymmetric>(e[i], floats[k][i]);
    } else {
      constexpr uint32_t magnitude = kAsymmetric ? 0xFFFFFFFFu : 0x7FFF7FFFu;
      uint32_t high[4] = {}, low[4] = {};
#pragma unroll
      for (uint32_t k = 0; k < kHeld; ++k) {
        // What is not there must not count: the first is taken again.
        const Vector16 v = !kAsymmetric || There(k) ? packed[k] : packed[0];
        const uint32_t w[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          high[i] = k == 0 ? w[i] & magnitude : MaxPair<kFp16>(high[i], w[i] & magnitude);
          if constexpr (kAsymmetric) low[i] = k == 0 ? w[i] : MinPair<kFp16>(low[i], w[i]);
        }
      }
#pragma unroll
      for (int i = 0; i < 8; ++i) e[i] = {kAsymmetric ? ElementOf<kFp16>(low[i / 2], i % 2) : 0, ElementOf<kFp16>(high[i / 2], i % 2)};
    }
  }

  /// All asked for before the first is used. `column` is their place in a row: one for all, since a rotated row is 1 to 32 vectors, a
  /// power of two, and vectors are multiples of 32 or rows apart.
  KV_MEMBER void Fill(const uint64_t* address, uint32_t there, bool fp16, uint32_t column, uint32_t lanes, float scale) {
    Vector16 v[kHeld];
    mask = there;
#pragma unroll
    for (uint32_t k = 0; k < kHeld; ++k) v[k] = There(k) ? Load16(reinterpret_cast<const void*>(address[k])) : Vector16{0, 0, 0, 0};
    [[maybe_unused]] const Vector16 signs = SignsOf(column);
#pragma unroll
    for (uint32_t k = 0; k < kHeld; ++k) {
      if constexpr (kRotated) UnpackAs(fp16, {v[k].x ^ signs.x, v[k].y ^ signs.y, v[k].z ^ signs.z, v[k].w ^ signs.w}, floats[k]);
      else packed[k] = v[k];
    }
    if constexpr (kRotated) HadamardInLanes<kHeld>(floats, lanes, scale);
  }
};

template <Coding kValue>
struct Constant {
  static constexpr Coding value = kValue;
};

}  // namespace infernode::kv
