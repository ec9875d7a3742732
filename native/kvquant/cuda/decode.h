// Decoding by vectors, the same ones for a thread as in encoding; their codes and headers are all asked for at once. A record's checksum is
// summed on the way; the team that ends the record compares it, and its head with the section.
#pragma once

#include "kvquant/cuda/encode.h"

namespace infernode::kv {

/// Vectors that are decoded, and turned back, at a time.
constexpr uint32_t kAtOnce = 4;

/// What a thread has read: for each of its vectors eight codes in bytes (4 bits: in their low halves), and a header; `chan`: a header for each
/// of its 8 channels. Of no meaning where a vector is not there.
struct Read {
  uint64_t codes[kHeld];
  uint32_t headers[8];
  uint32_t mask;  ///< bit k: vector k is there
};

/// Makes each value depend on all of them, by way of a zero that the compiler does not know: else it lets later loads wait until earlier ones
/// have come and been used, four or five trips to memory instead of one.
KV_DEVICE void AwaitAll(const TeamJob& job, Read& r) {
  uint32_t all = 0;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) all |= static_cast<uint32_t>(r.codes[k]) | r.headers[k];
  const uint32_t zero = all & job.v.section.reserved;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) r.codes[k] ^= zero | static_cast<uint64_t>(zero) << 32, r.headers[k] ^= zero;
}

/// Where codes and headers are read from, always: a load that depends on a branch waits for the one before it. A thread with
/// nothing to read has the first section for both.
struct Sources {
  const uint64_t* words;
  const uint32_t* headers;
};
KV_DEVICE Sources SourcesOf(const TeamJob& job, uint32_t mask) {
  const uint64_t words = mask ? reinterpret_cast<uint64_t>(job.codes) : job.p.sections, headers = mask ? reinterpret_cast<uint64_t>(HeadersOf(job.v, job.t)) : job.p.sections;
  return {reinterpret_cast<const uint64_t*>(words), reinterpret_cast<const uint32_t*>(headers)};
}

/// `head`, `tok` and `gN`: one header for 8 neighbours. Returns the codes' part of the checksum; the whole warp comes here.
KV_DEVICE uint64_t ReadRows(const TeamJob& job, const Course& course, Read& r) {
  const bool nibbles = IsNibbles(job.v.format.code);
  const Sources from = SourcesOf(job, r.mask);
  uint32_t word[kHeld], summed = r.mask;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) {
    const uint32_t at = r.mask >> k & 1u ? course.first + course.step * k : 0;
    // Of 4 bits two vectors have a word, which PartNibbles deals out.
    word[k] = !nibbles ? at : HasJoined(r.mask, k / 2 * 2) ? JoinedWord(course, k / 2 * 2) : 0;
    r.headers[k] = Load4(from.headers + (at >> job.v.group_shift));
    r.codes[k] = Load8(from.words + word[k]);
  }
  AwaitAll(job, r);
  if (nibbles) {
    summed = 0;
#pragma unroll
    for (uint32_t k = 0; k < kHeld; k += 2) summed |= HasJoined(r.mask, k) << k;
  }
  uint64_t sum = 0;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) sum += TermAt(job, r.codes[k], word[k]) & (0 - static_cast<uint64_t>(summed >> k & 1u));
  if (!nibbles) return sum;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; k += 2) {
    uint32_t first, second;
    PartNibbles(r.codes[k], &first, &second);
    r.codes[k] = SpreadNibbles(first), r.codes[k + 1] = SpreadNibbles(second);
  }
  return sum;
}

/// `chan`: a thread keeps to 8 channels; of 4 bits two tokens have a word.
KV_DEVICE uint64_t ReadChannels(const TeamJob& job, const Course& course, Read& r) {
  const bool nibbles = IsNibbles(job.v.format.code);
  const Sources from = SourcesOf(job, r.mask);
  const uint32_t column = r.mask ? course.start.column : 0, summed = nibbles ? r.mask & 0x55u : r.mask;
  uint32_t word[kHeld];
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) {
    const uint32_t row = nibbles ? ChannelToken(job, k / 2 * 2) / 2 : ChannelToken(job, k);
    word[k] = (r.mask >> (nibbles ? k / 2 * 2 : k) & 1u ? row * job.split.row_vectors : 0) + column;
    r.headers[k] = Load4(from.headers + (r.mask ? 8 * column + k : 0));
    r.codes[k] = Load8(from.words + word[k]);
  }
  AwaitAll(job, r);
  uint64_t sum = 0;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; ++k) sum += TermAt(job, r.codes[k], word[k]) & (0 - static_cast<uint64_t>(summed >> k & 1u));
  if (!nibbles) return sum;
