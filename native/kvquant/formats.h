// Checks that every entry point makes before it touches data.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kvquant/infernode_kv.h"

namespace infernode::kv {

/// Format and shape together; either may be null.
infernode_kv_result CheckShape(const infernode_kv_format* f, const infernode_kv_shape* s);

/// A section, and the shape of its records as if they lay contiguously.
infernode_kv_result CheckSection(const infernode_kv_section* section, infernode_kv_shape* record);

/// What every call on a paged cache checks: section, table, and that all of it lies within the buffers. `bytes` are the records'.
infernode_kv_result CheckPaged(const infernode_kv_section* section, const void* cache, size_t cache_elements, const int32_t* table, size_t records,
                               const void* bytes, size_t byte_count, infernode_kv_shape* record);

/// A page that is decoded into twice would be a race of threads, and its content an accident. `again`: the first entry that names a page once
/// more, if not null. The entries have been checked.
infernode_kv_result CheckNamedOnce(const int32_t* table, size_t entries, uint32_t pages, size_t* again);

/// Elements from the first to past the last of a block.
inline int64_t ExtentOf(const infernode_kv_shape& s) { return (s.tokens - 1) * s.token_stride + (s.heads - 1) * s.head_stride + s.dim; }

/// The same block with `tokens` tokens, rows of all heads of a token together.
inline infernode_kv_shape Contiguous(const infernode_kv_shape& s, uint32_t tokens) {
  return {s.dtype, tokens, s.heads, s.dim, int64_t{s.heads} * s.dim, s.dim};
}

}  // namespace infernode::kv
