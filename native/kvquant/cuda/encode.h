// Encoding by vectors: a team holds its tile in registers, so memory is read once. A group with an unusable value marks its tile,
// which the whole block then makes again by rows.h.
#pragma once

#include "kvquant/cuda/scales.h"

namespace infernode::kv {

// --- Storing -----------------------------------------------------------------------------------------------------------------

/// The codes of the thread's vectors, each of one group, and their part of the checksum. The whole warp comes here.
template <Coding kCoding, class HeldVectors>
KV_DEVICE uint64_t PutVectors(const TeamJob& job, const HeldVectors& held, const Course& course, const Scale* s) {
  auto* words = reinterpret_cast<uint64_t*>(job.codes);
  const float anchor = AnchorOf(job.v.format.code);
  uint64_t sum = 0;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; k += kCoding == kNibbles ? 2 : 1) {
    float x[8];
    held.Get(k, x);
    uint32_t at;
    uint64_t word;
    if constexpr (kCoding == kNibbles) {
      const uint32_t first = EightNibbles(x, s[k].factor, s[k].minimum, anchor);
      held.Get(k + 1, x);
      word = JoinNibbles(first, EightNibbles(x, s[k + 1].factor, s[k + 1].minimum, anchor));
      at = JoinedWord(course, k);
      if (!HasJoined(held.mask, k)) continue;
    } else {
      const float f = s[k].factor, factors[8] = {f, f, f, f, f, f, f, f};
      word = EightBytes<kCoding>(x, factors, job.v.format.code);
      at = course.first + course.step * k;
      if (!held.There(k)) continue;
    }
    Store8(words + at, word);
    sum += TermAt(job, word, at);
  }
  return sum;
}

/// The codes of the thread's 8 channels: a byte of each holds two tokens' codes (4 bits), or one.
template <Coding kCoding, class HeldVectors>
KV_DEVICE uint64_t PutChannels(const TeamJob& job, const HeldVectors& held, const Course& course, const Scale* s) {
  auto* words = reinterpret_cast<uint64_t*>(job.codes);
  const float factors[8] = {s[0].factor, s[1].factor, s[2].factor, s[3].factor, s[4].factor, s[5].factor, s[6].factor, s[7].factor};
  const float anchor = AnchorOf(job.v.format.code);
  uint64_t sum = 0;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; k += kCoding == kNibbles ? 2 : 1) {
    float x[8];
    held.Get(k, x);
    uint32_t row = ChannelToken(job, k);
    uint64_t word;
    if constexpr (kCoding == kNibbles) {
      row /= 2;
      float y[8];
      held.Get(k + 1, y);
      uint32_t bytes[8];
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const uint32_t low = IntegerBits(x[i], factors[i], s[i].minimum, anchor) & 15u, high = IntegerBits(y[i], factors[i], s[i].minimum, anchor) << 4;
        bytes[i] = low | (held.There(k + 1) ? high : 0);
      }
      word = PackBytes(bytes[0], bytes[1], bytes[2], bytes[3]) | static_cast<uint64_t>(PackBytes(bytes[4], bytes[5], bytes[6], bytes[7])) << 32;
    } else {
      word = EightBytes<kCoding>(x, factors, job.v.format.code);
    }
    if (!held.There(k)) continue;
    const uint32_t at = row * job.split.row_vectors + course.start.column;
    Store8(words + at, word);
    sum += TermAt(job, word, at);
  }
  return sum;
}

// --- Raw ---------------------------------------------------------------------------------------------------------------------

/// Where vector `at` lies in the cache. One by one, where a course would be one kernel more to compile.
KV_DEVICE uint64_t VectorAddress(const TeamJob& job, uint32_t at) {
  const uint32_t token = Over(at, job.v.row);
  return RowAddress(job.p, job.v, job.t, token) + 16 * (at - token * job.split.row_vectors);
}

KV_DEVICE uint64_t TermsOfTwo(const TeamJob& job, Vector16 v, uint32_t at) {
  return TermAt(job, v.x | static_cast<uint64_t>(v.y) << 32, 2 * at) + TermAt(job, v.z | static_cast<uint64_t>(v.w) << 32, 2 * at + 1);
}

