// Names, profiles, checks and sizes: everything about a format that touches no data.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kvquant/formats.h"
#include "kvquant/geometry.h"

namespace infernode::kv {
namespace {

constexpr struct {
  const char* name;
  infernode_kv_code code;
} kCodes[] = {{"int8", INFERNODE_KV_INT8}, {"int4s", INFERNODE_KV_INT4S}, {"int4a", INFERNODE_KV_INT4A}, {"e4m3", INFERNODE_KV_E4M3}, {"e5m2", INFERNODE_KV_E5M2}};

constexpr struct {
  const char *name, *keys, *values;
} kProfiles[] = {{"q8", "int8_chan", "int8_tok"}, {"k8v4", "int8_chan", "int4a_g64"}, {"q4", "int4a_chan", "int4a_g64"}, {"raw", "raw", "raw"}};

bool IsPowerOfTwo(uint32_t n) { return n != 0 && (n & (n - 1)) == 0; }

/// Both usual layouts: rows of all heads of a token together (NHD), or rows of all tokens of a head together (HND).
bool StridesSeparate(const infernode_kv_shape& s) {
  const int64_t t = s.token_stride, h = s.head_stride, dim = s.dim;
  // A block that spans more than 2^40 elements is a mistake; the bound keeps every product below from overflowing.
  if (t < 0 || h < 0 || t > int64_t{1} << 40 || h > int64_t{1} << 40) return false;
  if (t != 0 && s.tokens - 1 > (int64_t{1} << 60) / t) return false;
  if (h != 0 && s.heads - 1 > (int64_t{1} << 60) / h) return false;
  const bool tokens_outside = (s.heads == 1 || h >= dim) && (s.tokens == 1 || t >= (s.heads - 1) * h + dim);
  const bool heads_outside = (s.tokens == 1 || t >= dim) && (s.heads == 1 || h >= (s.tokens - 1) * t + dim);
  return tokens_outside || heads_outside;
}

infernode_kv_result CheckFormat(const infernode_kv_format& f) {
  if (f.code > INFERNODE_KV_RAW || f.grouping > INFERNODE_KV_CHAN) return INFERNODE_KV_BAD_FORMAT;
  if (f.rotate > 1 || f.run > INFERNODE_KV_MAX_ELEMENTS || (f.grouping == INFERNODE_KV_RUN) != (f.run != 0)) return INFERNODE_KV_BAD_FORMAT;
  if (IsRaw(f) && (f.grouping != INFERNODE_KV_HEAD || f.rotate)) return INFERNODE_KV_BAD_FORMAT;
  const bool scaled = f.static_scale != 0;
  return scaled && (!IsFp8(f) || !(f.static_scale > 0) || !std::isfinite(f.static_scale)) ? INFERNODE_KV_BAD_SCALE : INFERNODE_KV_OK;
}

}  // namespace

infernode_kv_result CheckShape(const infernode_kv_format* f, const infernode_kv_shape* s) {
  const infernode_kv_result format = f ? CheckFormat(*f) : INFERNODE_KV_BAD_FORMAT;
  if (format != INFERNODE_KV_OK) return format;
  if (!s || (s->dtype != INFERNODE_KV_BF16 && s->dtype != INFERNODE_KV_FP16)) return INFERNODE_KV_BAD_SHAPE;
  const uint32_t limit = INFERNODE_KV_MAX_ELEMENTS;
  if (!s->tokens || !s->heads || !s->dim || s->tokens > limit || s->heads > limit || s->dim > limit) return INFERNODE_KV_BAD_SHAPE;
  if (uint64_t{s->tokens} * s->heads > limit / s->dim) return INFERNODE_KV_BAD_SHAPE;
  if (f->rotate && !IsPowerOfTwo(s->dim)) return INFERNODE_KV_BAD_SHAPE;
  return StridesSeparate(*s) ? INFERNODE_KV_OK : INFERNODE_KV_BAD_STRIDE;
}

infernode_kv_result CheckSection(const infernode_kv_section* section, infernode_kv_shape* record) {
  if (!section) return INFERNODE_KV_BAD_SHAPE;
  const infernode_kv_result page = CheckShape(&section->format, &section->page);
  if (page != INFERNODE_KV_OK) return page;
  if (section->pages == 0 || section->pages_per_record == 0 || section->pages_per_record > INFERNODE_KV_MAX_ELEMENTS / section->page.tokens)
    return INFERNODE_KV_BAD_SHAPE;
  const int64_t limit = int64_t{1} << 40;
  if (section->page_stride > limit || (section->pages > 1 && section->page_stride < ExtentOf(section->page))) return INFERNODE_KV_BAD_STRIDE;
  *record = Contiguous(section->page, section->page.tokens * section->pages_per_record);
  return CheckShape(&section->format, record);
}

}  // namespace infernode::kv

using namespace infernode::kv;

