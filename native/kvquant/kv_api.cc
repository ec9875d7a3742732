// Blocks: checks every argument, then hands each head to the chosen path.
#include <cstring>

#include "kvquant/codec.h"
#include "kvquant/formats.h"
#include "kvquant/geometry.h"
#include "kvquant/infernode_kv.h"
#include "kvquant/simd.h"

namespace {

using namespace infernode::kv;

infernode_kv_result CheckBuffers(const infernode_kv_format* f, const infernode_kv_shape* s, size_t code_bytes, size_t header_count) {
  size_t codes_needed = 0, headers_needed = 0;
  const infernode_kv_result result = infernode_kv_sizes(f, s, &codes_needed, &headers_needed);
  if (result != INFERNODE_KV_OK) return result;
  return code_bytes < codes_needed || header_count < headers_needed ? INFERNODE_KV_SHORT_BUFFER : INFERNODE_KV_OK;
}

bool IsPath(infernode_kv_path path) { return path == INFERNODE_KV_SCALAR || path == INFERNODE_KV_SIMD; }

}  // namespace

infernode_kv_result infernode_kv_encode(infernode_kv_path path, const infernode_kv_format* format, const infernode_kv_shape* shape,
                                        const uint16_t* in, uint8_t* codes, size_t code_bytes, uint32_t* headers, size_t header_count,
                                        uint64_t* nonfinite) {
  const infernode_kv_result result = CheckBuffers(format, shape, code_bytes, header_count);
  if (result != INFERNODE_KV_OK) return result;
  if (!IsPath(path)) return INFERNODE_KV_NO_PATH;
  const infernode_kv_format& f = *format;
  const infernode_kv_shape& s = *shape;
  if (!in || !codes || (!headers && !IsRaw(f))) return INFERNODE_KV_SHORT_BUFFER;
  Scratch* scratch = Scratch::For(f, s, 1);
  if (!scratch) return INFERNODE_KV_NO_MEMORY;
  const bool simd = path == INFERNODE_KV_SIMD && SimdCovers(f, s);
  uint64_t count = 0;
  for (uint32_t head = 0; head < s.heads; ++head) {
    const HeadInput rows{&in, s.tokens, s.token_stride, head * s.head_stride}, next{&in, s.tokens, s.token_stride, (head + 1) * s.head_stride};
    EncodeRecordHead(simd, f, s, rows, head + 1 < s.heads ? &next : nullptr, *scratch, codes + head * CodeBytesPerHead(f, s),
                     headers + head * GroupsPerHead(f, s), &count);
  }
  scratch->Trim();
  if (nonfinite) *nonfinite = count;
  return INFERNODE_KV_OK;
}

infernode_kv_result infernode_kv_decode(infernode_kv_path path, const infernode_kv_format* format, const infernode_kv_shape* shape,
                                        const uint8_t* codes, size_t code_bytes, const uint32_t* headers, size_t header_count, uint16_t* out) {
  const infernode_kv_result result = CheckBuffers(format, shape, code_bytes, header_count);
  if (result != INFERNODE_KV_OK) return result;
  if (!IsPath(path)) return INFERNODE_KV_NO_PATH;
  const infernode_kv_format& f = *format;
  const infernode_kv_shape& s = *shape;
  if (!out || !codes || (!headers && !IsRaw(f))) return INFERNODE_KV_SHORT_BUFFER;
  Scratch* scratch = Scratch::For(f, s, 1);
  if (!scratch) return INFERNODE_KV_NO_MEMORY;
  const bool simd = path == INFERNODE_KV_SIMD && SimdCovers(f, s);
  for (uint32_t head = 0; head < s.heads; ++head) {
    const HeadOutput rows{&out, s.tokens, s.token_stride, head * s.head_stride};
    DecodeRecordHead(simd, f, s, codes + head * CodeBytesPerHead(f, s), headers + head * GroupsPerHead(f, s), *scratch, rows, false);
  }
  scratch->Trim();
  return INFERNODE_KV_OK;
}

infernode_kv_result infernode_kv_record_order(const infernode_kv_format* format, const infernode_kv_shape* shape, const uint8_t* codes,
                                              size_t code_bytes, uint8_t* out) {
  const infernode_kv_result result = CheckBuffers(format, shape, code_bytes, SIZE_MAX);
  if (result != INFERNODE_KV_OK) return result;
  if (!codes || !out) return INFERNODE_KV_SHORT_BUFFER;
  const size_t per_head = CodeBytesPerHead(*format, *shape);
  if (IsRaw(*format)) {
    std::memcpy(out, codes, per_head * shape->heads);
    return INFERNODE_KV_OK;
  }
  for (uint32_t head = 0; head < shape->heads; ++head, codes += per_head) {
    for (size_t g = 0; g < GroupsPerHead(*format, *shape); ++g) {
      const size_t bytes = CodeBytes(*format, GroupAt(*format, *shape, g).elements());
      for (size_t i = 0; i < bytes; ++i) *out++ = codes[CodeOffset(*format, *shape, g) + i * CodeStride(*format, *shape)];
    }
  }
  return INFERNODE_KV_OK;
}

const char* infernode_kv_simd_name(void) { return SimdKernelsOfThisCpu().name; }
