// Values, extents, scales and codes of eight neighbouring elements: what scalar.cc does, eight at a time in one thread.
//
// What must stay true: the same operations in the same order as scalar.cc, each rounded once (no contraction). What is not
// usable (NaN, infinite, at least 2^120) never gets here: its group is found by its extent and made by rows.h instead.
#pragma once

#include "kvquant/cuda/device.h"
#include "kvquant/infernode_kv.h"

namespace infernode::kv {

/// Bits of 2^120: magnitudes from here on, infinities and NaN are not usable.
constexpr uint32_t kUnusableBits = 0x7B800000u;
constexpr float kTinyScale = 0x1p-90f;

constexpr bool IsAsymmetric(uint32_t code) { return code == INFERNODE_KV_INT4A; }
constexpr bool IsNibbles(uint32_t code) { return code == INFERNODE_KV_INT4S || code == INFERNODE_KV_INT4A; }
constexpr bool IsByteFloat(uint32_t code) { return code == INFERNODE_KV_E4M3 || code == INFERNODE_KV_E5M2; }
constexpr float TopOf(uint32_t code) { return code == INFERNODE_KV_INT8 ? 127.0f : code == INFERNODE_KV_INT4S ? 7.0f : code == INFERNODE_KV_E4M3 ? 448.0f : 57344.0f; }

KV_DEVICE bool IsUsable(float x) { return (Bits(x) & 0x7FFFFFFFu) < kUnusableBits; }

template <bool kFp16>
KV_DEVICE float ToFloat(uint32_t low16) {
  if constexpr (kFp16) return HalfToFloat(low16);
  else return FromBits(low16 << 16);
}

/// Element 0 or 1 of a pair.
template <bool kFp16>
KV_DEVICE float ElementOf(uint32_t pair, int i) {
  if constexpr (kFp16) return HalfToFloat(i ? pair >> 16 : pair & 0xFFFFu);
  else return FromBits(i ? pair & 0xFFFF0000u : pair << 16);
}

template <bool kFp16>
KV_DEVICE void Unpack(Vector16 v, float* x) {
  const uint32_t w[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
  for (int i = 0; i < 8; ++i) x[i] = ElementOf<kFp16>(w[i / 2], i % 2);
}

/// Where it is known only at run time.
KV_DEVICE float ToFloatAs(bool fp16, uint32_t low16) { return fp16 ? ToFloat<true>(low16) : ToFloat<false>(low16); }
KV_DEVICE void UnpackAs(bool fp16, Vector16 v, float* x) {
  if (fp16) Unpack<true>(v, x);
  else Unpack<false>(v, x);
}

// --- Extents ------------------------------------------------------------------------------------------------------------

/// Limits of some values; symmetric codes have only magnitudes, in `high`. A NaN among the values makes `high` one.
struct Extent {
  float low, high;
};

template <bool kAsymmetric>
KV_DEVICE Extent NothingYet() {
  return {FromBits(0x7F800000u), FromBits(kAsymmetric ? 0xFF800000u : 0)};
}

template <bool kAsymmetric>
KV_DEVICE void Widen(Extent& e, const Extent& other) {
  e.high = MaxOf(e.high, other.high);
  if constexpr (kAsymmetric) e.low = MinOf(e.low, other.low);
}

template <bool kAsymmetric>
KV_DEVICE void Widen(Extent& e, float x) {
  Widen<kAsymmetric>(e, Extent{x, kAsymmetric ? x : fabsf(x)});
}

/// Of two pairs, each what many pairs came to.
template <bool kFp16, bool kAsymmetric>
KV_DEVICE Extent ExtentOfPairs(uint32_t low, uint32_t high) {
  Extent e{0, MaxOf(ElementOf<kFp16>(high, 0), ElementOf<kFp16>(high, 1))};
  if constexpr (kAsymmetric) e.low = MinOf(ElementOf<kFp16>(low, 0), ElementOf<kFp16>(low, 1));
  return e;
}

/// Of eight elements, most of it on the 16-bit values themselves.
template <bool kFp16, bool kAsymmetric>
KV_DEVICE Extent ExtentOfPacked(Vector16 v) {
  constexpr uint32_t mask = kAsymmetric ? 0xFFFFFFFFu : 0x7FFF7FFFu;
  const uint32_t high = MaxPair<kFp16>(MaxPair<kFp16>(v.x & mask, v.y & mask), MaxPair<kFp16>(v.z & mask, v.w & mask));
  return ExtentOfPairs<kFp16, kAsymmetric>(kAsymmetric ? MinPair<kFp16>(MinPair<kFp16>(v.x, v.y), MinPair<kFp16>(v.z, v.w)) : 0, high);
}

// In shared memory extents are keys that compare as unsigned integers, for atomics.
KV_DEVICE uint32_t MagnitudeKey(float x) { return Bits(x) & 0x7FFFFFFFu; }
KV_DEVICE uint32_t OrderedKey(float x) {
  const uint32_t u = Bits(x);
  return u ^ (static_cast<uint32_t>(static_cast<int32_t>(u) >> 31) | 0x80000000u);
}
KV_DEVICE float FromOrderedKey(uint32_t key) { return FromBits(key & 0x80000000u ? key ^ 0x80000000u : ~key); }

template <bool kAsymmetric>
KV_DEVICE Extent ExtentOfKeys(uint32_t low, uint32_t high) {
  if constexpr (kAsymmetric) return {FromOrderedKey(low), FromOrderedKey(high)};
  else return {0, FromBits(high)};
}

KV_DEVICE uint32_t Larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

// --- Scales --------------------------------------------------------------------------------------------------------------

struct Scale {
  float factor = 0, minimum = 0;
  uint32_t header = 0;
};

/// The extent holds usable values only, or none.
/// `top` is the largest code of a symmetric format.
template <bool kAsymmetric>
KV_DEVICE Scale ScaleOf(const Extent& e, float top) {
  Scale scale;
  if constexpr (kAsymmetric) {
    if (!(e.low <= e.high)) return scale;
    const uint32_t bits = Bits(e.low), cut = bits >> 16;
    const uint32_t down = (bits & 0xFFFFu) != 0 && bits >> 31 ? cut + 1 : cut;
    const uint32_t min_bits = (bits & 0x7FFFFFFFu) < Bits(kTinyScale) ? 0 : down;
    scale.minimum = FromBits(min_bits << 16);
    const float step = (e.high - scale.minimum) / 15.0f;
    const uint32_t step_bits = step < kTinyScale ? 0 : (Bits(step) + 0xFFFFu) >> 16;
    scale.factor = step_bits == 0 ? 0.0f : 1.0f / FromBits(step_bits << 16);
    scale.header = min_bits | step_bits << 16;
  } else {
    if (e.high < kTinyScale) return scale;
    scale.factor = top / e.high;
    scale.header = Bits(e.high / top);
  }
  return scale;
}

template <bool kAsymmetric>
KV_DEVICE bool IsUsable(const Extent& e) {
  return IsUsable(e.high) && (!kAsymmetric || IsUsable(e.low));
}

// --- Encoding -------------------------------------------------------------------------------------------------------------

/// How codes are made and packed. Three ways for five formats keep the kernels small; the rest are numbers.
enum Coding : uint32_t { kBytes, kNibbles, kFloats };
constexpr Coding CodingOf(uint32_t code) { return code == INFERNODE_KV_INT8 ? kBytes : IsNibbles(code) ? kNibbles : kFloats; }

/// 1.5 x 2^23 rounds to the nearest integer, ties to even, and leaves it in the low bits; int4s codes have an offset of 8.
constexpr float AnchorOf(uint32_t code) { return code == INFERNODE_KV_INT4S ? 12582920.0f : 12582912.0f; }

/// fp8 code of y, |y| at most the largest value, without its sign. Adding an anchor of 2^(exponent + constant) rounds to the
/// format's mantissa, ties to even, normal or not, and leaves the code in the low byte (simd_codes.inc has the long form).
KV_DEVICE uint32_t Fp8Magnitude(float y, bool e5m2) {
  const uint32_t cut = e5m2 ? 21 : 20, least = (e5m2 ? 127u + 1 - 15 : 127u + 1 - 7) << 23;
  const uint32_t exponent = Larger(Bits(y) & 0x7F800000u, least);
  const float units = y + FromBits(exponent + (cut << 23) + ((0u - (least >> cut)) & 0xFFu));
  return (Bits(units) + (exponent >> cut)) & 0x7Fu;
}

/// The integer code of a value in the low byte, or, clean, in the low nibble.
KV_DEVICE uint32_t IntegerBits(float x, float factor, float minimum, float anchor) { return Bits((x - minimum) * factor + anchor); }

KV_DEVICE uint32_t FourFloatCodes(const float* x, const float* factor, bool e5m2) {
#if KV_HARDWARE_FP8
  if (e5m2) return HardwareFp8Pair<true>(x[0] * factor[0], x[1] * factor[1]) | HardwareFp8Pair<true>(x[2] * factor[2], x[3] * factor[3]) << 16;
  return HardwareFp8Pair<false>(x[0] * factor[0], x[1] * factor[1]) | HardwareFp8Pair<false>(x[2] * factor[2], x[3] * factor[3]) << 16;
#else
  uint32_t bits[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) bits[i] = Fp8Magnitude(FromBits(MagnitudeKey(x[i])) * factor[i], e5m2) | (Bits(x[i]) >> 24 & 0x80u);
  return PackBytes(bits[0], bits[1], bits[2], bits[3]);
#endif
}

/// Eight codes of a byte each.
template <Coding kCoding>
KV_DEVICE uint64_t EightBytes(const float* x, const float* factor, uint32_t code) {
  if constexpr (kCoding == kFloats) {
    const bool e5m2 = code == INFERNODE_KV_E5M2;
    return FourFloatCodes(x, factor, e5m2) | static_cast<uint64_t>(FourFloatCodes(x + 4, factor + 4, e5m2)) << 32;
  } else {
    uint32_t bits[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) bits[i] = IntegerBits(x[i], factor[i], 0.0f, AnchorOf(INFERNODE_KV_INT8));
    return PackBytes(bits[0], bits[1], bits[2], bits[3]) | static_cast<uint64_t>(PackBytes(bits[4], bits[5], bits[6], bits[7])) << 32;
  }
}

/// Eight codes of one group, four bits each: even ones packed as bytes, odd ones too, and laid over each other.
KV_DEVICE uint32_t EightNibbles(const float* x, float factor, float minimum, float anchor) {
  uint32_t bits[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) bits[i] = IntegerBits(x[i], factor, minimum, anchor);
  return (PackBytes(bits[0], bits[2], bits[4], bits[6]) & 0x0F0F0F0Fu) | (PackBytes(bits[1], bits[3], bits[5], bits[7]) & 0x0F0F0F0Fu) << 4;
}

// --- Decoding -------------------------------------------------------------------------------------------------------------

/// Four fp8 codes through fp16: E5M2 is its upper byte, E4M3 is 2^-8 of it, but for its NaN.
KV_DEVICE void FourByteFloats(uint32_t codes, bool e5m2, float* x) {
#pragma unroll
  for (int i = 0; i < 4; i += 2) {
    const uint32_t pair = UpperBytes(codes, i), halves = e5m2 ? pair : (pair & 0x80008000u) | (pair & 0x7F007F00u) >> 1;
    x[i] = HalfToFloat(halves & 0xFFFFu) * (e5m2 ? 1.0f : 256.0f), x[i + 1] = HalfToFloat(halves >> 16) * (e5m2 ? 1.0f : 256.0f);
  }
  if (e5m2 || (((codes & 0x7F7F7F7Fu) + 0x01010101u) & 0x80808080u) == 0) return;
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] = (codes >> 8 * i & 0x7Fu) == 0x7Fu ? FromBits(0x7FC00000u) : x[i];
}

/// What eight codes of a byte each (4 bits: in its low half) stand for, before scale and minimum.
template <Coding kCoding>
KV_DEVICE void ValuesOfBytes(uint64_t codes, uint32_t code, float* x) {
  if constexpr (kCoding == kFloats) {
    FourByteFloats(static_cast<uint32_t>(codes), code == INFERNODE_KV_E5M2, x);
    FourByteFloats(static_cast<uint32_t>(codes >> 32), code == INFERNODE_KV_E5M2, x + 4);
  } else {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const uint32_t byte = static_cast<uint32_t>(codes >> 8 * i) & 0xFFu;
      // 2^23 + n is a float whose low bits are n.
      x[i] = kCoding == kBytes ? static_cast<float>(static_cast<int8_t>(byte)) : FromBits(0x4B000000u | byte) - (code == INFERNODE_KV_INT4S ? 8388616.0f : 8388608.0f);
    }
  }
}