infernode_kv_result infernode_kv_parse_format(const char* name, infernode_kv_format* format) {
  if (!name || !format) return INFERNODE_KV_BAD_FORMAT;
  infernode_kv_format f{};
  if (std::strcmp(name, "raw") == 0) {
    f.code = INFERNODE_KV_RAW;
    *format = f;
    return INFERNODE_KV_OK;
  }
  const char* underscore = std::strchr(name, '_');
  if (!underscore) return INFERNODE_KV_BAD_FORMAT;
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

infernode_kv_result infernode_kv_format_name(const infernode_kv_format* format, char* name, size_t size) {
  if (!format || !name || CheckFormat(*format) != INFERNODE_KV_OK) return INFERNODE_KV_BAD_FORMAT;
  static constexpr const char* kGroupings[] = {"head", "tok", "g", "chan"};
  int length = 0;
  if (IsRaw(*format)) length = std::snprintf(name, size, "raw");
  else if (format->grouping == INFERNODE_KV_RUN) length = std::snprintf(name, size, "%s_g%u%s", kCodes[format->code].name, format->run, format->rotate ? "_r" : "");
  else length = std::snprintf(name, size, "%s_%s%s", kCodes[format->code].name, kGroupings[format->grouping], format->rotate ? "_r" : "");
  return static_cast<size_t>(length) < size ? INFERNODE_KV_OK : INFERNODE_KV_SHORT_BUFFER;
}

infernode_kv_result infernode_kv_profile(const char* name, infernode_kv_format* keys, infernode_kv_format* values) {
  if (!name || !keys || !values) return INFERNODE_KV_BAD_FORMAT;
  for (const auto& profile : kProfiles) {
    if (std::strcmp(profile.name, name) != 0) continue;
    infernode_kv_parse_format(profile.keys, keys);
    return infernode_kv_parse_format(profile.values, values);
  }
  return INFERNODE_KV_BAD_FORMAT;
}

infernode_kv_result infernode_kv_sizes(const infernode_kv_format* format, const infernode_kv_shape* shape, size_t* code_bytes, size_t* headers) {
  const infernode_kv_result result = CheckShape(format, shape);
  if (result != INFERNODE_KV_OK) return result;
  if (code_bytes) *code_bytes = shape->heads * CodeBytesPerHead(*format, *shape);
  if (headers) *headers = shape->heads * GroupsPerHead(*format, *shape);
  return INFERNODE_KV_OK;
}

const char* infernode_kv_result_name(infernode_kv_result result) {
  switch (result) {
#define X(name) \
  case name: return #name;
    X(INFERNODE_KV_OK)
    X(INFERNODE_KV_BAD_FORMAT)
    X(INFERNODE_KV_BAD_SHAPE)
    X(INFERNODE_KV_BAD_STRIDE)
    X(INFERNODE_KV_SHORT_BUFFER)
    X(INFERNODE_KV_BAD_SCALE)
    X(INFERNODE_KV_NO_PATH)
    X(INFERNODE_KV_NO_MEMORY)
    X(INFERNODE_KV_BAD_TABLE)
    X(INFERNODE_KV_BAD_RECORD)
    X(INFERNODE_KV_BAD_CHECKSUM)
    X(INFERNODE_KV_DEVICE_ERROR)
    X(INFERNODE_KV_NO_CONTEXT)
    X(INFERNODE_KV_BAD_STREAM)
    X(INFERNODE_KV_CAPTURING)
    X(INFERNODE_KV_BAD_POINTER)
    X(INFERNODE_KV_BUSY)
    X(INFERNODE_KV_NO_RUN)
    X(INFERNODE_KV_CLOSED)
#undef X
  }
  return "unknown result";
}

const char* infernode_kv_message(infernode_kv_result result) {
  switch (result) {
    case INFERNODE_KV_OK: return "done";
    case INFERNODE_KV_BAD_FORMAT: return "expected a format such as int8_head, int4a_g64, e4m3_tok_r or raw, or a profile: q8, k8v4, q4, raw";
    case INFERNODE_KV_BAD_SHAPE: return "expected tokens, heads and dim of at least 1, at most 2^30 elements, and a power-of-two dim for rotation";
    case INFERNODE_KV_BAD_STRIDE: return "expected strides under which the rows of a block, and the blocks of a cache, do not overlap";
    case INFERNODE_KV_SHORT_BUFFER: return "expected buffers of the sizes that infernode_kv_sizes gives";
    case INFERNODE_KV_BAD_SCALE: return "expected a static scale above 0, with an fp8 format";
    case INFERNODE_KV_NO_PATH: return "this build or processor does not have that path";
    case INFERNODE_KV_NO_MEMORY: return "no memory for scratch, or no more threads";
    case INFERNODE_KV_BAD_TABLE: return "expected block table entries from 0 to below the number of blocks of the cache, and none decoded into twice";
    case INFERNODE_KV_BAD_RECORD: return "expected a record of this format and shape";
    case INFERNODE_KV_BAD_CHECKSUM: return "the record's checksum does not match its bytes";
    case INFERNODE_KV_DEVICE_ERROR: return "the GPU or its driver failed";
    case INFERNODE_KV_NO_CONTEXT: return "expected a CUDA context that is current to the calling thread";
    case INFERNODE_KV_BAD_STREAM: return "expected a stream of the session's context";
    case INFERNODE_KV_CAPTURING: return "expected a stream that is not being captured";
    case INFERNODE_KV_BAD_POINTER: return "expected an aligned address of the memory that is asked for";
    case INFERNODE_KV_BUSY: return "expected no run to be under way";
    case INFERNODE_KV_NO_RUN: return "expected a run whose outcome has not been read";
    case INFERNODE_KV_CLOSED: return "expected an open handle";
  }
  return "unknown result";
}
