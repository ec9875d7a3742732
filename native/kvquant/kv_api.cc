// The C ABI: checks every argument, then hands each head to the chosen path.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "kvquant/geometry.h"
#include "kvquant/infernode_kv.h"
#include "kvquant/scalar.h"
#include "kvquant/simd.h"

namespace {

using namespace infernode::kv;

constexpr struct {
  const char* name;
  infernode_kv_code code;
} kCodes[] = {{"int8", INFERNODE_KV_INT8}, {"int4s", INFERNODE_KV_INT4S}, {"int4a", INFERNODE_KV_INT4A}, {"e4m3", INFERNODE_KV_E4M3}, {"e5m2", INFERNODE_KV_E5M2}};

bool IsPowerOfTwo(uint32_t n) { return n != 0 && (n & (n - 1)) == 0; }

/// Both usual layouts: rows of all heads of a token together (NHD), or rows of all tokens of a head together (HND).
bool StridesSeparate(const infernode_kv_shape& s) {
  const int64_t t = s.token_stride, h = s.head_stride, dim = s.dim;
  if (t < 0 || h < 0) return false;
  const bool tokens_outside = (s.heads == 1 || h >= dim) && (s.tokens == 1 || t >= (s.heads - 1) * h + dim);
  const bool heads_outside = (s.tokens == 1 || t >= dim) && (s.heads == 1 || h >= (s.tokens - 1) * t + dim);
  return tokens_outside || heads_outside;
}

infernode_kv_result Check(const infernode_kv_format* f, const infernode_kv_shape* s) {
  if (!f || f->code < INFERNODE_KV_INT8 || f->code > INFERNODE_KV_E5M2 || f->grouping < INFERNODE_KV_HEAD || f->grouping > INFERNODE_KV_CHAN)
    return INFERNODE_KV_BAD_FORMAT;
  if (f->rotate > 1 || (f->grouping == INFERNODE_KV_RUN) != (f->run != 0)) return INFERNODE_KV_BAD_FORMAT;
  if (f->static_scale != 0 && (!IsFp8(*f) || !(f->static_scale > 0) || !std::isfinite(f->static_scale))) return INFERNODE_KV_BAD_SCALE;
  if (!s || (s->dtype != INFERNODE_KV_BF16 && s->dtype != INFERNODE_KV_FP16)) return INFERNODE_KV_BAD_SHAPE;
  const uint32_t limit = INFERNODE_KV_MAX_ELEMENTS;
  if (!s->tokens || !s->heads || !s->dim || s->tokens > limit || s->heads > limit || s->dim > limit) return INFERNODE_KV_BAD_SHAPE;
  if (uint64_t{s->tokens} * s->heads > limit / s->dim) return INFERNODE_KV_BAD_SHAPE;
  if (f->rotate && !IsPowerOfTwo(s->dim)) return INFERNODE_KV_BAD_SHAPE;
  return StridesSeparate(*s) ? INFERNODE_KV_OK : INFERNODE_KV_BAD_STRIDE;
}

infernode_kv_result CheckBuffers(const infernode_kv_format* f, const infernode_kv_shape* s, size_t code_bytes, size_t header_count) {
  size_t codes_needed = 0, headers_needed = 0;
  const infernode_kv_result result = infernode_kv_sizes(f, s, &codes_needed, &headers_needed);
  if (result != INFERNODE_KV_OK) return result;
  return code_bytes < codes_needed || header_count < headers_needed ? INFERNODE_KV_SHORT_BUFFER : INFERNODE_KV_OK;
}

std::unique_ptr<float[]> Scratch(const infernode_kv_format& f, const infernode_kv_shape& s) {
  return std::unique_ptr<float[]>(new (std::nothrow) float[SimdScratch(s, GroupsPerHead(f, s))]);
}

}  // namespace

infernode_kv_result infernode_kv_parse_format(const char* name, infernode_kv_format* format) {
  if (!name || !format) return INFERNODE_KV_BAD_FORMAT;
  const char* underscore = std::strchr(name, '_');
  if (!underscore) return INFERNODE_KV_BAD_FORMAT;
  infernode_kv_format f{};
  const size_t length = static_cast<size_t>(underscore - name);
  bool known = false;
  for (const auto& candidate : kCodes) {
    if (std::strlen(candidate.name) != length || std::strncmp(candidate.name, name, length) != 0) continue;
    f.code = candidate.code;
    known = true;
  }
  const char* rest = underscore + 1;
  if (std::strncmp(rest, "head", 4) == 0) f.grouping = INFERNODE_KV_HEAD, rest += 4;
  else if (std::strncmp(rest, "tok", 3) == 0) f.grouping = INFERNODE_KV_TOK, rest += 3;
  else if (std::strncmp(rest, "chan", 4) == 0) f.grouping = INFERNODE_KV_CHAN, rest += 4;
  else if (rest[0] == 'g' && rest[1] >= '1' && rest[1] <= '9') {
    char* end = nullptr;
    const unsigned long run = std::strtoul(rest + 1, &end, 10);
    if (run > INFERNODE_KV_MAX_ELEMENTS) return INFERNODE_KV_BAD_FORMAT;
    f.grouping = INFERNODE_KV_RUN, f.run = static_cast<uint32_t>(run), rest = end;
  } else known = false;
  if (std::strcmp(rest, "_r") == 0) f.rotate = 1, rest += 2;
  if (!known || *rest != '\0') return INFERNODE_KV_BAD_FORMAT;
  *format = f;
  return INFERNODE_KV_OK;
}