#pragma unroll
  for (uint32_t k = 0; k < kHeld; k += 2) r.codes[k + 1] = r.codes[k] >> 4 & 0x0F0F0F0F0F0F0F0Fu, r.codes[k] &= 0x0F0F0F0F0F0F0F0Fu;
  return sum;
}

template <bool kFp16, bool kRotated>
KV_DEVICE void MeasureVector(const TeamJob& job, Vector16 stored, Vector16 made, KernelDifference& difference) {
  const bool fp16 = kRotated ? job.p.fp16 != 0 : kFp16;
  float x[8], y[8];
  UnpackAs(fp16, stored, x);
  UnpackAs(fp16, made, y);
  Compare(x, y, 8, difference);
}

/// Decodes vectors [k, k + kAtOnce) and stores or measures them. `numbers`: none of the values is a NaN. The whole warp comes here.
template <bool kFp16, bool kRotated>
KV_DEVICE void DecodeSome(const TeamJob& job, const Read& r, uint32_t k, const Meaning* meaning, bool numbers, const uint64_t* address, Vector16 signs) {
  float x[kAtOnce][8];
  WithCoding(job.v.format.code, [&](auto coding) {
#pragma unroll
    for (uint32_t j = 0; j < kAtOnce; ++j) ValuesOfBytes<coding.value>(r.codes[k + j], job.v.format.code, x[j]);
    return uint64_t{0};
  });
  // Two loops, so that which it is costs one branch and not a choice for each value.
  if (job.v.format.grouping == INFERNODE_KV_CHAN) {
#pragma unroll
    for (uint32_t i = 0; i < 8 * kAtOnce; ++i) x[i / 8][i % 8] = Decoded(x[i / 8][i % 8], meaning[i % 8]);
  } else {
#pragma unroll
    for (uint32_t i = 0; i < 8 * kAtOnce; ++i) x[i / 8][i % 8] = Decoded(x[i / 8][i % 8], meaning[k + i / 8]);
  }
  if constexpr (kRotated) HadamardInLanes<kAtOnce>(x, job.split.row_vectors, HadamardScale(job.p.dim));
  KernelDifference difference{0, 0};
#pragma unroll
  for (uint32_t j = 0; j < kAtOnce; ++j) {
    if ((r.mask >> (k + j) & 1u) == 0) continue;
    auto* place = reinterpret_cast<void*>(address[k + j]);
    const Vector16 made = kRotated && job.p.fp16 ? Pack<true>(x[j], numbers, signs) : Pack<kFp16>(x[j], numbers, signs);
    if (job.p.errors) MeasureVector<kFp16, kRotated>(job, Load16(place), made, difference);
    else Store16(place, made);
  }
  if (job.p.errors) AddDifference(job.shared, difference);
}

/// What a thread asks for at a time: all of the tile, or, of rows, a part.
template <bool kFp16, bool kRotated>
KV_DEVICE uint64_t DecodePart(const TeamJob& job, const Course& course) {
  Read r;
  r.mask = VectorsThere(job, course);
  const uint32_t code = job.v.format.code;
  const uint64_t sum = job.v.format.grouping == INFERNODE_KV_CHAN ? ReadChannels(job, course, r) : ReadRows(job, course, r);
  // A sum of infinities of both signs would be a NaN: so a row that is turned back has small headers only, to be sure of numbers.
  bool numbers = !IsByteFloat(code);
  Meaning meaning[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) meaning[i] = MeaningOf(r.headers[i], code), numbers &= IsBelow(r.headers[i], code, kRotated ? 0x1p100f : FromBits(0x7F800000u));
  if constexpr (kRotated) numbers = !AnyLane(!numbers);
  // Not before the codes were asked for: registers are short, and what waits in them would make one load wait for another.
  uint64_t address[kHeld];
  FindVectors(job, course, address);
  const Vector16 signs = kRotated ? SignsOf(course.start.column) : Vector16{0, 0, 0, 0};
#pragma unroll
  for (uint32_t k = 0; k < kHeld; k += kAtOnce) DecodeSome<kFp16, kRotated>(job, r, k, meaning, numbers, address, signs);
  return sum;
}

