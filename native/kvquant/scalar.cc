// The slow, obvious reference: one value at a time, in the order that the format's text gives. Every faster path is
// pinned to it bit for bit, so nothing here is ever made clever. Compiled with -ffp-contract=off.
#include "kvquant/scalar.h"

#include <cmath>

#include "kvquant/float_formats.h"
#include "kvquant/geometry.h"

namespace infernode::kv {
namespace {

constexpr float kTiny = 0x1p-90f;
constexpr float kHuge = 0x1p120f;

bool Usable(float x) { return std::isfinite(x) && std::fabs(x) < kHuge; }

float Load(const infernode_kv_shape& s, uint16_t h) { return s.dtype == INFERNODE_KV_BF16 ? Bf16ToFloat(h) : Fp16ToFloat(h); }
uint16_t Store(const infernode_kv_shape& s, float x) { return s.dtype == INFERNODE_KV_BF16 ? FloatToBf16(x) : FloatToFp16(x); }

size_t RowOffset(const infernode_kv_shape& s, uint32_t token, uint32_t head) {
  return static_cast<size_t>(token * s.token_stride + head * s.head_stride);
}

/// Fixed signs per channel: xorshift32 from 0x4B565131, stepped first, minus where bit 16 is set.
void FlipSigns(float* row, uint32_t dim) {
  uint32_t state = 0x4B565131u;
  for (uint32_t d = 0; d < dim; ++d) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    if (state & (1u << 16)) row[d] = -row[d];
  }
}

void Hadamard(float* row, uint32_t dim) {
  for (uint32_t h = 1; h < dim; h *= 2) {
    for (uint32_t base = 0; base < dim; base += 2 * h) {
      for (uint32_t i = base; i < base + h; ++i) {
        const float a = row[i], b = row[i + h];
        row[i] = a + b;
        row[i + h] = a - b;
      }
    }
  }
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(dim)));
  for (uint32_t d = 0; d < dim; ++d) row[d] = row[d] * scale;
}

/// Limits of the usable values of one group.
struct Range {
  float absmax = 0, min = 0, max = 0;
  bool any = false;
};

Range Measure(const float* x, size_t n, uint64_t* nonfinite) {
  Range r;
  for (size_t i = 0; i < n; ++i) {
    if (!Usable(x[i])) {
      ++*nonfinite;
      continue;
    }
    r.absmax = std::fmax(r.absmax, std::fabs(x[i]));
    r.min = r.any ? std::fmin(r.min, x[i]) : x[i];
    r.max = r.any ? std::fmax(r.max, x[i]) : x[i];
    r.any = true;
  }
  return r;
}

/// Rounds half to even, then clamps; what is not usable goes to its end of the range, NaN to `nan_code`.
int ToInteger(float x, float scaled, int low, int high, int nan_code) {
  if (std::isnan(x)) return nan_code;
  if (!Usable(x)) return x > 0 ? high : low;
  const float r = std::nearbyint(scaled);
  return r < static_cast<float>(low) ? low : r > static_cast<float>(high) ? high : static_cast<int>(r);
}

/// The codes of one group: its bytes lie `stride` apart.
struct Codes {
  uint8_t* bytes;
  size_t stride;
  void PutByte(size_t i, uint8_t value) const { bytes[i * stride] = value; }
  void PutNibble(size_t i, int value) const {
    uint8_t& byte = bytes[i / 2 * stride];
    byte = static_cast<uint8_t>(i % 2 == 0 ? value : byte | value << 4);
  }
};

int GetNibble(const uint8_t* codes, size_t stride, size_t i) {
  const uint8_t byte = codes[i / 2 * stride];
  return i % 2 == 0 ? byte & 15 : byte >> 4;
}

uint32_t EncodeSymmetric(const float* x, size_t n, float absmax, int top, bool four_bit, const Codes& codes) {
  const bool tiny = absmax < kTiny;
  const float inverse = tiny ? 0.0f : static_cast<float>(top) / absmax;
  for (size_t i = 0; i < n; ++i) {
    const int q = ToInteger(x[i], x[i] * inverse, -top, top, 0);
    if (four_bit) codes.PutNibble(i, q + 8);
    else codes.PutByte(i, static_cast<uint8_t>(static_cast<int8_t>(q)));
  }
  return tiny ? 0 : Bits(absmax / static_cast<float>(top));
}

uint32_t EncodeAsymmetric(const float* x, size_t n, const Range& r, const Codes& codes) {
  const uint16_t stored_min = !r.any || std::fabs(r.min) < kTiny ? 0 : FloatToBf16Down(r.min);
  const float min = Bf16ToFloat(stored_min);
  const float step = r.any ? (r.max - min) / 15.0f : 0.0f;
  const uint16_t stored_scale = step < kTiny ? 0 : FloatToBf16Up(step);
  const float inverse = stored_scale == 0 ? 0.0f : 1.0f / Bf16ToFloat(stored_scale);
  for (size_t i = 0; i < n; ++i) codes.PutNibble(i, ToInteger(x[i], (x[i] - min) * inverse, 0, 15, 0));
  return uint32_t{stored_min} | uint32_t{stored_scale} << 16;
}

