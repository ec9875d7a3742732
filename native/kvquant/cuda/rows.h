// One tile by a whole block, row by row, element by element: for shapes without whole 16-byte vectors, for static scales, and for tiles
// that hold something unusual (NaN, infinite, huge). Not fast; the input is read twice where a group spans rows.
#pragma once

#include "kvquant/cuda/rotate.h"

namespace infernode::kv {

/// Where the code of an element lies: group `slot` of its row, code `index` of that group, whose bytes lie `stride` apart from `base` on.
struct Place {
  uint32_t slot, index, stride;
  uint64_t base;
};

KV_DEVICE Place PlaceOf(const SectionView& v, uint32_t t, uint32_t d) {
  const infernode_kv_format& f = v.format;
  const uint32_t dim = v.shape.dim;
  switch (f.grouping) {
    case INFERNODE_KV_HEAD: return {0, t * dim + d, 1, 0};
    case INFERNODE_KV_TOK: return {0, d, 1, CodeOffset(f, v.shape, t)};
    case INFERNODE_KV_RUN: return {d / f.run, d % f.run, 1, CodeOffset(f, v.shape, t * RunsPerRow(f, v.shape) + d / f.run)};
    default: return {d, t, dim, d};
  }
}

KV_DEVICE bool GroupsSpanRows(const SectionView& v) { return v.format.grouping == INFERNODE_KV_HEAD || v.format.grouping == INFERNODE_KV_CHAN; }
KV_DEVICE uint32_t SlotsOf(const SectionView& v) {
  return v.format.grouping == INFERNODE_KV_CHAN ? v.shape.dim : v.format.grouping == INFERNODE_KV_RUN ? static_cast<uint32_t>(RunsPerRow(v.format, v.shape)) : 1;
}

KV_DEVICE void LoadRow(const KernelParams& p, const SectionView& v, const Tile& t, uint32_t token, Shared& shared) {
  const auto* from = reinterpret_cast<const uint16_t*>(RowAddress(p, v, t, token));
#pragma unroll 1
  for (uint32_t d = threadIdx.x; d < p.dim; d += kKernelThreads) {
    const float x = ToFloatAs(p.fp16, from[d]);
    shared.row[d] = v.format.rotate ? FromBits(Bits(x) ^ SignBit(d)) : x;
  }
  SyncBlock();
  if (v.format.rotate) HadamardInBlock(shared.row, p.dim);
}

KV_DEVICE void ClearSlots(const SectionView& v, Shared& shared) {
#pragma unroll 1
  for (uint32_t i = threadIdx.x; i < SlotsOf(v); i += kKernelThreads) shared.low[i] = 0xFFFFFFFFu, shared.high[i] = 0;
  SyncBlock();
}

/// Widens the extents of the row's groups by what is usable, and counts what is not.
KV_DEVICE uint32_t MeasureRow(const SectionView& v, uint32_t token, Shared& shared) {
  uint32_t nonfinite = 0;
#pragma unroll 1
  for (uint32_t d = threadIdx.x; d < v.shape.dim; d += kKernelThreads) {
    const float x = shared.row[d];
    const uint32_t slot = PlaceOf(v, token, d).slot;
    if (!IsUsable(x)) ++nonfinite;
    else if (IsAsymmetric(v.format.code)) Maximize(&shared.high[slot], OrderedKey(x)), Minimize(&shared.low[slot], OrderedKey(x));
    else Maximize(&shared.high[slot], MagnitudeKey(x));
  }
  SyncBlock();
  return nonfinite;
}

KV_DEVICE Scale ScaleOfAny(const SectionView& v, uint32_t low, uint32_t high) {
  Scale scale = IsAsymmetric(v.format.code) ? ScaleOf<true>(ExtentOfKeys<true>(low, high), 0) : ScaleOf<false>(ExtentOfKeys<false>(low, high), TopOf(v.format.code));
  if (v.format.static_scale > 0) scale.header = Bits(v.format.static_scale);
  return scale;
}

/// Turns the extents into minima (low) and factors (high), and writes the headers; `first` is the first group's number.
KV_DEVICE void MakeScales(const SectionView& v, uint32_t* headers, uint32_t first, Shared& shared) {
#pragma unroll 1
  for (uint32_t i = threadIdx.x; i < SlotsOf(v); i += kKernelThreads) {
    const Scale scale = ScaleOfAny(v, shared.low[i], shared.high[i]);
    shared.low[i] = Bits(scale.minimum), shared.high[i] = Bits(scale.factor);
    headers[first + i] = scale.header;
  }
  SyncBlock();
}

KV_DEVICE uint32_t AnyFp8(float y, bool e5m2) {
  const uint32_t sign = Bits(y) >> 24 & 0x80u;
  const float a = FromBits(MagnitudeKey(y));
  if (a != a) return 0x7Fu;
  return sign | (a >= TopOf(e5m2 ? INFERNODE_KV_E5M2 : INFERNODE_KV_E4M3) ? (e5m2 ? 0x7Bu : 0x7Eu) : Fp8Magnitude(a, e5m2));
}

/// The code of any value at all, as scalar.cc makes it.
KV_DEVICE uint32_t AnyCode(const SectionView& v, float x, float factor, float minimum) {
  const bool usable = IsUsable(x), positive = x > 0, nan = x != x;
  const uint32_t code = v.format.code;
  if (IsByteFloat(code)) {
    float y = v.format.static_scale > 0 ? x / v.format.static_scale : x * factor;
    if (!usable) y = nan ? x : FromBits((Bits(x) & 0x80000000u) | 0x7F800000u);
    return AnyFp8(y, code == INFERNODE_KV_E5M2);
  }
  if (usable) return IntegerBits(x, factor, minimum, AnchorOf(code)) & (code == INFERNODE_KV_INT8 ? 0xFFu : 15u);
  if (code == INFERNODE_KV_INT8) return nan ? 0u : positive ? 0x7Fu : 0x81u;
  if (code == INFERNODE_KV_INT4S) return nan ? 8u : positive ? 15u : 1u;
  return positive ? 15u : 0u;
}

KV_DEVICE void EncodeRow(const SectionView& v, uint32_t token, uint8_t* codes, Shared& shared) {
  // Two codes share a byte, and two threads, or two rows: even ones begin it, odd ones complete it.
  const uint32_t passes = IsNibbles(v.format.code) ? 2 : 1;
#pragma unroll 1
  for (uint32_t pass = 0; pass < passes; ++pass) {
#pragma unroll 1
    for (uint32_t d = threadIdx.x; d < v.shape.dim; d += kKernelThreads) {
      const Place at = PlaceOf(v, token, d);
      if (passes == 2 && at.index % 2 != pass) continue;
      const uint32_t code = AnyCode(v, shared.row[d], FromBits(shared.high[at.slot]), FromBits(shared.low[at.slot]));
      uint8_t& byte = codes[at.base + static_cast<uint64_t>(at.index / passes) * at.stride];
      byte = static_cast<uint8_t>(pass == 0 ? code : byte | code << 4);
    }
    SyncBlock();
  }
}

/// `raw`: the values as they are.
KV_DEVICE uint32_t CopyRowOut(const KernelParams& p, const SectionView& v, const Tile& t, uint32_t token, uint8_t* codes) {
  const auto* from = reinterpret_cast<const uint16_t*>(RowAddress(p, v, t, token));
  auto* to = reinterpret_cast<uint16_t*>(codes) + static_cast<uint64_t>(token) * p.dim;
  uint32_t nonfinite = 0;
#pragma unroll 1
  for (uint32_t d = threadIdx.x; d < p.dim; d += kKernelThreads) {
    nonfinite += !IsUsable(ToFloatAs(p.fp16, from[d]));
    to[d] = from[d];
  }
  return nonfinite;
}

/// The whole block comes here; `t` is the tile that is made, whoever's it was. The first lane of each warp gets the warp's part.
KV_DEVICE Tally EncodeByRows(const KernelParams& p, const SectionView& v, const Tile& t, Shared& shared) {
  uint8_t* codes = CodesOf(v, t);
  uint32_t* headers = HeadersOf(v, t);
  const bool raw = v.format.code == INFERNODE_KV_RAW, spanning = !raw && GroupsSpanRows(v);
  uint64_t nonfinite = 0;
  SyncBlock();
  if (spanning) {
    ClearSlots(v, shared);
#pragma unroll 1
    for (uint32_t token = 0; token < v.shape.tokens; ++token) {
      LoadRow(p, v, t, token, shared);
      nonfinite += MeasureRow(v, token, shared);
    }
    MakeScales(v, headers, 0, shared);
  }
#pragma unroll 1
  for (uint32_t token = 0; token < v.shape.tokens; ++token) {
    if (raw) {
      nonfinite += CopyRowOut(p, v, t, token, codes);
      continue;
    }
    LoadRow(p, v, t, token, shared);
    if (!spanning) {
      ClearSlots(v, shared);
      nonfinite += MeasureRow(v, token, shared);
      MakeScales(v, headers, token * SlotsOf(v), shared);
    }
    EncodeRow(v, token, codes, shared);
  }
  SyncBlock();
  uint64_t sum = 0;
  if (v.whole_words)
#pragma unroll 1
    for (uint64_t i = threadIdx.x; i < v.layout.codes_per_head / 8; i += kKernelThreads) sum += ChecksumTerm(LoadWritten8(codes + 8 * i), FirstWord(v, t) + i);
  return {SumOfWarp(sum), SumOfWarp(nonfinite)};
}

template <Coding kCoding>
KV_DEVICE float DecodeOne(uint32_t bits, uint32_t header, uint32_t code) {
  float x[8];
  ValuesOfBytes<kCoding>(bits, code, x);
  return Decoded(x[0], MeaningOf(header, code));
}

/// `bits`: the code in the low byte, or in the low nibble.
KV_DEVICE float DecodeAny(uint32_t code, uint32_t bits, uint32_t header) {
  const Coding coding = CodingOf(code);
  return coding == kBytes ? DecodeOne<kBytes>(bits, header, code) : coding == kNibbles ? DecodeOne<kNibbles>(bits, header, code) : DecodeOne<kFloats>(bits, header, code);
}

/// Stores a row of shared memory, or measures it.
KV_DEVICE void PutRow(const KernelParams& p, const SectionView& v, uint16_t* to, Shared& shared) {
  KernelDifference difference{0, 0};
#pragma unroll 1
  for (uint32_t d = threadIdx.x; d < p.dim; d += kKernelThreads) {
    const uint32_t made = RoundOneAs(p.fp16, v.format.rotate ? FromBits(Bits(shared.row[d]) ^ SignBit(d)) : shared.row[d]);
    if (p.errors) {
      const float x = ToFloatAs(p.fp16, to[d]), y = ToFloatAs(p.fp16, made);
      Compare(&x, &y, 1, difference);
    } else {
      to[d] = static_cast<uint16_t>(made);
    }
  }
  if (p.errors) AddDifference(shared, difference);
  SyncBlock();
}

/// The whole block comes here, and leaves together. Sums nothing: the team that ends the record does.
KV_DEVICE void DecodeByRows(const KernelParams& p, const SectionView& v, const Tile& t, Shared& shared) {
  const uint8_t* codes = CodesOf(v, t);
  const uint32_t* headers = HeadersOf(v, t);
  const bool nibbles = IsNibbles(v.format.code);
  SyncBlock();
#pragma unroll 1
  for (uint32_t token = 0; token < v.shape.tokens; ++token) {
    auto* to = reinterpret_cast<uint16_t*>(RowAddress(p, v, t, token));
    if (v.format.code == INFERNODE_KV_RAW) {
      const auto* from = reinterpret_cast<const uint16_t*>(codes) + static_cast<uint64_t>(token) * p.dim;
#pragma unroll 1
      for (uint32_t d = threadIdx.x; !p.errors && d < p.dim; d += kKernelThreads) to[d] = from[d];
      continue;
    }
    const uint32_t first = GroupsSpanRows(v) ? 0 : token * SlotsOf(v);
#pragma unroll 1
    for (uint32_t d = threadIdx.x; d < p.dim; d += kKernelThreads) {
      const Place at = PlaceOf(v, token, d);
      const uint32_t byte = codes[at.base + static_cast<uint64_t>(nibbles ? at.index / 2 : at.index) * at.stride];
      shared.row[d] = DecodeAny(v.format.code, nibbles ? byte >> at.index % 2 * 4 & 15u : byte, headers[first + at.slot]);
    }
    SyncBlock();
    if (v.format.rotate) HadamardInBlock(shared.row, p.dim);
    PutRow(p, v, to, shared);
  }
}

}  // namespace infernode::kv
