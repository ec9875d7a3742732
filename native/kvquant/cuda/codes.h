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

// --- Extents: keys that compare as unsigned integers --------------------------------------------------------------------

/// Symmetric codes: the bits of |x|. A NaN is above everything.
KV_DEVICE uint32_t MagnitudeKey(float x) { return Bits(x) & 0x7FFFFFFFu; }
/// Asymmetric codes: ordered like the numbers; NaNs are at one end or the other.
KV_DEVICE uint32_t OrderedKey(float x) {
  const uint32_t u = Bits(x);
  return u ^ (static_cast<uint32_t>(static_cast<int32_t>(u) >> 31) | 0x80000000u);
}
KV_DEVICE float FromOrderedKey(uint32_t key) { return FromBits(key & 0x80000000u ? key ^ 0x80000000u : ~key); }

KV_DEVICE uint32_t Larger(uint32_t a, uint32_t b) { return a > b ? a : b; }
KV_DEVICE uint32_t Smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

/// Nothing yet: `low` counts with asymmetric codes only.
struct Extent {
  uint32_t low = 0xFFFFFFFFu, high = 0;
};

template <bool kAsymmetric>
KV_DEVICE void Widen(Extent& e, float x) {
  const uint32_t key = kAsymmetric ? OrderedKey(x) : MagnitudeKey(x);
  e.high = Larger(e.high, key);
  if constexpr (kAsymmetric) e.low = Smaller(e.low, key);
}

template <bool kAsymmetric>
KV_DEVICE void Widen(Extent& e, const Extent& other) {
  e.high = Larger(e.high, other.high);
  if constexpr (kAsymmetric) e.low = Smaller(e.low, other.low);
}

/// Of eight elements in two instructions a pair: on the 16-bit values themselves.
template <bool kFp16, bool kAsymmetric>
KV_DEVICE Extent ExtentOfPacked(Vector16 v) {
  constexpr uint32_t mask = kAsymmetric ? 0xFFFFFFFFu : 0x7FFF7FFFu;
  const uint32_t high = MaxPair<kFp16>(MaxPair<kFp16>(v.x & mask, v.y & mask), MaxPair<kFp16>(v.z & mask, v.w & mask));
  Extent e;
  Widen<kAsymmetric>(e, ElementOf<kFp16>(high, 0)), Widen<kAsymmetric>(e, ElementOf<kFp16>(high, 1));
  if constexpr (kAsymmetric) {
    const uint32_t low = MinPair<kFp16>(MinPair<kFp16>(v.x, v.y), MinPair<kFp16>(v.z, v.w));
    Widen<true>(e, ElementOf<kFp16>(low, 0)), Widen<true>(e, ElementOf<kFp16>(low, 1));
  }
  return e;
}

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
    if (e.high < e.low) return scale;
    const float low = FromOrderedKey(e.low), high = FromOrderedKey(e.high);
    const uint32_t bits = Bits(low), cut = bits >> 16;
    const uint32_t down = (bits & 0xFFFFu) != 0 && bits >> 31 ? cut + 1 : cut;
    const uint32_t min_bits = (bits & 0x7FFFFFFFu) < Bits(kTinyScale) ? 0 : down;
    scale.minimum = FromBits(min_bits << 16);
    const float step = (high - scale.minimum) / 15.0f;
    const uint32_t step_bits = step < kTinyScale ? 0 : (Bits(step) + 0xFFFFu) >> 16;
    scale.factor = step_bits == 0 ? 0.0f : 1.0f / FromBits(step_bits << 16);
    scale.header = min_bits | step_bits << 16;
  } else {
    const float absmax = FromBits(e.high);
    if (absmax < kTinyScale) return scale;
    scale.factor = top / absmax;
    scale.header = Bits(absmax / top);
  }
  return scale;
}

template <bool kAsymmetric>
KV_DEVICE bool IsUsable(const Extent& e) {
  if constexpr (!kAsymmetric) return e.high < kUnusableBits;
  else return e.high < e.low || (IsUsable(FromOrderedKey(e.low)) && IsUsable(FromOrderedKey(e.high)));
}

// --- Encoding -------------------------------------------------------------------------------------------------------------

/// fp8 code of y, |y| at most the largest value, without its sign. Adding an anchor of 2^(exponent + constant) rounds to the
/// format's mantissa, ties to even, normal or not, and leaves the code in the low byte (simd_codes.inc has the long form).
template <bool kE5m2>
KV_DEVICE uint32_t Fp8Magnitude(float y) {
  constexpr int mantissa = kE5m2 ? 2 : 3, bias = kE5m2 ? 15 : 7;
  constexpr uint32_t least = static_cast<uint32_t>(127 + 1 - bias) << 23;
  constexpr uint32_t constant = (0u - (least >> (23 - mantissa))) & 0xFFu;
  const uint32_t exponent = Larger(Bits(y) & 0x7F800000u, least);
  const float units = y + FromBits(exponent + ((23u - mantissa) << 23) + constant);
  return (Bits(units) + (exponent >> (23 - mantissa))) & 0x7Fu;
}

