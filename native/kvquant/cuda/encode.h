// Encoding by vectors: a team holds its tile in registers, so memory is read once. A group with an unusable value marks its tile,
// which the whole block then makes again by rows.h.
#pragma once

#include "kvquant/cuda/scales.h"

namespace infernode::kv {

// --- Storing -----------------------------------------------------------------------------------------------------------------

/// The codes of the thread's vectors, each of one group, and their part of the checksum. The whole warp comes here: the vectors of
/// even and odd lanes are neighbours, which share a word of 4-bit codes.
template <Coding kCoding, class HeldVectors>
KV_DEVICE uint64_t PutVectors(const TeamJob& job, const HeldVectors& held, const Course& course, const Scale* s) {
  uint64_t sum = 0;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) {
    const uint32_t at = course.first + course.step * k;
    float x[8];
    held.Get(k, x);
    if constexpr (kCoding == kNibbles) {
      const uint32_t word = EightNibbles(x, s[k].factor, s[k].minimum, AnchorOf(job.v.format.code)), other = ShuffleXor(word, 1);
      if (!held.There(k)) continue;
      reinterpret_cast<uint32_t*>(job.codes)[at] = word;
      if (at % 2 == 0) sum += ChecksumTerm(word | static_cast<uint64_t>(other) << 32, job.first_word + at / 2);
    } else {
      const float f = s[k].factor, factors[8] = {f, f, f, f, f, f, f, f};
      const uint64_t word = EightBytes<kCoding>(x, factors, job.v.format.code);
      if (!held.There(k)) continue;
      reinterpret_cast<uint64_t*>(job.codes)[at] = word;
      sum += ChecksumTerm(word, job.first_word + at);
    }
  }
  return sum;
}

/// The codes of the thread's 8 channels: bytes of two tokens' codes (4 bits), or a row of codes for each token.
template <Coding kCoding, class HeldVectors>
KV_DEVICE uint64_t PutChannels(const TeamJob& job, const HeldVectors& held, uint32_t column, const Scale* s) {
  auto* words = reinterpret_cast<uint64_t*>(job.codes);
  const float factors[8] = {s[0].factor, s[1].factor, s[2].factor, s[3].factor, s[4].factor, s[5].factor, s[6].factor, s[7].factor};
  uint64_t sum = 0;
  uint32_t bytes[8] = {};
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) {
    float x[8];
    held.Get(k, x);
    uint32_t at = ChannelToken(job, k) * job.split.row_vectors + column;
    uint64_t word;
    if constexpr (kCoding == kNibbles) {
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const uint32_t code = IntegerBits(x[i], factors[i], s[i].minimum, AnchorOf(job.v.format.code)) & 15u;
        if (k % 2 == 0) bytes[i] = code;
        else if (held.There(k)) bytes[i] |= code << 4;
      }
      if (k % 2 == 0) continue;
      at = ChannelToken(job, k) / 2 * job.split.row_vectors + column;
      word = PackBytes(bytes[0], bytes[1], bytes[2], bytes[3]) | static_cast<uint64_t>(PackBytes(bytes[4], bytes[5], bytes[6], bytes[7])) << 32;
      if (!held.There(k - 1)) continue;
    } else {
      word = EightBytes<kCoding>(x, factors, job.v.format.code);
      if (!held.There(k)) continue;
    }
    words[at] = word;
    sum += ChecksumTerm(word, job.first_word + at);
  }
  return sum;
}

// --- Raw ---------------------------------------------------------------------------------------------------------------------