KV_DEVICE uint64_t CopyTile(const TeamJob& job, uint64_t* nonfinite) {
  const uint32_t vectors = job.t.active ? job.split.tokens * job.split.row_vectors : 0;
  uint64_t sum = 0;
#pragma unroll 4
  for (uint32_t at = job.t.thread; at < vectors; at += 32 * job.split.team_warps) {
    const Vector16 v = Load16(reinterpret_cast<const void*>(VectorAddress(job, at)));
    Store16(job.codes + 16 * static_cast<uint64_t>(at), v);
    sum += TermsOfTwo(job, v, at);
    float x[8];
    UnpackAs(job.p.fp16, v, x);
#pragma unroll
    for (int i = 0; i < 8; ++i) *nonfinite += !IsUsable(x[i]);
  }
  return sum;
}

// --- A tile ------------------------------------------------------------------------------------------------------------------

/// Calls `visit` with the section's coding as a constant; the same for the whole block.
template <class Visit>
KV_DEVICE uint64_t WithCoding(uint32_t code, const Visit& visit) {
  switch (CodingOf(code)) {
    case kBytes: return visit(Constant<kBytes>{});
    case kNibbles: return visit(Constant<kNibbles>{});
    default: return visit(Constant<kFloats>{});
  }
}

template <bool kAsymmetric, class HeldVectors>
KV_DEVICE bool ScaleVectors(const TeamJob& job, const HeldVectors& held, const Course& course, Scale* s) {
  if (job.v.format.grouping == INFERNODE_KV_HEAD) return ScaleHead<kAsymmetric>(job, held, s);
  if (job.v.format.grouping != INFERNODE_KV_CHAN) return ScaleRows<kAsymmetric>(job, held, course, s);
  Extent e[8];
  held.template ExtentsOfColumns<kAsymmetric>(e);
  return ScaleChannels<kAsymmetric>(job, e, course, s);
}

/// What fits into the team at a time: all of the tile, or, of rows, a part.
template <bool kFp16, bool kRotated>
KV_DEVICE uint64_t EncodePart(const TeamJob& job, const Course& course, bool* usable) {
  uint64_t address[kHeld];
  const uint32_t mask = FindVectors(job, course, address);
  Held<kFp16, kRotated> held;
  held.Fill(address, mask, job.p.fp16, course.start.column, job.split.row_vectors, kRotated ? HadamardScale(job.p.dim) : 0);
  Scale s[kHeld];
  *usable &= IsAsymmetric(job.v.format.code) ? ScaleVectors<true>(job, held, course, s) : ScaleVectors<false>(job, held, course, s);
  if (job.v.format.grouping == INFERNODE_KV_CHAN) return WithCoding(job.v.format.code, [&](auto coding) { return PutChannels<coding.value>(job, held, course, s); });
  return WithCoding(job.v.format.code, [&](auto coding) { return PutVectors<coding.value>(job, held, course, s); });
}

/// Calls `visit` with each of the thread's courses; the same number for all threads of a warp.
template <class Visit>
KV_DEVICE uint64_t WithCourses(const TeamJob& job, const Visit& visit) {
  const bool channels = job.v.format.grouping == INFERNODE_KV_CHAN, spanning = GroupsSpanRows(job.v);
  const uint32_t part = 32 * kHeld, parts = spanning ? 1 : (job.split.tokens * job.split.row_vectors + part - 1) / part;
  uint64_t sum = 0;
#pragma unroll 1
  for (uint32_t i = spanning ? 0 : job.t.thread / 32; i < parts; i += job.split.team_warps)
    sum += visit(channels ? ChannelCourse(job) : RowCourse(job, spanning ? job.t.thread : i * part + threadIdx.x % 32));
  return sum;
}

/// Zeros from `used` bytes to the end of the line, by a warp.
KV_DEVICE void ZeroTail(uint8_t* from, uint64_t used) {
#pragma unroll 1
  for (uint64_t i = used + threadIdx.x % 32; i < (used + 63) / 64 * 64; i += 32) from[i] = 0;
}

