// How the work of one launch is split: into tiles (one head of one record of one section), a team of 1 to 8 warps for each, and items: the
// tiles that a block makes side by side. A block takes items that follow each other, so it makes most records alone and meets the
// others' parts in global memory only at its first and last record. It waits for its threads once an item.
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
  uint32_t heads_at_once, records_at_once;  ///< of an item, a team for each head of each record; one of them is 1 unless all heads fit
  uint32_t head_parts, items_per_section;   ///< items follow each other by record, then by part of its heads
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
  s.heads_at_once = p.heads < s.teams ? p.heads : s.teams;
  s.records_at_once = s.teams / s.heads_at_once;
  s.head_parts = (p.heads + s.heads_at_once - 1) / s.heads_at_once;
  s.items_per_section = (p.records + s.records_at_once - 1) / s.records_at_once * s.head_parts;
  return s;
}

/// Where a team sits: which tile of an item it makes.
struct Seat {
  uint32_t team, record, head;  ///< record and head counted from the item's first
  uint32_t thread;              ///< this thread's number in the team, were it in this one
};
KV_DEVICE Seat SeatOf(const Split& split, uint32_t team) {
  return {team, team / split.heads_at_once, team % split.heads_at_once, threadIdx.x % (32 * split.team_warps)};
}

/// One of a block's items: the tiles of records [first, first + records_at_once) and of one part of their heads.
struct Item {
  uint32_t section, first_record, head_part;
  uint32_t head_parts_before;  ///< parts of the same record that this block has made just before
  bool last;                   ///< the block makes no further part of the record
  uint32_t slot;               ///< 0 and 1 in turns: where the warps' tallies of this item lie
};

/// One section, seen by every thread that works on it.
struct SectionView {
  KernelSection section;
  infernode_kv_format format;
  infernode_kv_shape shape;  ///< of a record; strides play no part
  RecordLayout layout;
  Divisor row, page;         ///< vectors of a row, tokens of a page; for the fast path
  uint32_t words_per_head;   ///< 64-bit words of codes, rounded down
  uint32_t group_shift;      ///< `head`, `tok` and `gN`, fast: vector v of a tile is in group v >> group_shift
  uint32_t step;             ///< not `chan`: from one vector of a thread to its next
  bool straight;             ///< not `chan`: the kHeld vectors of a thread lie in one page and one column
  bool whole_words;          ///< the codes of a head are whole 64-bit words
  bool fast;                 ///< 16-byte accesses, one read
};

/// What is summed over the words of a record.
struct Tally {
  uint64_t sum = 0, nonfinite = 0;
};

/// Of a block. The view lies here because it is large, the same for all threads, and rarely needed.
struct Shared {
  SectionView view;
  float row[kKernelMaxDim];
  uint32_t low[kKernelMaxDim], high[kKernelMaxDim];
  // By turns of items, so that the warp that ends a record reads one slot while the others fill the next.
  uint64_t sum[2][kWarps], nonfinite[2][kWarps];
  uint32_t redo[2][kWarps];
  float warp_low[kWarps], warp_high[kWarps];
  KernelDifference difference[kWarps];  ///< zeros but while a tile is measured
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
  v.whole_words = v.layout.codes_per_head % 8 == 0, v.words_per_head = static_cast<uint32_t>(v.layout.codes_per_head / 8);
  v.fast = TakesVectors(p, split, v, encode, rotates);
  v.group_shift = v.format.grouping == INFERNODE_KV_HEAD ? 31 : 0;
  const uint32_t group_vectors = v.format.grouping == INFERNODE_KV_RUN ? v.format.run / 8 : split.row_vectors;
  while (group_vectors >> v.group_shift > 1) ++v.group_shift;
  v.step = 32 * (v.format.grouping == INFERNODE_KV_HEAD ? split.team_warps : 1);
  const uint32_t all_tokens = split.row_vectors ? v.step * kHeld / split.row_vectors : 0;
  v.straight = all_tokens != 0 && v.step % split.row_vectors == 0 && p.page_tokens % all_tokens == 0;
  return v;
}