/// Eight codes of 4 bits as bytes.
KV_DEVICE uint64_t SpreadNibbles(uint32_t codes) {
  const uint32_t even = codes & 0x0F0F0F0Fu, odd = codes >> 4 & 0x0F0F0F0Fu;
  return Interleave(even, odd, 0) | static_cast<uint64_t>(Interleave(even, odd, 2)) << 32;
}

/// A group's header, ready for use. Symmetric codes add a -0, which changes no product, not even a zero's sign.
struct Meaning {
  float scale, minimum;
};
KV_DEVICE Meaning MeaningOf(uint32_t header, uint32_t code) {
  const bool pair = code == INFERNODE_KV_INT4A;
  return {FromBits(pair ? header & 0xFFFF0000u : header), FromBits(pair ? header << 16 : 0x80000000u)};
}
KV_DEVICE float Decoded(float value, const Meaning& m) { return fmaf(value, m.scale, m.minimum); }

/// Scale and minimum are below `limit`, a power of two or infinity: then no code of an integer format means a NaN.
KV_DEVICE bool IsBelow(uint32_t header, uint32_t code, float limit) {
  const bool scale = (header & 0x7F800000u) < Bits(limit);
  return code == INFERNODE_KV_INT4A ? scale && (header << 16 & 0x7F800000u) < Bits(limit) : scale;
}