/// Of a head whose own checksum counts as 0.
KV_DEVICE uint64_t HeadChecksum(const RecordHead& head) {
  uint64_t words[8];
  memcpy(words, &head, sizeof words);
  uint64_t sum = ChecksumTerm(0, 7);
#pragma unroll
  for (int i = 0; i < 7; ++i) sum += ChecksumTerm(words[i], i);
  return FinishChecksum(sum, 8);
}

/// The padding, the sum of what no team has summed, and the head; by one warp.
KV_DEVICE void FinishRecord(const KernelParams& p, const SectionView& v, const Item& item, uint32_t record, const Tally& tally) {
  uint8_t *bytes = RecordOf(v, record), *payload = bytes + INFERNODE_KV_RECORD_HEAD;
  ZeroTail(payload, p.heads * v.layout.codes_per_head);
  ZeroTail(bytes + v.layout.header_offset, 4 * p.heads * v.layout.groups_per_head);
  SyncWarp();
  const uint64_t words = (v.layout.bytes - INFERNODE_KV_RECORD_HEAD) / 8;
  const uint64_t sum = tally.sum + SumWords(payload, FirstUnsummed(p, v), words);
  if (threadIdx.x % 32 != 0) return;
  RecordHead head{kRecordMagic, kRecordVersion, INFERNODE_KV_RECORD_HEAD, static_cast<uint8_t>(v.format.code), static_cast<uint8_t>(v.format.grouping), static_cast<uint8_t>(p.fp16),
                  static_cast<uint8_t>(v.format.rotate), v.format.run, v.shape.tokens, v.shape.heads, v.shape.dim, v.format.static_scale, tally.nonfinite, 8 * words, FinishChecksum(sum, words), 0};
  head.head_checksum = HeadChecksum(head);
  *reinterpret_cast<RecordHead*>(bytes) = head;
  *OutcomeOf(p, item.section, record) = {tally.nonfinite, INFERNODE_KV_OK, 0};
}

/// A team's tile by rows, in place of what its warps have left. The whole block comes here.
KV_DEVICE void Redo(const KernelParams& p, const Split& split, const Item& item, uint32_t team, Shared& shared) {
  const uint32_t warp = threadIdx.x / 32;
  if (warp / split.team_warps == team) ReplaceTally(shared, item, 0, 0);
  const Tally made = EncodeByRows(p, shared.view, TileOf(p, split, item, SeatOf(split, team)), shared);
  if (threadIdx.x % 32 != 0) return;
  Add(&shared.sum[item.slot][team * split.team_warps], made.sum);
  Add(&shared.nonfinite[item.slot][team * split.team_warps], made.nonfinite);
}

template <bool kFp16, bool kRotates>
KV_DEVICE void EncodeItem(const KernelParams& p, const Split& split, const Seat& seat, const Item& item, Shared& shared) {
  const SectionView& v = shared.view;
  const Tile t = TileOf(p, split, item, seat);
  const TeamJob job = JobOf(p, split, v, t, shared);
  uint64_t sum = 0, nonfinite = 0;
  bool usable = v.fast;
  if (v.fast && v.format.code == INFERNODE_KV_RAW) sum = CopyTile(job, &nonfinite);
  else if (v.fast) sum = WithCourses(job, [&](const Course& course) { return EncodePart<kFp16, kRotates>(job, course, &usable); });
  LeaveTally(shared, item, sum, nonfinite);
  const bool redo = AnyLane(t.active && !usable);
  if (threadIdx.x % 32 == 0) shared.redo[item.slot][threadIdx.x / 32] = redo;
  if (AnyOfBlock(redo)) {
    uint32_t teams = 0;
#pragma unroll 1
    for (uint32_t w = 0; w < kWarps; ++w) teams |= shared.redo[item.slot][w] << w / split.team_warps;
#pragma unroll 1
    for (uint32_t team = 0; team < split.teams; ++team)
      if (teams >> team & 1u) Redo(p, split, item, team, shared);
    SyncBlock();
  }
  Tally tally;
  if (EndsRecord(p, split, shared, item, seat, t, &tally)) FinishRecord(p, v, item, t.record, tally);
}

}  // namespace infernode::kv