/// What is left of a value once it is scaled: the code in the low byte (fp8: without its sign) or, clean, in the low nibble.
template <uint32_t kCode>
KV_DEVICE uint32_t CodeBits(float x, float factor, float minimum) {
  // 1.5 x 2^23 rounds to the nearest integer, ties to even.
  if constexpr (kCode == INFERNODE_KV_INT8) return Bits(x * factor + 12582912.0f);
  else if constexpr (kCode == INFERNODE_KV_INT4S) return Bits(x * factor + 12582920.0f) & 15u;
  else if constexpr (kCode == INFERNODE_KV_INT4A) return Bits((x - minimum) * factor + 12582912.0f) & 15u;
  else return Fp8Magnitude<kCode == INFERNODE_KV_E5M2>(FromBits(MagnitudeKey(x)) * factor) | (Bits(x) >> 24 & 0x80u);
}

template <uint32_t kCode>
KV_DEVICE uint32_t FourCodes(const float* x, const float* factor) {
#if KV_HARDWARE_FP8
  if constexpr (IsByteFloat(kCode)) {
    constexpr bool e5m2 = kCode == INFERNODE_KV_E5M2;
    return HardwareFp8Pair<e5m2>(x[0] * factor[0], x[1] * factor[1]) | HardwareFp8Pair<e5m2>(x[2] * factor[2], x[3] * factor[3]) << 16;
  }
#endif
  return PackBytes(CodeBits<kCode>(x[0], factor[0], 0), CodeBits<kCode>(x[1], factor[1], 0), CodeBits<kCode>(x[2], factor[2], 0), CodeBits<kCode>(x[3], factor[3], 0));
}

/// Eight codes of a byte each.
template <uint32_t kCode>
KV_DEVICE uint64_t EightBytes(const float* x, const float* factor) {
  return FourCodes<kCode>(x, factor) | static_cast<uint64_t>(FourCodes<kCode>(x + 4, factor + 4)) << 32;
}

/// Eight codes of one group, four bits each.
template <uint32_t kCode>
KV_DEVICE uint32_t EightNibbles(const float* x, float factor, float minimum) {
  uint32_t codes = 0;
#pragma unroll
  for (int i = 0; i < 8; ++i) codes |= CodeBits<kCode>(x[i], factor, minimum) << 4 * i;
  return codes;
}

// --- Decoding -------------------------------------------------------------------------------------------------------------

/// fp8 through fp16: E5M2 is its upper byte, E4M3 is 2^-8 of it, but for its NaN.
template <bool kE5m2>
KV_DEVICE float Fp8ToFloat(uint32_t code) {
  if constexpr (kE5m2) return HalfToFloat(code << 8);
  const float x = HalfToFloat((code & 0x80u) << 8 | (code & 0x7Fu) << 7) * 256.0f;
  return (code & 0x7Fu) == 0x7Fu ? FromBits(0x7FC00000u) : x;
}

/// `bits`: the code in the low byte, or in the low nibble.
template <uint32_t kCode>
KV_DEVICE float DecodeBits(uint32_t bits, uint32_t header) {
  if constexpr (kCode == INFERNODE_KV_INT8) return static_cast<float>(static_cast<int8_t>(bits)) * FromBits(header);
  else if constexpr (kCode == INFERNODE_KV_INT4S) return static_cast<float>(static_cast<int32_t>(bits) - 8) * FromBits(header);
  else if constexpr (kCode == INFERNODE_KV_INT4A) return fmaf(static_cast<float>(static_cast<int32_t>(bits)), FromBits(header & 0xFFFF0000u), FromBits(header << 16));
  else return Fp8ToFloat<kCode == INFERNODE_KV_E5M2>(bits) * FromBits(header);
}

constexpr uint32_t QuietNan(bool fp16) { return fp16 ? 0x7E00u : 0x7FC0u; }

/// RoundPair leaves a NaN as 0x7FFF, which no number is: here it becomes the quiet one.
template <bool kFp16>
KV_DEVICE uint32_t WithQuietNans(uint32_t pair) {
  const uint32_t nans = ((pair & 0x7FFF7FFFu) + 0x00010001u) >> 15 & 0x00010001u;
  return (pair & ~(nans * 0xFFFFu)) | nans * QuietNan(kFp16);
}

/// One value as the output's 16 bits.
template <bool kFp16>
KV_DEVICE uint32_t RoundOne(float x) { return WithQuietNans<kFp16>(RoundPair<kFp16>(x, 0.0f)) & 0xFFFFu; }

template <bool kFp16>
KV_DEVICE Vector16 Pack(const float* x) {
  Vector16 v{RoundPair<kFp16>(x[0], x[1]), RoundPair<kFp16>(x[2], x[3]), RoundPair<kFp16>(x[4], x[5]), RoundPair<kFp16>(x[6], x[7])};
  const auto has_nan = [](uint32_t pair) { return (pair & 0x7FFF7FFFu) + 0x00010001u; };
  if ((has_nan(v.x) | has_nan(v.y) | has_nan(v.z) | has_nan(v.w)) & 0x80008000u)
    v = {WithQuietNans<kFp16>(v.x), WithQuietNans<kFp16>(v.y), WithQuietNans<kFp16>(v.z), WithQuietNans<kFp16>(v.w)};
  return v;
}

}  // namespace infernode::kv
