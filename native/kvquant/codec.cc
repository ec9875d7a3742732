#include "kvquant/codec.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "kvquant/float_formats.h"
#include "kvquant/geometry.h"
#include "kvquant/scalar.h"

namespace infernode::kv {
namespace {

constexpr size_t Lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

/// More than this is given back after a call: a thread should not sit on the memory of one odd block.
constexpr size_t kKeptScratch = size_t{16} << 20;

/// The head alone, rows one after the other, as the reference takes it.
infernode_kv_shape OneHead(const infernode_kv_shape& s) { return {s.dtype, s.tokens, 1, s.dim, s.dim, s.dim}; }

template <class T, class Visit>
void EachRow(const HeadRows<T>& rows, uint32_t tokens, const Visit& visit) {
  for (uint32_t t = 0, page = 0; t < tokens; ++page) {
    T* row = rows.pages[page] + rows.offset;
    for (uint32_t i = 0; i < rows.page_tokens && t < tokens; ++i, ++t, row += rows.stride) visit(t, row);
  }
}

void Gather(const HeadInput& in, const infernode_kv_shape& s, uint16_t* to) {
  EachRow(in, s.tokens, [&](uint32_t t, const uint16_t* row) { std::memcpy(to + size_t{t} * s.dim, row, size_t{2} * s.dim); });
}

void Scatter(const uint16_t* from, const infernode_kv_shape& s, const HeadOutput& out) {
  EachRow(out, s.tokens, [&](uint32_t t, uint16_t* row) { std::memcpy(row, from + size_t{t} * s.dim, size_t{2} * s.dim); });
}

uint64_t CountUnusable(const infernode_kv_shape& s, const uint16_t* row) {
  const uint16_t first = s.dtype == INFERNODE_KV_BF16 ? 0x7B80 : 0x7C00;
  uint32_t count = 0;
  for (uint32_t d = 0; d < s.dim; ++d) count += (row[d] & 0x7FFF) >= first;
  return count;
}

void CopyRaw(const infernode_kv_shape& s, const HeadInput& in, uint8_t* codes, uint64_t* nonfinite) {
  EachRow(in, s.tokens, [&](uint32_t t, const uint16_t* row) {
    *nonfinite += CountUnusable(s, row);
    std::memcpy(codes + size_t{2} * t * s.dim, row, size_t{2} * s.dim);
  });
}

/// Has the reference make the groups that the fast kernels marked.
void Redo(const infernode_kv_format& f, const infernode_kv_shape& s, const HeadInput& in, Scratch& scratch, uint8_t* codes, uint32_t* headers,
          uint64_t* nonfinite) {
  Gather(in, s, scratch.rows);
  for (size_t g = 0; g < GroupsPerHead(f, s); ++g)
    if (headers[g] == kRedo) headers[g] = EncodeGroupAt(f, OneHead(s), GroupAt(f, s, g), scratch.rows, codes + CodeOffset(f, s, g), scratch.floats, nonfinite);
}

void CompareSlowly(const infernode_kv_shape& s, const HeadInput& in, const uint16_t* decoded, double* energy, double* error) {
  const auto value = [&](uint16_t bits) { return double{s.dtype == INFERNODE_KV_BF16 ? Bf16ToFloat(bits) : Fp16ToFloat(bits)}; };
  EachRow(in, s.tokens, [&](uint32_t t, const uint16_t* row) {
    for (uint32_t d = 0; d < s.dim; ++d) {
      const double x = value(row[d]), difference = x - value(decoded[size_t{t} * s.dim + d]);
      *energy += x * x, *error += difference * difference;
    }
  });
}

}  // namespace

Scratch::~Scratch() { std::free(memory_); }

bool Scratch::Reserve(size_t bytes) {
  if (bytes <= size_) return true;
  std::free(memory_);
  memory_ = static_cast<uint8_t*>(std::aligned_alloc(64, Lines(bytes)));
  size_ = memory_ ? Lines(bytes) : 0;
  return memory_ != nullptr;
}

Scratch* Scratch::For(const infernode_kv_format& f, const infernode_kv_shape& s, uint32_t page_count) {
  static thread_local Scratch scratch;
  const size_t elements = size_t{s.tokens} * s.dim;
  const size_t row_bytes = Lines(2 * elements), float_bytes = Lines(8 * elements), code_bytes = Lines(CodeBytesPerHead(f, s));
  const size_t header_bytes = Lines(4 * size_t{s.heads} * GroupsPerHead(f, s)), page_bytes = Lines(sizeof(void*) * page_count);
  if (!scratch.Reserve(row_bytes + float_bytes + code_bytes + header_bytes + 2 * page_bytes)) return nullptr;
  uint8_t* at = scratch.memory_;
  const auto take = [&at](size_t bytes) { return at += bytes, at - bytes; };
  scratch.codes = take(code_bytes);
  scratch.headers = reinterpret_cast<uint32_t*>(take(header_bytes));
  scratch.pages = reinterpret_cast<const uint16_t**>(take(page_bytes));
  scratch.next_pages = reinterpret_cast<const uint16_t**>(take(page_bytes));
  scratch.rows = reinterpret_cast<uint16_t*>(take(row_bytes));
  scratch.floats = reinterpret_cast<float*>(take(float_bytes));
  return &scratch;
}

void Scratch::Trim() {
  if (size_ <= kKeptScratch) return;
  std::free(memory_);
  memory_ = nullptr, size_ = 0;
}

void EncodeRecordHead(bool simd, const infernode_kv_format& f, const infernode_kv_shape& s, const HeadInput& in, const HeadInput* next,
                      Scratch& scratch, uint8_t* codes, uint32_t* headers, uint64_t* nonfinite) {
  if (simd && IsRaw(f)) {
    *nonfinite += SimdKernelsOfThisCpu().copy_rows(s, in, next, codes);
    return;
  }
  if (IsRaw(f)) return CopyRaw(s, in, codes, nonfinite);
  if (simd) {
    if (SimdKernelsOfThisCpu().encode_head(f, s, in, next, codes, headers)) Redo(f, s, in, scratch, codes, headers, nonfinite);
    return;
  }
  Gather(in, s, scratch.rows);
  EncodeHead(f, OneHead(s), 0, scratch.rows, scratch.floats, codes, headers, nonfinite);
}

void DecodeRecordHead(bool simd, const infernode_kv_format& f, const infernode_kv_shape& s, const uint8_t* codes, const uint32_t* headers,
                      Scratch& scratch, const HeadOutput& out, bool stream) {
  if (simd && IsRaw(f)) return SimdKernelsOfThisCpu().put_rows(s, codes, out, stream);
  if (IsRaw(f)) {
    EachRow(out, s.tokens, [&](uint32_t t, uint16_t* row) { std::memcpy(row, codes + size_t{2} * t * s.dim, size_t{2} * s.dim); });
    return;
  }
  if (simd && SimdKernelsOfThisCpu().decode_head(f, s, codes, headers, out, stream)) return;
  DecodeHead(f, OneHead(s), 0, codes, headers, scratch.floats, scratch.rows);
  Scatter(scratch.rows, s, out);
}

float RelativeError(double energy, double error) {
  if (error == 0) return 0;
  const double ratio = std::sqrt(error / energy);
  return std::isfinite(ratio) ? static_cast<float>(ratio) : 1.0f;
}

float HeadError(bool simd, const infernode_kv_format& f, const infernode_kv_shape& s, const HeadInput& in, const uint8_t* codes,
                const uint32_t* headers, Scratch& scratch) {
  if (IsRaw(f)) return 0;
  // The reference reads its own scratch before it writes rows, so the rows can be the output.
  uint16_t* const page[] = {scratch.rows};
  DecodeRecordHead(simd, f, s, codes, headers, scratch, {page, s.tokens, s.dim, 0}, false);
  double energy = 0, error = 0;
  if (s.dim % kSimdGranule == 0) SimdKernelsOfThisCpu().compare(s, in, scratch.rows, &energy, &error);
  else CompareSlowly(s, in, scratch.rows, &energy, &error);
  return RelativeError(energy, error);
}

}  // namespace infernode::kv
