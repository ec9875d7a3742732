// The kernels' work on the host, record by record through the scalar path of the library: what the libcuda simulator runs.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <numeric>
#include <vector>

#include "kvquant/cuda/kernel_abi.h"
#include "kvquant/float_formats.h"
#include "kvquant/formats.h"
#include "kvquant/infernode_kv.h"

namespace infernode::kv {
namespace {

template <class T>
T* At(uint64_t address) {
  return reinterpret_cast<T*>(static_cast<uintptr_t>(address));
}

infernode_kv_section SectionOf(const KernelParams& p, const KernelSection& s, infernode_kv_dtype dtype) {
  const infernode_kv_format format{static_cast<infernode_kv_code>(s.code), static_cast<infernode_kv_grouping>(s.grouping), s.run, s.rotate, s.static_scale};
  return {format, {dtype, p.page_tokens, p.heads, p.dim, p.token_stride, p.head_stride}, p.page_stride, p.pages, p.pages_per_record};
}

/// Decodes a record into pages of its own, and compares them with those that the table names.
KernelOutcome MeasureRecord(const infernode_kv_section& section, const KernelSection& s, const int32_t* table, uint32_t record, KernelDifference* heads) {
  infernode_kv_section own = section;
  const infernode_kv_shape& page = section.page;
  own.page.token_stride = int64_t{page.heads} * page.dim, own.page.head_stride = page.dim, own.page_stride = page.tokens * own.page.token_stride, own.pages = section.pages_per_record;
  std::vector<int32_t> order(own.pages);
  std::iota(order.begin(), order.end(), 0);
  std::vector<uint16_t> made(static_cast<size_t>(own.page_stride) * own.pages);
  infernode_kv_outcome outcome{};
  const infernode_kv_result result =
      infernode_kv_decode_paged(nullptr, INFERNODE_KV_SCALAR, &own, At<const uint8_t>(s.records) + record * s.record_bytes, s.record_bytes, order.data(), 1, made.data(), made.size(), &outcome);
  const auto value = [&](uint16_t bits) { return double{page.dtype == INFERNODE_KV_FP16 ? Fp16ToFloat(bits) : Bf16ToFloat(bits)}; };
  std::fill_n(heads, page.heads, KernelDifference{0, 0});
  for (size_t i = 0; section.format.code != INFERNODE_KV_RAW && i < made.size(); ++i) {
    const size_t d = i % page.dim, head = i / page.dim % page.heads, token = i / page.dim / page.heads;
    const uint16_t* from = At<const uint16_t>(s.cache) + table[token / page.tokens] * section.page_stride + static_cast<int64_t>(token % page.tokens) * page.token_stride;
    const double x = value(from[static_cast<int64_t>(head) * page.head_stride + static_cast<int64_t>(d)]), difference = x - value(made[i]);
    heads[head].energy += x * x, heads[head].error += difference * difference;
  }
  return {result == INFERNODE_KV_OK ? outcome.nonfinite : 0, static_cast<uint32_t>(result), 0};
}

bool IsTable(const infernode_kv_section& section, const int32_t* table) {
  return std::all_of(table, table + section.pages_per_record, [&](int32_t page) { return page >= 0 && static_cast<uint32_t>(page) < section.pages; });
}

KernelOutcome RunRecord(bool encode, const infernode_kv_section& section, const KernelSection& s, const int32_t* table, uint32_t record) {
  if (table[0] == kNoPage) return {0, kRecordSkipped, 0};
  const size_t elements = static_cast<size_t>(section.pages - 1) * static_cast<size_t>(section.page_stride) + static_cast<size_t>(ExtentOf(section.page));
  uint8_t* bytes = At<uint8_t>(s.records) + record * s.record_bytes;
  infernode_kv_outcome outcome{};
  const infernode_kv_result result =
      encode ? infernode_kv_encode_paged(nullptr, INFERNODE_KV_SCALAR, &section, At<const uint16_t>(s.cache), elements, table, 1, bytes, s.record_bytes, nullptr, &outcome)
             : infernode_kv_decode_paged(nullptr, INFERNODE_KV_SCALAR, &section, bytes, s.record_bytes, table, 1, At<uint16_t>(s.cache), elements, &outcome);
  return {result == INFERNODE_KV_OK ? outcome.nonfinite : 0, static_cast<uint32_t>(result), 0};
}

}  // namespace

bool RunKernelOnHost(const char* name, const void* params, size_t bytes) {
  KernelParams p;
  size_t kernel = 0;
  while (kernel < std::size(kKernelNames) && std::strcmp(name, kKernelNames[kernel]) != 0) ++kernel;
  if (kernel == std::size(kKernelNames) || bytes != sizeof p) return false;
  std::memcpy(&p, params, sizeof p);
  // A kernel of one type must not be given the other.
  if (p.dim > kKernelMaxDim || p.fp16 > 1 || (kernel < 4 && kernel % 2 != p.fp16)) return false;
  const bool encode = kernel < 2 || kernel == 4;
  for (uint32_t i = 0; i < p.section_count; ++i) {
    const KernelSection& s = At<const KernelSection>(p.sections)[i];
    const infernode_kv_section section = SectionOf(p, s, p.fp16 ? INFERNODE_KV_FP16 : INFERNODE_KV_BF16);
    size_t record_bytes = 0;
    if (infernode_kv_section_record_bytes(&section, &record_bytes) != INFERNODE_KV_OK || record_bytes != s.record_bytes) return false;
    for (uint32_t r = 0; r < p.records; ++r) {
      const auto* table = At<const int32_t>(p.table) + size_t{r} * p.pages_per_record;
      const size_t at = size_t{i} * p.records + r;
      const bool measures = !encode && p.errors != 0 && IsTable(section, table);
      At<KernelOutcome>(p.outcomes)[at] = measures ? MeasureRecord(section, s, table, r, At<KernelDifference>(p.errors) + at * p.heads) : RunRecord(encode, section, s, table, r);
    }
  }
  return true;
}

}  // namespace infernode::kv