uint32_t EncodeFp8(const float* x, size_t n, float absmax, float static_scale, const Fp8& f, const Codes& codes) {
  const bool tiny = absmax < kTiny;
  const float inverse = tiny ? 0.0f : f.max_value / absmax;
  for (size_t i = 0; i < n; ++i) {
    if (!Usable(x[i])) codes.PutByte(i, FloatToFp8(std::isnan(x[i]) ? x[i] : std::copysign(INFINITY, x[i]), f));
    else if (static_scale > 0) codes.PutByte(i, FloatToFp8(x[i] / static_scale, f));
    else codes.PutByte(i, tiny ? static_cast<uint8_t>((Bits(x[i]) >> 24) & 0x80) : FloatToFp8(x[i] * inverse, f));
  }
  if (static_scale > 0) return Bits(static_scale);
  return tiny ? 0 : Bits(absmax / f.max_value);
}

uint32_t EncodeGroup(const infernode_kv_format& f, const float* x, size_t n, const Codes& codes, uint64_t* nonfinite) {
  const Range r = Measure(x, n, nonfinite);
  switch (f.code) {
    case INFERNODE_KV_INT8: return EncodeSymmetric(x, n, r.absmax, 127, false, codes);
    case INFERNODE_KV_INT4S: return EncodeSymmetric(x, n, r.absmax, 7, true, codes);
    case INFERNODE_KV_INT4A: return EncodeAsymmetric(x, n, r, codes);
    case INFERNODE_KV_E4M3: return EncodeFp8(x, n, r.absmax, f.static_scale, kE4m3, codes);
    default: return EncodeFp8(x, n, r.absmax, f.static_scale, kE5m2, codes);
  }
}

float DecodeOne(const infernode_kv_format& f, const uint8_t* codes, size_t stride, size_t i, uint32_t header) {
  const float scale = FromBits(header);
  switch (f.code) {
    case INFERNODE_KV_INT8: return static_cast<float>(static_cast<int8_t>(codes[i * stride])) * scale;
    case INFERNODE_KV_INT4S: return static_cast<float>(GetNibble(codes, stride, i) - 8) * scale;
    case INFERNODE_KV_INT4A:
      return std::fma(static_cast<float>(GetNibble(codes, stride, i)), Bf16ToFloat(static_cast<uint16_t>(header >> 16)),
                      Bf16ToFloat(static_cast<uint16_t>(header)));
    case INFERNODE_KV_E4M3: return Fp8ToFloat(codes[i * stride], kE4m3) * scale;
    default: return Fp8ToFloat(codes[i * stride], kE5m2) * scale;
  }
}

}  // namespace

uint32_t EncodeGroupAt(const infernode_kv_format& f, const infernode_kv_shape& s, const Group& group, const uint16_t* head_in,
                       uint8_t* codes, float* scratch, uint64_t* nonfinite) {
  size_t n = 0;
  for (uint32_t t = group.token; t < group.token + group.tokens; ++t)
    for (uint32_t d = group.dim; d < group.dim + group.dims; ++d) scratch[n++] = Load(s, head_in[t * s.token_stride + d]);
  return EncodeGroup(f, scratch, n, {codes, CodeStride(f, s)}, nonfinite);
}

void EncodeHead(const infernode_kv_format& f, const infernode_kv_shape& s, uint32_t head, const uint16_t* in, float* scratch,
                uint8_t* codes, uint32_t* headers, uint64_t* nonfinite) {
  float* plane = scratch;                                    // [tokens][dim]
  float* group_values = scratch + size_t{s.tokens} * s.dim;  // one group, in record order
  for (uint32_t t = 0; t < s.tokens; ++t) {
    float* row = plane + size_t{t} * s.dim;
    for (uint32_t d = 0; d < s.dim; ++d) row[d] = Load(s, in[RowOffset(s, t, head) + d]);
    if (f.rotate) {
      FlipSigns(row, s.dim);
      Hadamard(row, s.dim);
    }
  }
  for (size_t g = 0; g < GroupsPerHead(f, s); ++g) {
    const Group group = GroupAt(f, s, g);
    size_t n = 0;
    for (uint32_t t = group.token; t < group.token + group.tokens; ++t)
      for (uint32_t d = group.dim; d < group.dim + group.dims; ++d) group_values[n++] = plane[size_t{t} * s.dim + d];
    headers[g] = EncodeGroup(f, group_values, n, {codes + CodeOffset(f, s, g), CodeStride(f, s)}, nonfinite);
  }
}

void DecodeHead(const infernode_kv_format& f, const infernode_kv_shape& s, uint32_t head, const uint8_t* codes,
                const uint32_t* headers, float* scratch, uint16_t* out) {
  for (size_t g = 0; g < GroupsPerHead(f, s); ++g) {
    const Group group = GroupAt(f, s, g);
    size_t n = 0;
    for (uint32_t t = group.token; t < group.token + group.tokens; ++t)
      for (uint32_t d = group.dim; d < group.dim + group.dims; ++d) scratch[size_t{t} * s.dim + d] = DecodeOne(f, codes + CodeOffset(f, s, g), CodeStride(f, s), n++, headers[g]);
  }
  for (uint32_t t = 0; t < s.tokens; ++t) {
    float* row = scratch + size_t{t} * s.dim;
    if (f.rotate) {
      Hadamard(row, s.dim);
      FlipSigns(row, s.dim);
    }
    for (uint32_t d = 0; d < s.dim; ++d) out[RowOffset(s, t, head) + d] = Store(s, row[d]);
  }
}

}  // namespace infernode::kv