KV_DEVICE uint64_t CopyTile(const TeamJob& job, uint64_t* nonfinite) {
  const uint32_t vectors = job.split.tokens * job.split.row_vectors;
  uint64_t sum = 0;
#pragma unroll 1
  for (uint32_t at = job.t.thread; job.t.active && at < vectors; at += 32 * job.split.team_warps) {
    uint32_t column;
    const Vector16 v = Load16(reinterpret_cast<const void*>(VectorAddress(job, at, &column)));
    Store16(job.codes + 16 * static_cast<uint64_t>(at), v);
    sum += ChecksumTerm(v.x | static_cast<uint64_t>(v.y) << 32, job.first_word + 2 * at) + ChecksumTerm(v.z | static_cast<uint64_t>(v.w) << 32, job.first_word + 2 * at + 1);
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
KV_DEVICE bool ScaleVectors(const TeamJob& job, const HeldVectors& held, const Course& course, uint32_t column, Scale* s) {
  if (job.v.format.grouping == INFERNODE_KV_HEAD) return ScaleHead<kAsymmetric>(job, held, s);
  if (job.v.format.grouping == INFERNODE_KV_CHAN) return ScaleChannels<kAsymmetric>(job, held, column, s);
  return ScaleRows<kAsymmetric>(job, held, course, s);
}

/// What fits into the team at a time: all of the tile, or, of rows, a part.
template <bool kFp16, bool kRotated>
KV_DEVICE uint64_t EncodePart(const TeamJob& job, const Course& course, bool* usable) {
  const bool channels = job.v.format.grouping == INFERNODE_KV_CHAN;
  const bool works = job.t.active && !(channels && job.t.thread / job.split.row_vectors >= job.split.rows_at_once);
  uint64_t address[kHeld];
  uint32_t first_column = 0;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) {
    const uint32_t at = course.first + course.step * k, token = channels ? ChannelToken(job, k) : Over(at, job.v.row);
    const uint32_t column = channels ? job.t.thread % job.split.row_vectors : at - token * job.split.row_vectors;
    address[k] = works && token < job.split.tokens ? FastRowAddress(job.p, job.v, job.t, token) + 16 * column : 0;
    if (k == 0) first_column = column;
  }
  Held<kFp16, kRotated> held;
  held.Fill(address, job.p.fp16, first_column, job.split.row_vectors, kRotated ? HadamardScale(job.p.dim) : 0);
  Scale s[kHeld];
  *usable &= IsAsymmetric(job.v.format.code) ? ScaleVectors<true>(job, held, course, first_column, s) : ScaleVectors<false>(job, held, course, first_column, s);
  if (channels) return WithCoding(job.v.format.code, [&](auto coding) { return PutChannels<coding.value>(job, held, first_column, s); });
  return WithCoding(job.v.format.code, [&](auto coding) { return PutVectors<coding.value>(job, held, course, s); });
}

template <bool kFp16, bool kRotated>
KV_DEVICE uint64_t EncodeTile(const TeamJob& job) {
  const bool spanning = GroupsSpanRows(job.v);
  // Of rows a warp takes 256 vectors that lie together; else the vectors are dealt among all threads of the team, once.
  const uint32_t vectors = job.split.tokens * job.split.row_vectors, part = 32 * kHeld, parts = spanning ? 1 : (vectors + part - 1) / part;
  bool usable = true;
  uint64_t sum = 0;
#pragma unroll 1
  for (uint32_t i = spanning ? 0 : job.t.thread / 32; i < parts; i += job.split.team_warps) {
    const Course course = spanning ? Course{job.t.thread, 32 * job.split.team_warps} : Course{i * part + job.t.thread % 32, 32};
    sum += EncodePart<kFp16, kRotated>(job, course, &usable);
  }
  if (job.t.active && !usable) job.shared.redo[job.t.team] = 1;
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
KV_DEVICE void FinishRecord(const KernelParams& p, const SectionView& v, uint32_t section, uint32_t record) {
  uint8_t *bytes = RecordOf(v, record), *payload = bytes + INFERNODE_KV_RECORD_HEAD;
  ZeroTail(payload, p.heads * v.layout.codes_per_head);
  ZeroTail(bytes + v.layout.header_offset, 4 * p.heads * v.layout.groups_per_head);
  Fence();
  SyncWarp();
  const uint64_t words = (v.layout.bytes - INFERNODE_KV_RECORD_HEAD) / 8;
  const uint64_t rest = SumWords(payload, FirstUnsummed(p, v), words);
  if (threadIdx.x % 32 != 0) return;
  KernelRecordState* state = StateOf(p, section, record);
  const uint64_t sum = Take(&state->sum) + rest, nonfinite = Take(&state->nonfinite);
  state->heads_done = 0;
  RecordHead head{kRecordMagic, kRecordVersion, INFERNODE_KV_RECORD_HEAD, static_cast<uint8_t>(v.format.code), static_cast<uint8_t>(v.format.grouping), static_cast<uint8_t>(p.fp16),
                  static_cast<uint8_t>(v.format.rotate), v.format.run, v.shape.tokens, v.shape.heads, v.shape.dim, v.format.static_scale, nonfinite, 8 * words, FinishChecksum(sum, words), 0};
  head.head_checksum = HeadChecksum(head);
  *reinterpret_cast<RecordHead*>(bytes) = head;
  *OutcomeOf(p, section, record) = {nonfinite, INFERNODE_KV_OK, 0};
}

template <bool kFp16, bool kRotates>
KV_DEVICE void EncodeItem(const KernelParams& p, const Split& split, uint32_t item, Shared& shared) {
  const uint32_t section = item / split.items_per_section, first = item % split.items_per_section * split.teams;
  BeginItem(p, split, section, true, kRotates, shared);
  const SectionView& v = shared.view;
  const Tile t = TileOf(p, split, section, first, threadIdx.x / (32 * split.team_warps));
  const TeamJob job{p, split, v, t, shared, CodesOf(v, t), FirstWord(v, t)};
  if (v.fast) {
    uint64_t sum = 0, nonfinite = 0;
    if (v.format.code == INFERNODE_KV_RAW) sum = CopyTile(job, &nonfinite);
    else sum = EncodeTile<kFp16, kRotates>(job);
    AddToTeam(shared, t.team, sum, nonfinite);
  }
  SyncBlock();
#pragma unroll 1
  for (uint32_t team = 0; team < split.teams; ++team) {
    if (!shared.redo[team]) continue;
    const Tile again = TileOf(p, split, section, first, team);
    if (!again.active) continue;
    if (threadIdx.x == 0) shared.sum[team] = 0;
    EncodeByRows(p, v, again, shared);
  }
  Fence();
  SyncBlock();
  if (EndsRecord(p, shared, t, StateOf(p, section, t.record))) FinishRecord(p, v, section, t.record);
}

}  // namespace infernode::kv