/// One thread fills the view; the whole block comes here.
KV_DEVICE void BeginSection(const KernelParams& p, const Split& split, uint32_t section, bool encode, bool rotates, Shared& shared) {
  SyncBlock();
  if (threadIdx.x == 0) shared.view = ViewOf(p, split, section, encode, rotates);
  if (threadIdx.x < kWarps) shared.difference[threadIdx.x] = {0, 0};
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
KV_DEVICE Tile TileOf(const KernelParams& p, const Split& split, const Item& item, const Seat& seat) {
  const uint32_t lane = threadIdx.x % 32;
  Tile t{false, item.first_record + seat.record, item.head_part * split.heads_at_once + seat.head, seat.team, seat.thread, nullptr};
  if (seat.record >= split.records_at_once || t.record >= p.records || t.head >= p.heads) return t;
  t.table = reinterpret_cast<const int32_t*>(p.table) + static_cast<uint64_t>(t.record) * p.pages_per_record;
  const bool skipped = t.table[0] == kNoPage;
  bool outside = false;
#pragma unroll 1
  for (uint32_t i = lane; i < p.pages_per_record; i += 32) outside |= static_cast<uint32_t>(t.table[i]) >= p.pages;
  t.active = !AnyLane(outside);
  if (!t.active && t.head == 0 && t.thread == 0) *OutcomeOf(p, item.section, t.record) = {0, skipped ? kRecordSkipped : static_cast<uint32_t>(INFERNODE_KV_BAD_TABLE), 0};
  return t;
}

/// First element of a row of the cache.
KV_DEVICE uint64_t RowAddress(const KernelParams& p, const SectionView& v, const Tile& t, uint32_t token) {
  return v.section.cache + 2 * (t.table[token / p.page_tokens] * p.page_stride + static_cast<int64_t>(token % p.page_tokens) * p.token_stride + t.head * p.head_stride);
}

KV_DEVICE uint8_t* RecordOf(const SectionView& v, uint32_t record) { return reinterpret_cast<uint8_t*>(v.section.records) + record * v.section.record_bytes; }
KV_DEVICE uint8_t* CodesOf(const SectionView& v, const Tile& t) { return RecordOf(v, t.record) + INFERNODE_KV_RECORD_HEAD + t.head * v.layout.codes_per_head; }
KV_DEVICE uint32_t* HeadersOf(const SectionView& v, const Tile& t) {
  return reinterpret_cast<uint32_t*>(RecordOf(v, t.record) + v.layout.header_offset) + t.head * v.layout.groups_per_head;
}
KV_DEVICE uint64_t FirstWord(const SectionView& v, const Tile& t) { return static_cast<uint64_t>(t.head) * v.words_per_head; }

template <class T>
KV_DEVICE T SumOfWarp(T v) {
#pragma unroll
  for (uint32_t m = 16; m > 0; m /= 2) v += ShuffleXor(v, m);
  return v;
}

/// What a warp has of an item, on top of the block's earlier parts of the same record; its first lane leaves it.
KV_DEVICE void ReplaceTally(Shared& shared, const Item& item, uint64_t sum, uint64_t nonfinite) {
  const uint32_t warp = threadIdx.x / 32;
  if (threadIdx.x % 32 != 0) return;
  const bool more = item.head_parts_before != 0;
  shared.sum[item.slot][warp] = sum + (more ? shared.sum[item.slot ^ 1][warp] : 0);
  shared.nonfinite[item.slot][warp] = nonfinite + (more ? shared.nonfinite[item.slot ^ 1][warp] : 0);
}

/// The parts of a warp's threads; the whole warp comes here.
KV_DEVICE void LeaveTally(Shared& shared, const Item& item, uint64_t sum, uint64_t nonfinite) {
  if (AnyLane(nonfinite != 0)) nonfinite = SumOfWarp(nonfinite);
  ReplaceTally(shared, item, SumOfWarp(sum), nonfinite);
}

/// What the block has of the record whose first head in the item is `t`'s.
KV_DEVICE Tally TallyOf(const Shared& shared, const Split& split, const Item& item, const Tile& t) {
  Tally all;
#pragma unroll 1
  for (uint32_t w = t.team * split.team_warps; w < (t.team + split.heads_at_once) * split.team_warps; ++w)
    all.sum += shared.sum[item.slot][w], all.nonfinite += shared.nonfinite[item.slot][w];
  return all;
}

/// The sum of words [first, end) of a record's payload, by one warp, as memory has them.
KV_DEVICE uint64_t SumWords(const uint8_t* payload, uint64_t first, uint64_t end) {
  uint64_t sum = 0;
#pragma unroll 4
  for (uint64_t i = first + threadIdx.x % 32; i < end; i += 32) sum += ChecksumTerm(LoadWritten8(payload + 8 * i), i);
  return SumOfWarp(sum);
}

KV_DEVICE KernelRecordState* StateOf(const KernelParams& p, uint32_t section, uint32_t record) {
  return reinterpret_cast<KernelRecordState*>(p.states) + (static_cast<uint64_t>(section) * p.records + record);
}

/// Adds the block's part of a record to those of other blocks; true in the whole warp when it was the last, with all of them in `tally`.
/// The block has been synchronized since it wrote the record: the fence of one thread then covers what the others wrote.
KV_DEVICE bool MeetOthers(KernelRecordState* state, uint32_t heads, uint32_t all_heads, Tally* tally) {
  uint32_t done = 0;
  if (threadIdx.x % 32 == 0) {
    Add(&state->sum, tally->sum);
    if (tally->nonfinite) Add(&state->nonfinite, tally->nonfinite);
    Fence();
    done = TakeTickets(&state->heads_done, heads) + heads;
    Fence();
    if (done == all_heads) *tally = {Take(&state->sum), Take(&state->nonfinite)}, state->heads_done = 0;
  }
  // The warp barrier hands the other lanes what the fence has ordered for the first.
  SyncWarp();
  return FromLane0(done) == all_heads;
}

/// True in the whole warp that is to finish a record: its block has just made the record's last tile. The first lane has the tally.
KV_DEVICE bool EndsRecord(const KernelParams& p, const Split& split, const Shared& shared, const Item& item, const Seat& seat, const Tile& t, Tally* tally) {
  if (!item.last || !t.active || t.thread >= 32 || seat.head != 0) return false;
  *tally = TallyOf(shared, split, item, t);
  const uint32_t first = (item.head_part - item.head_parts_before) * split.heads_at_once, end = (item.head_part + 1) * split.heads_at_once;
  const uint32_t heads = (end < p.heads ? end : p.heads) - first;
  return heads == p.heads || MeetOthers(StateOf(p, item.section, t.record), heads, p.heads, tally);
}

/// First word that no team has summed: the padding of the codes, or everything.
KV_DEVICE uint64_t FirstUnsummed(const KernelParams& p, const SectionView& v) { return v.whole_words ? p.heads * v.layout.codes_per_head / 8 : 0; }

}  // namespace infernode::kv