infernode_kv_result infernode_kv_sizes(const infernode_kv_format* format, const infernode_kv_shape* shape, size_t* code_bytes, size_t* headers) {
  const infernode_kv_result result = Check(format, shape);
  if (result != INFERNODE_KV_OK) return result;
  if (code_bytes) *code_bytes = shape->heads * CodeBytesPerHead(*format, *shape);
  if (headers) *headers = shape->heads * GroupsPerHead(*format, *shape);
  return INFERNODE_KV_OK;
}

infernode_kv_result infernode_kv_encode(infernode_kv_path path, const infernode_kv_format* format, const infernode_kv_shape* shape,
                                        const uint16_t* in, uint8_t* codes, size_t code_bytes, uint32_t* headers, size_t header_count,
                                        uint64_t* nonfinite) {
  const infernode_kv_result result = CheckBuffers(format, shape, code_bytes, header_count);
  if (result != INFERNODE_KV_OK) return result;
  if (path != INFERNODE_KV_SCALAR && path != INFERNODE_KV_SIMD) return INFERNODE_KV_NO_PATH;
  const bool simd = path == INFERNODE_KV_SIMD && SimdCovers(*format, *shape);
  const auto scratch = Scratch(*format, *shape);
  if (!in || !codes || !headers || !scratch) return INFERNODE_KV_SHORT_BUFFER;
  uint64_t count = 0;
  for (uint32_t head = 0; head < shape->heads; ++head) {
    uint8_t* head_codes = codes + head * CodeBytesPerHead(*format, *shape);
    uint32_t* head_headers = headers + head * GroupsPerHead(*format, *shape);
    if (simd) SimdKernelsOfThisCpu().encode_head(*format, *shape, in + head * shape->head_stride, head_codes, head_headers, scratch.get(), &count);
    else EncodeHead(*format, *shape, head, in, scratch.get(), head_codes, head_headers, &count);
  }
  if (nonfinite) *nonfinite = count;
  return INFERNODE_KV_OK;
}

infernode_kv_result infernode_kv_decode(infernode_kv_path path, const infernode_kv_format* format, const infernode_kv_shape* shape,
                                        const uint8_t* codes, size_t code_bytes, const uint32_t* headers, size_t header_count, uint16_t* out) {
  const infernode_kv_result result = CheckBuffers(format, shape, code_bytes, header_count);
  if (result != INFERNODE_KV_OK) return result;
  if (path != INFERNODE_KV_SCALAR && path != INFERNODE_KV_SIMD) return INFERNODE_KV_NO_PATH;
  const bool simd = path == INFERNODE_KV_SIMD && SimdCovers(*format, *shape);
  const auto scratch = Scratch(*format, *shape);
  if (!out || !codes || !headers || !scratch) return INFERNODE_KV_SHORT_BUFFER;
  for (uint32_t head = 0; head < shape->heads; ++head) {
    const uint8_t* head_codes = codes + head * CodeBytesPerHead(*format, *shape);
    const uint32_t* head_headers = headers + head * GroupsPerHead(*format, *shape);
    if (simd) SimdKernelsOfThisCpu().decode_head(*format, *shape, head_codes, head_headers, scratch.get(), out + head * shape->head_stride);
    else DecodeHead(*format, *shape, head, head_codes, head_headers, scratch.get(), out);
  }
  return INFERNODE_KV_OK;
}

infernode_kv_result infernode_kv_record_order(const infernode_kv_format* format, const infernode_kv_shape* shape, const uint8_t* codes,
                                              size_t code_bytes, uint8_t* out) {
  const infernode_kv_result result = CheckBuffers(format, shape, code_bytes, SIZE_MAX);
  if (result != INFERNODE_KV_OK) return result;
  const size_t per_head = CodeBytesPerHead(*format, *shape);
  for (uint32_t head = 0; head < shape->heads; ++head, codes += per_head) {
    for (size_t g = 0; g < GroupsPerHead(*format, *shape); ++g) {
      const size_t bytes = CodeBytes(*format, GroupAt(*format, *shape, g).elements());
      for (size_t i = 0; i < bytes; ++i) *out++ = codes[CodeOffset(*format, *shape, g) + i * CodeStride(*format, *shape)];
    }
  }
  return INFERNODE_KV_OK;
}

const char* infernode_kv_simd_name(void) { return SimdKernelsOfThisCpu().name; }

const char* infernode_kv_message(infernode_kv_result result) {
  switch (result) {
    case INFERNODE_KV_OK: return "done";
    case INFERNODE_KV_BAD_FORMAT: return "expected a format such as int8_head, int4a_g64 or e4m3_tok_r";
    case INFERNODE_KV_BAD_SHAPE: return "expected tokens, heads and dim of at least 1, at most 2^30 elements, and a power-of-two dim for rotation";
    case INFERNODE_KV_BAD_STRIDE: return "expected strides under which the rows of a block do not overlap";
    case INFERNODE_KV_SHORT_BUFFER: return "expected buffers of the sizes that infernode_kv_sizes gives";
    case INFERNODE_KV_BAD_SCALE: return "expected a static scale above 0, with an fp8 format";
    case INFERNODE_KV_NO_PATH: return "this build or processor does not have that path";
  }
  return "unknown result";
}
