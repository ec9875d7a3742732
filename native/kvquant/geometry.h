// Where a group lies in its block and in its record: the one place that knows record order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kvquant/infernode_kv.h"

namespace infernode::kv {

inline bool IsFp8(const infernode_kv_format& f) { return f.code == INFERNODE_KV_E4M3 || f.code == INFERNODE_KV_E5M2; }
inline bool IsFourBit(const infernode_kv_format& f) { return f.code == INFERNODE_KV_INT4S || f.code == INFERNODE_KV_INT4A; }

inline size_t CodeBytes(const infernode_kv_format& f, size_t elements) { return IsFourBit(f) ? (elements + 1) / 2 : elements; }

inline size_t RunsPerRow(const infernode_kv_format& f, const infernode_kv_shape& s) { return (s.dim + f.run - 1) / f.run; }

inline size_t GroupsPerHead(const infernode_kv_format& f, const infernode_kv_shape& s) {
  switch (f.grouping) {
    case INFERNODE_KV_HEAD: return 1;
    case INFERNODE_KV_TOK: return s.tokens;
    case INFERNODE_KV_RUN: return s.tokens * RunsPerRow(f, s);
    default: return s.dim;
  }
}

/// Group `g` of a head covers tokens [token, token + tokens) and dims [dim, dim + dims), by token, then by dim.
struct Group {
  uint32_t token, tokens, dim, dims;
  size_t elements() const { return size_t{tokens} * dims; }
};

inline Group GroupAt(const infernode_kv_format& f, const infernode_kv_shape& s, size_t g) {
  switch (f.grouping) {
    case INFERNODE_KV_HEAD: return {0, s.tokens, 0, s.dim};
    case INFERNODE_KV_TOK: return {static_cast<uint32_t>(g), 1, 0, s.dim};
    case INFERNODE_KV_RUN: {
      const size_t runs = RunsPerRow(f, s);
      const uint32_t start = static_cast<uint32_t>(g % runs) * f.run;
      return {static_cast<uint32_t>(g / runs), 1, start, start + f.run <= s.dim ? f.run : s.dim - start};
    }
    default: return {0, s.tokens, static_cast<uint32_t>(g), 1};
  }
}

/// Bytes of codes of one head; each group starts on a byte.
inline size_t CodeBytesPerHead(const infernode_kv_format& f, const infernode_kv_shape& s) {
  if (f.grouping != INFERNODE_KV_RUN) return GroupsPerHead(f, s) * CodeBytes(f, GroupAt(f, s, 0).elements());
  const size_t full = s.dim / f.run, tail = s.dim % f.run;
  return s.tokens * (full * CodeBytes(f, f.run) + CodeBytes(f, tail));
}

}  // namespace infernode::kv
