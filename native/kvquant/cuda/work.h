// How the work of one launch is split: into tiles (one head of one record of one section), the tiles of a section among teams of 1 to 8
// warps, the teams of a block working side by side. And how the parts of a record, made by several teams, become one: the
// team that ends a record's last tile finishes it.
#pragma once

#include "kvquant/checksum.h"
#include "kvquant/cuda/codes.h"
#include "kvquant/cuda/kernel_abi.h"
#include "kvquant/geometry.h"
#include "kvquant/records.h"

namespace infernode::kv {

constexpr uint32_t kWarps = kKernelThreads / 32;
/// 16-byte vectors that a thread holds at a time: 8 KiB of input a warp in flight.
constexpr uint32_t kHeld = 8;

/// Shortest group along a row that is fast: shorter ones would cost the kernels a scale for each vector, and nobody stores g8 or g16.
constexpr uint32_t kLeastRun = 32;

/// Exact division by multiplication, for a x n below 2^32.
struct Divisor {
  uint32_t magic;  ///< 2^32 / n, rounded up; 0 for n = 1
};
KV_DEVICE Divisor DivisorOf(uint32_t n) { return {n <= 1 ? 0 : 0xFFFFFFFFu / n + 1}; }
KV_DEVICE uint32_t Over(uint32_t a, const Divisor& d) { return d.magic == 0 ? a : MultiplyHigh(a, d.magic); }

/// What is the same for all sections of a launch.
struct Split {
  uint32_t tokens;       ///< of a record
  uint32_t row_vectors;  ///< 16-byte vectors of a row
  uint32_t team_warps, teams, rows_at_once;
  uint32_t tiles, items_per_section;
};

KV_DEVICE Split SplitOf(const KernelParams& p) {
  Split s;
  s.tokens = p.page_tokens * p.pages_per_record;
  s.row_vectors = p.dim / 8;
  // As many warps as hold the tile at once, with pairs of tokens in a thread (`chan` of 4 bits packs them into one byte).
  s.team_warps = 1;
  while (s.team_warps < kWarps) {
    const uint32_t pairs_at_once = s.row_vectors ? 32 * s.team_warps / s.row_vectors : 0;
    if (pairs_at_once * (kHeld / 2) >= (s.tokens + 1) / 2) break;
    s.team_warps *= 2;
  }
  s.teams = kWarps / s.team_warps;
  s.rows_at_once = s.row_vectors ? 32 * s.team_warps / s.row_vectors : 0;
  s.tiles = p.records * p.heads;
  s.items_per_section = (s.tiles + s.teams - 1) / s.teams;
  return s;
}

/// One section, seen by every thread that works on it.
struct SectionView {
  KernelSection section;
  infernode_kv_format format;
  infernode_kv_shape shape;  ///< of a record; strides play no part
  RecordLayout layout;
  Divisor row, page;         ///< vectors of a row, tokens of a page; for the fast path
  bool whole_words;          ///< the codes of a head are whole 64-bit words
  bool fast;                 ///< 16-byte accesses, one read
};

/// Of a block. The view lies here because it is large, the same for all threads, and needed at the beginning and the end only.
struct Shared {
  SectionView view;
  float row[kKernelMaxDim];
  uint32_t low[kKernelMaxDim], high[kKernelMaxDim];
  uint64_t sum[kWarps], nonfinite[kWarps];
  uint32_t redo[kWarps];
  uint32_t warp_low[kWarps], warp_high[kWarps];
};

KV_DEVICE bool IsPowerOfTwo(uint32_t n) { return n != 0 && (n & (n - 1)) == 0; }

/// Whole aligned vectors everywhere, and groups that a team can hold (or, in rows, a part of a warp).
KV_DEVICE bool TakesVectors(const KernelParams& p, const Split& split, const SectionView& v, bool encode, bool rotates) {
  const uint64_t strides = static_cast<uint64_t>(p.page_stride | p.token_stride | p.head_stride);
  // The bounds of Divisor, and of the 32-bit products in VectorsOf.
  if (p.page_stride >> 31 != 0 || p.token_stride >> 31 != 0 || static_cast<uint64_t>(p.token_stride) * p.page_tokens >> 31 != 0) return false;
  if (static_cast<uint64_t>(split.tokens) * split.row_vectors * p.dim >> 32 != 0 || static_cast<uint64_t>(split.tokens) * p.page_tokens >> 32 != 0) return false;
  if (p.dim % 8 != 0 || strides % 8 != 0 || v.section.cache % 16 != 0 || !v.whole_words) return false;
  if (v.format.code == INFERNODE_KV_RAW) return true;
  if (v.format.static_scale > 0 && encode) return false;
  if (v.format.rotate != rotates) return false;
  if (rotates && !(IsPowerOfTwo(split.row_vectors) && split.row_vectors <= 32)) return false;
  if (v.format.grouping == INFERNODE_KV_HEAD || v.format.grouping == INFERNODE_KV_CHAN) return split.rows_at_once * (kHeld / 2) >= (split.tokens + 1) / 2;
  const uint32_t run = v.format.grouping == INFERNODE_KV_TOK ? p.dim : v.format.run;
  return run % kLeastRun == 0 && p.dim % run == 0 && IsPowerOfTwo(run / 8) && run / 8 <= 32;
}

KV_DEVICE SectionView ViewOf(const KernelParams& p, const Split& split, uint32_t index, bool encode, bool rotates) {
  SectionView v;
  v.section = reinterpret_cast<const KernelSection*>(p.sections)[index];
  const KernelSection& s = v.section;
  v.format = {static_cast<infernode_kv_code>(s.code), static_cast<infernode_kv_grouping>(s.grouping), s.run, s.rotate, s.static_scale};
  v.shape = {p.fp16 ? INFERNODE_KV_FP16 : INFERNODE_KV_BF16, split.tokens, p.heads, p.dim, 0, 0};
  v.layout = LayOut(v.format, v.shape);
  v.row = DivisorOf(split.row_vectors ? split.row_vectors : 1), v.page = DivisorOf(p.page_tokens);
  v.whole_words = v.layout.codes_per_head % 8 == 0;
  v.fast = TakesVectors(p, split, v, encode, rotates);
  return v;
}

/// One thread fills it, and the counts of the teams; the whole block comes here.
KV_DEVICE void BeginItem(const KernelParams& p, const Split& split, uint32_t index, bool encode, bool rotates, Shared& shared) {
  SyncBlock();
  if (threadIdx.x == 0) shared.view = ViewOf(p, split, index, encode, rotates);
  SyncBlock();
  if (threadIdx.x < kWarps) shared.sum[threadIdx.x] = shared.nonfinite[threadIdx.x] = 0, shared.redo[threadIdx.x] = !shared.view.fast;
  SyncBlock();
}
struct Tile {
  bool active;      ///< false past the end, and where the table says so
  uint32_t record, head;
  uint32_t team, thread;  ///< thread of the team
  const int32_t* table;   ///< of the record
};

KV_DEVICE KernelOutcome* OutcomeOf(const KernelParams& p, uint32_t section, uint32_t record) {
  return reinterpret_cast<KernelOutcome*>(p.outcomes) + (static_cast<uint64_t>(section) * p.records + record);
}

/// The whole warp comes here. The team of head 0 writes the outcome of a record that cannot be done.
KV_DEVICE Tile TileOf(const KernelParams& p, const Split& split, uint32_t section, uint32_t first, uint32_t team) {
  const uint32_t tile = first + team, lane = threadIdx.x % 32;
  Tile t{tile < split.tiles, tile / p.heads, tile % p.heads, team, threadIdx.x % (32 * split.team_warps), nullptr};
  if (!t.active) return t;
  t.table = reinterpret_cast<const int32_t*>(p.table) + static_cast<uint64_t>(t.record) * p.pages_per_record;
  const bool skipped = t.table[0] == kNoPage;
  bool outside = false;
#pragma unroll 1
  for (uint32_t i = lane; i < p.pages_per_record; i += 32) outside |= static_cast<uint32_t>(t.table[i]) >= p.pages;
  t.active = !AnyLane(outside);
  if (!t.active && t.head == 0 && t.thread == 0) *OutcomeOf(p, section, t.record) = {0, skipped ? kRecordSkipped : static_cast<uint32_t>(INFERNODE_KV_BAD_TABLE), 0};
  return t;
}

/// First element of a row of the cache.
KV_DEVICE uint64_t RowAddress(const KernelParams& p, const SectionView& v, const Tile& t, uint32_t token) {
  return v.section.cache + 2 * (t.table[token / p.page_tokens] * p.page_stride + static_cast<int64_t>(token % p.page_tokens) * p.token_stride + t.head * p.head_stride);
}

/// The same for the fast path: one wide product.
KV_DEVICE uint64_t FastRowAddress(const KernelParams& p, const SectionView& v, const Tile& t, uint32_t token) {
  const uint32_t page = Over(token, v.page), row = (token - page * p.page_tokens) * static_cast<uint32_t>(p.token_stride);
  return v.section.cache + 2 * (static_cast<uint64_t>(static_cast<uint32_t>(Load4(t.table + page))) * static_cast<uint32_t>(p.page_stride) + row + static_cast<uint64_t>(t.head * p.head_stride));
}

KV_DEVICE uint8_t* RecordOf(const SectionView& v, uint32_t record) { return reinterpret_cast<uint8_t*>(v.section.records) + record * v.section.record_bytes; }
KV_DEVICE uint8_t* CodesOf(const SectionView& v, const Tile& t) { return RecordOf(v, t.record) + INFERNODE_KV_RECORD_HEAD + t.head * v.layout.codes_per_head; }
KV_DEVICE uint32_t* HeadersOf(const SectionView& v, const Tile& t) {
  return reinterpret_cast<uint32_t*>(RecordOf(v, t.record) + v.layout.header_offset) + t.head * v.layout.groups_per_head;
}
KV_DEVICE uint64_t FirstWord(const SectionView& v, const Tile& t) { return t.head * v.layout.codes_per_head / 8; }

/// Adds a thread's parts to its team's; the whole warp comes here.
KV_DEVICE void AddToTeam(Shared& shared, uint32_t team, uint64_t sum, uint64_t nonfinite) {
#pragma unroll 1
  for (uint32_t m = 16; m > 0; m /= 2) sum += ShuffleXor(sum, m), nonfinite += ShuffleXor(nonfinite, m);
  if (threadIdx.x % 32 != 0) return;
  Add(&shared.sum[team], sum);
  if (nonfinite) Add(&shared.nonfinite[team], nonfinite);
}

/// The sum of words [first, end) of a record's payload, by one warp, as memory has them.
KV_DEVICE uint64_t SumWords(const uint8_t* payload, uint64_t first, uint64_t end) {
  uint64_t sum = 0;
#pragma unroll 1
  for (uint64_t i = first + threadIdx.x % 32; i < end; i += 32) sum += ChecksumTerm(LoadWritten8(payload + 8 * i), i);
#pragma unroll 1
  for (uint32_t m = 16; m > 0; m /= 2) sum += ShuffleXor(sum, m);
  return sum;
}

/// True, in the whole first warp of a team, when its tile was the last of its record. All of the team's writes must have been
/// fenced and synchronized before.
KV_DEVICE bool EndsRecord(const KernelParams& p, Shared& shared, const Tile& t, KernelRecordState* state) {
  if (!t.active || t.thread >= 32) return false;
  uint32_t done = 0;
  if (t.thread == 0) {
    Add(&state->sum, shared.sum[t.team]);
    if (shared.nonfinite[t.team]) Add(&state->nonfinite, shared.nonfinite[t.team]);
    Fence();
    done = Ticket(&state->heads_done);
    Fence();
  }
  return FromLane0(done) == p.heads - 1;
}

KV_DEVICE KernelRecordState* StateOf(const KernelParams& p, uint32_t section, uint32_t record) {
  return reinterpret_cast<KernelRecordState*>(p.states) + (static_cast<uint64_t>(section) * p.records + record);
}

/// First word that no team has summed: the padding of the codes, or everything.
KV_DEVICE uint64_t FirstUnsummed(const KernelParams& p, const SectionView& v) { return v.whole_words ? p.heads * v.layout.codes_per_head / 8 : 0; }

}  // namespace infernode::kv
