// Conversions between f32 and the 16- and 8-bit formats, each exact or rounded once, ties to even. The slow obvious forms
// that everything faster is pinned to. `static`, because the vector files are compiled for other processors: a shared
// inline copy of theirs must never be the one that runs here.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace infernode::kv {

static inline uint32_t Bits(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  return u;
}

static inline float FromBits(uint32_t u) {
  float x;
  std::memcpy(&x, &u, 4);
  return x;
}

static inline float Bf16ToFloat(uint16_t h) { return FromBits(uint32_t{h} << 16); }

/// Ties to even; NaN becomes the quiet NaN 0x7FC0.
static inline uint16_t FloatToBf16(float x) {
  if (std::isnan(x)) return 0x7FC0;
  const uint32_t u = Bits(x);
  return static_cast<uint16_t>((u + 0x7FFF + ((u >> 16) & 1)) >> 16);
}

/// Toward minus infinity; x is finite.
static inline uint16_t FloatToBf16Down(float x) {
  const uint32_t u = Bits(x);
  const uint32_t cut = u >> 16;
  return static_cast<uint16_t>((u & 0xFFFF) != 0 && (u >> 31) ? cut + 1 : cut);
}

/// Toward plus infinity; x is finite and not negative.
static inline uint16_t FloatToBf16Up(float x) {
  const uint32_t u = Bits(x);
  return static_cast<uint16_t>((u >> 16) + ((u & 0xFFFF) != 0 ? 1 : 0));
}

static inline float Fp16ToFloat(uint16_t h) {
  const uint32_t sign = uint32_t{h & 0x8000u} << 16;
  const uint32_t exponent = (h >> 10) & 0x1F;
  const uint32_t mantissa = h & 0x3FF;
  if (exponent == 0x1F) return FromBits(sign | 0x7F800000u | (mantissa << 13));
  if (exponent == 0) return FromBits(sign | Bits(static_cast<float>(mantissa) * 0x1p-24f));
  return FromBits(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

/// Ties to even, saturating to +-65504; NaN becomes the quiet NaN 0x7E00.
static inline uint16_t FloatToFp16(float x) {
  if (std::isnan(x)) return 0x7E00;
  const uint16_t sign = static_cast<uint16_t>((Bits(x) >> 16) & 0x8000);
  const float a = std::fabs(x);
  if (a >= 65520.0f) return sign | 0x7BFF;
  if (a < 0x1p-14f) return sign | static_cast<uint16_t>(std::nearbyint(a * 0x1p24f));
  const uint32_t u = Bits(a);
  const uint32_t rounded = u + 0xFFF + ((u >> 13) & 1);
  const uint32_t h = (rounded >> 13) - (112u << 10);
  return sign | static_cast<uint16_t>(h > 0x7BFF ? 0x7BFF : h);
}

/// The two fp8 formats as numbers: mantissa bits, exponent bias, largest code.
struct Fp8 {
  int mantissa_bits;
  int bias;
  uint8_t max_code;
  float max_value;
};
static constexpr Fp8 kE4m3{3, 7, 0x7E, 448.0f};
static constexpr Fp8 kE5m2{2, 15, 0x7B, 57344.0f};

/// Ties to even, saturating, sign kept on zero; NaN becomes 0x7F.
static inline uint8_t FloatToFp8(float x, const Fp8& f) {
  if (std::isnan(x)) return 0x7F;
  const uint8_t sign = static_cast<uint8_t>((Bits(x) >> 24) & 0x80);
  const float a = std::fabs(x);
  if (a >= f.max_value) return sign | f.max_code;
  const int min_exponent = 1 - f.bias;
  int exponent = a == 0.0f ? min_exponent : std::ilogb(a);
  if (exponent < min_exponent) exponent = min_exponent;
  // In units of the last place of that binade: exact, since it is a power of two.
  const int units = static_cast<int>(std::nearbyint(std::ldexp(a, f.mantissa_bits - exponent)));
  // Subnormals count up from code 0; a carry into the next binade falls out of the addition.
  const int code = ((exponent - min_exponent) << f.mantissa_bits) + units;
  return sign | static_cast<uint8_t>(code > f.max_code ? f.max_code : code);
}

static inline float Fp8ToFloat(uint8_t code, const Fp8& f) {
  const float sign = (code & 0x80) ? -1.0f : 1.0f;
  const int magnitude = code & 0x7F;
  const int mantissa = magnitude & ((1 << f.mantissa_bits) - 1);
  const int exponent = magnitude >> f.mantissa_bits;
  if (f.mantissa_bits == 3 && magnitude == 0x7F) return FromBits(0x7FC00000);
  if (f.mantissa_bits == 2 && exponent == 0x1F) return mantissa ? FromBits(0x7FC00000) : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), 1 - f.bias - f.mantissa_bits);
  return sign * std::ldexp(static_cast<float>((1 << f.mantissa_bits) + mantissa), exponent - f.bias - f.mantissa_bits);
}

}  // namespace infernode::kv
