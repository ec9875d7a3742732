// What a kernel is told of sections of the C API: one place that knows which field of either goes where.
#pragma once

#include "kvquant/cuda/kernel_abi.h"
#include "kvquant/infernode_kv.h"

namespace infernode::kv {

inline KernelSection KernelSectionOf(const infernode_kv_format& f, uint64_t cache, uint64_t records, size_t record_bytes) {
  return {cache, records, record_bytes, static_cast<uint32_t>(f.code), static_cast<uint32_t>(f.grouping), f.run, f.rotate, f.static_scale, 0};
}

/// Of a launch whose sections have the geometry of `s`; its addresses, and where errors go, are the caller's to set.
inline KernelParams KernelParamsOf(const infernode_kv_section& s, uint32_t section_count, uint32_t records) {
  const infernode_kv_shape& page = s.page;
  KernelParams p{};
  p.section_count = section_count, p.records = records;
  p.pages = s.pages, p.pages_per_record = s.pages_per_record;
  p.page_tokens = page.tokens, p.heads = page.heads, p.dim = page.dim, p.fp16 = page.dtype == INFERNODE_KV_FP16;
  p.page_stride = s.page_stride, p.token_stride = page.token_stride, p.head_stride = page.head_stride;
  return p;
}

}  // namespace infernode::kv