constexpr uint32_t QuietNan(bool fp16) { return fp16 ? 0x7E00u : 0x7FC0u; }

/// RoundPair leaves a NaN as 0x7FFF, which no number is: here it becomes the quiet one.
template <bool kFp16>
KV_DEVICE uint32_t WithQuietNans(uint32_t pair) {
  const uint32_t nans = ((pair & 0x7FFF7FFFu) + 0x00010001u) >> 15 & 0x00010001u;
  return (pair & ~(nans * 0xFFFFu)) | nans * QuietNan(kFp16);
}

/// One value as the output's 16 bits.
KV_DEVICE uint32_t RoundOneAs(bool fp16, float x) {
  return (fp16 ? WithQuietNans<true>(RoundPair<true>(x, 0.0f)) : WithQuietNans<false>(RoundPair<false>(x, 0.0f))) & 0xFFFFu;
}

/// `numbers`: none of them is a NaN. `signs` are those to change.
template <bool kFp16>
KV_DEVICE Vector16 Pack(const float* x, bool numbers, Vector16 signs = {0, 0, 0, 0}) {
  Vector16 v{RoundPair<kFp16>(x[0], x[1]) ^ signs.x, RoundPair<kFp16>(x[2], x[3]) ^ signs.y, RoundPair<kFp16>(x[4], x[5]) ^ signs.z, RoundPair<kFp16>(x[6], x[7]) ^ signs.w};
  const auto nan_of = [](uint32_t pair) { return (pair & 0x7FFF7FFFu) + 0x00010001u; };
  if (!numbers && (nan_of(v.x) | nan_of(v.y) | nan_of(v.z) | nan_of(v.w)) & 0x80008000u)
    v = {WithQuietNans<kFp16>(v.x), WithQuietNans<kFp16>(v.y), WithQuietNans<kFp16>(v.z), WithQuietNans<kFp16>(v.w)};
  return v;
}

}  // namespace infernode::kv
