// Decoding by vectors: no group has to be gathered, so threads take vectors in strides, their codes asked for ahead. A record's
// checksum is summed on the way; the team that ends the record compares it, and its head with the section.
#pragma once

#include "kvquant/cuda/encode.h"

namespace infernode::kv {

/// Vectors whose codes a thread asks for ahead.
constexpr uint32_t kAhead = 4;

template <Coding kCoding>
KV_DEVICE void DecodeEight(uint64_t codes, uint32_t header, uint32_t code, float* x) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const uint32_t bits = kCoding == kNibbles ? static_cast<uint32_t>(codes >> 4 * i) & 15u : static_cast<uint32_t>(codes >> 8 * i) & 0xFFu;
    x[i] = DecodeBits<kCoding>(bits, header, code);
  }
}

template <bool kFp16, bool kRotated>
KV_DEVICE void PutRow(float* x, bool fp16, uint64_t address, uint32_t column, uint32_t lanes, float scale) {
  if constexpr (kRotated) {
    HadamardInLanes(x, lanes, scale);
    FlipSignsOf(x, column);
  }
  if (!address) return;
  if constexpr (kRotated) Store16(reinterpret_cast<void*>(address), fp16 ? Pack<true>(x) : Pack<false>(x));
  else Store16(reinterpret_cast<void*>(address), Pack<kFp16>(x));
}

/// The part of the checksum of codes that are one word, or half of one (even and odd lanes hold neighbours).
KV_DEVICE uint64_t TermOf(const TeamJob& job, bool nibbles, uint64_t codes, uint32_t at, bool there) {
  const uint64_t word = nibbles ? codes | static_cast<uint64_t>(ShuffleXor(static_cast<uint32_t>(codes), 1)) << 32 : codes;
  return there && !(nibbles && at % 2 != 0) ? ChecksumTerm(word, job.first_word + (nibbles ? at / 2 : at)) : 0;
}

/// `head`, `tok` and `gN`: one header for 8 neighbours.
template <bool kFp16, bool kRotated>
KV_DEVICE uint64_t DecodeRows(const TeamJob& job) {
  const infernode_kv_format& f = job.v.format;
  const bool nibbles = IsNibbles(f.code);
  const uint32_t vectors = job.split.tokens * job.split.row_vectors, step = 32 * job.split.team_warps;
  const Divisor group = DivisorOf(f.grouping == INFERNODE_KV_HEAD ? vectors : f.grouping == INFERNODE_KV_TOK ? job.split.row_vectors : f.run / 8);
  const uint32_t* headers = HeadersOf(job.v, job.t);
  const float scale = kRotated ? HadamardScale(job.p.dim) : 0;
  uint64_t sum = 0;
#pragma unroll 1
  for (uint32_t base = 0; base < vectors; base += step * kAhead) {
    uint64_t codes[kAhead], address[kAhead];
    uint32_t header[kAhead], column[kAhead];
#pragma unroll
    for (uint32_t k = 0; k < kAhead; ++k) {
      const uint32_t at = base + step * k + job.t.thread;
      address[k] = VectorAddress(job, at, &column[k]);
      codes[k] = !address[k] ? 0 : nibbles ? Load4(job.codes + 4 * static_cast<uint64_t>(at)) : Load8(job.codes + 8 * static_cast<uint64_t>(at));
      header[k] = address[k] ? Load4(headers + Over(at, group)) : 0;
    }
#pragma unroll
    for (uint32_t k = 0; k < kAhead; ++k) sum += TermOf(job, nibbles, codes[k], base + step * k + job.t.thread, address[k] != 0);
    float x[kAhead][8];
    WithCoding(f.code, [&](auto coding) {
#pragma unroll
      for (uint32_t k = 0; k < kAhead; ++k) DecodeEight<coding.value>(codes[k], header[k], f.code, x[k]);
      return uint64_t{0};
    });
#pragma unroll
    for (uint32_t k = 0; k < kAhead; ++k) PutRow<kFp16, kRotated>(x[k], job.p.fp16, address[k], column[k], job.split.row_vectors, scale);
  }
  return sum;
}