KV_DEVICE uint64_t CopyTileBack(const TeamJob& job) {
  const uint32_t vectors = job.t.active ? job.split.tokens * job.split.row_vectors : 0;
  uint64_t sum = 0;
#pragma unroll 4
  for (uint32_t at = job.t.thread; at < vectors; at += 32 * job.split.team_warps) {
    const Vector16 v = Load16(job.codes + 16 * static_cast<uint64_t>(at));
    if (!job.p.errors) Store16(reinterpret_cast<void*>(VectorAddress(job, at)), v);
    sum += TermsOfTwo(job, v, at);
  }
  return sum;
}

/// What ParseRecordHead and the comparison with the section would say; the payload's sum is looked at last.
KV_DEVICE infernode_kv_result JudgeRecord(const KernelParams& p, const SectionView& v, const RecordHead& head, uint64_t sum, uint64_t words) {
  if (head.magic != kRecordMagic || head.version != kRecordVersion || head.head_bytes != INFERNODE_KV_RECORD_HEAD) return INFERNODE_KV_BAD_RECORD;
  if (head.head_checksum != HeadChecksum(head)) return INFERNODE_KV_BAD_CHECKSUM;
  const bool same = head.code == static_cast<uint32_t>(v.format.code) && head.grouping == static_cast<uint32_t>(v.format.grouping) && head.dtype == p.fp16 && head.rotate == v.format.rotate &&
                    head.run == v.format.run && head.tokens == v.shape.tokens && head.heads == v.shape.heads && head.dim == v.shape.dim &&
                    head.static_scale == v.format.static_scale && head.payload_bytes == 8 * words;
  if (!same) return INFERNODE_KV_BAD_RECORD;
  return head.checksum == FinishChecksum(sum, words) ? INFERNODE_KV_OK : INFERNODE_KV_BAD_CHECKSUM;
}

KV_DEVICE void VerifyRecord(const KernelParams& p, const SectionView& v, const Item& item, uint32_t record, const Tally& tally) {
  const uint8_t* bytes = RecordOf(v, record);
  const uint64_t words = (v.layout.bytes - INFERNODE_KV_RECORD_HEAD) / 8;
  const uint64_t sum = tally.sum + SumWords(bytes + INFERNODE_KV_RECORD_HEAD, v.fast ? FirstUnsummed(p, v) : 0, words);
  if (threadIdx.x % 32 != 0) return;
  const RecordHead head = *reinterpret_cast<const RecordHead*>(bytes);
  const infernode_kv_result result = JudgeRecord(p, v, head, sum, words);
  *OutcomeOf(p, item.section, record) = {result == INFERNODE_KV_OK ? head.nonfinite : 0, static_cast<uint32_t>(result), 0};
}

template <bool kFp16, bool kRotates>
KV_DEVICE void DecodeItem(const KernelParams& p, const Split& split, const Seat& seat, const Item& item, Shared& shared) {
  const SectionView& v = shared.view;
  const Tile t = TileOf(p, split, item, seat);
  const TeamJob job = JobOf(p, split, v, t, shared);
  uint64_t sum = 0;
  if (v.fast && v.format.code == INFERNODE_KV_RAW) sum = CopyTileBack(job);
  else if (v.fast) sum = WithCourses(job, [&](const Course& course) { return DecodePart<kFp16, kRotates>(job, course); });
  else {
#pragma unroll 1
    for (uint32_t team = 0; team < split.teams; ++team) {
      const Tile tile = TileOf(p, split, item, SeatOf(split, team));
      if (!tile.active) continue;
      DecodeByRows(p, v, tile, shared);
      if (p.errors && threadIdx.x == 0) WriteDifference(p, shared, item.section, tile, 0, kWarps);
    }
  }
  LeaveTally(shared, item, sum, 0);
  SyncBlock();
  if (p.errors && v.fast) {
    if (t.active && t.thread == 0) WriteDifference(p, shared, item.section, t, threadIdx.x / 32, split.team_warps);
    SyncBlock();
  }
  Tally tally;
  if (EndsRecord(p, split, shared, item, seat, t, &tally)) VerifyRecord(p, v, item, t.record, tally);
}

}  // namespace infernode::kv