/// `chan`: a thread keeps to 8 channels and their headers.
template <bool kFp16, bool kRotated>
KV_DEVICE uint64_t DecodeChannels(const TeamJob& job) {
  const uint32_t tokens_a_word = IsNibbles(job.v.format.code) ? 2 : 1;
  const uint32_t vectors = job.split.row_vectors, row = job.t.thread / vectors, column = job.t.thread % vectors;
  const uint32_t rows = (job.split.tokens + tokens_a_word - 1) / tokens_a_word;
  const bool works = job.t.active && row < job.split.rows_at_once;
  const float scale = kRotated ? HadamardScale(job.p.dim) : 0;
  uint32_t headers[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) headers[i] = works ? Load4(HeadersOf(job.v, job.t) + 8 * column + i) : 0;
  uint64_t sum = 0;
#pragma unroll 1
  for (uint32_t base = row; base < rows + row; base += kAhead * job.split.rows_at_once) {
    uint64_t codes[kAhead];
#pragma unroll
    for (uint32_t k = 0; k < kAhead; ++k) {
      const uint32_t r = base + k * job.split.rows_at_once, at = r * vectors + column;
      codes[k] = works && r < rows ? Load8(job.codes + 8 * static_cast<uint64_t>(at)) : 0;
      if (works && r < rows) sum += ChecksumTerm(codes[k], job.first_word + at);
    }
#pragma unroll 1
    for (uint32_t half = 0; half < tokens_a_word; ++half) {
      uint64_t address[kAhead];
#pragma unroll
      for (uint32_t k = 0; k < kAhead; ++k) {
        const uint32_t token = tokens_a_word * (base + k * job.split.rows_at_once) + half;
        address[k] = works && token < job.split.tokens ? FastRowAddress(job.p, job.v, job.t, token) + 16 * column : 0;
      }
      float x[kAhead][8];
      WithCoding(job.v.format.code, [&](auto coding) {
#pragma unroll
        for (uint32_t k = 0; k < kAhead; ++k) {
#pragma unroll
          for (int i = 0; i < 8; ++i) {
            const uint32_t byte = static_cast<uint32_t>(codes[k] >> 8 * i) & 0xFFu;
            x[k][i] = DecodeBits<coding.value>(coding.value == kNibbles ? byte >> 4 * half & 15u : byte, headers[i], job.v.format.code);
          }
        }
        return uint64_t{0};
      });
#pragma unroll
      for (uint32_t k = 0; k < kAhead; ++k) PutRow<kFp16, kRotated>(x[k], job.p.fp16, address[k], column, vectors, scale);
    }
  }
  return sum;
}

KV_DEVICE uint64_t CopyTileBack(const TeamJob& job) {
  const uint32_t vectors = job.split.tokens * job.split.row_vectors;
  uint64_t sum = 0;
#pragma unroll 1
  for (uint32_t at = job.t.thread; job.t.active && at < vectors; at += 32 * job.split.team_warps) {
    uint32_t column;
    const Vector16 v = Load16(job.codes + 16 * static_cast<uint64_t>(at));
    Store16(reinterpret_cast<void*>(VectorAddress(job, at, &column)), v);
    sum += ChecksumTerm(v.x | static_cast<uint64_t>(v.y) << 32, job.first_word + 2 * at) + ChecksumTerm(v.z | static_cast<uint64_t>(v.w) << 32, job.first_word + 2 * at + 1);
  }
  return sum;
}

template <bool kFp16, bool kRotated>
KV_DEVICE uint64_t DecodeTile(const TeamJob& job) {
  return job.v.format.grouping == INFERNODE_KV_CHAN ? DecodeChannels<kFp16, kRotated>(job) : DecodeRows<kFp16, kRotated>(job);
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

KV_DEVICE void VerifyRecord(const KernelParams& p, const SectionView& v, uint32_t section, uint32_t record) {
  const uint8_t* bytes = RecordOf(v, record);
  const uint64_t words = (v.layout.bytes - INFERNODE_KV_RECORD_HEAD) / 8;
  const uint64_t rest = SumWords(bytes + INFERNODE_KV_RECORD_HEAD, v.fast ? FirstUnsummed(p, v) : 0, words);
  if (threadIdx.x % 32 != 0) return;
  KernelRecordState* state = StateOf(p, section, record);
  const uint64_t sum = Take(&state->sum) + rest;
  state->heads_done = 0;
  const RecordHead head = *reinterpret_cast<const RecordHead*>(bytes);
  const infernode_kv_result result = JudgeRecord(p, v, head, sum, words);
  *OutcomeOf(p, section, record) = {result == INFERNODE_KV_OK ? head.nonfinite : 0, static_cast<uint32_t>(result), 0};
}

template <bool kFp16, bool kRotates>
KV_DEVICE void DecodeItem(const KernelParams& p, const Split& split, uint32_t item, Shared& shared) {
  const uint32_t section = item / split.items_per_section, first = item % split.items_per_section * split.teams;
  BeginItem(p, split, section, false, kRotates, shared);
  const SectionView& v = shared.view;
  const Tile t = TileOf(p, split, section, first, threadIdx.x / (32 * split.team_warps));
  const TeamJob job{p, split, v, t, shared, CodesOf(v, t), FirstWord(v, t)};
  if (v.fast) {
    uint64_t sum = 0;
    if (v.format.code == INFERNODE_KV_RAW) sum = CopyTileBack(job);
    else sum = DecodeTile<kFp16, kRotates>(job);
    AddToTeam(shared, t.team, sum, 0);
  } else {
#pragma unroll 1
    for (uint32_t team = 0; team < split.teams; ++team) {
      const Tile tile = TileOf(p, split, section, first, team);
      if (tile.active) DecodeByRows(p, v, tile, shared);
    }
  }
  SyncBlock();
  if (EndsRecord(p, shared, t, StateOf(p, section, t.record))) VerifyRecord(p, v, section, t.record);
}

}  // namespace infernode::kv
