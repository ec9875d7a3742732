// Where a group lies in its block and in its record: the one place that knows record order. `constexpr`, so that device code
// can call it too.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kvquant/infernode_kv.h"

namespace infernode::kv {

static constexpr bool IsFp8(const infernode_kv_format& f) { return f.code == INFERNODE_KV_E4M3 || f.code == INFERNODE_KV_E5M2; }
static constexpr bool IsFourBit(const infernode_kv_format& f) { return f.code == INFERNODE_KV_INT4S || f.code == INFERNODE_KV_INT4A; }

static constexpr bool IsRaw(const infernode_kv_format& f) { return f.code == INFERNODE_KV_RAW; }

static constexpr size_t CodeBytes(const infernode_kv_format& f, size_t elements) {
  return IsRaw(f) ? 2 * elements : IsFourBit(f) ? (elements + 1) / 2 : elements;
}

static constexpr size_t RunsPerRow(const infernode_kv_format& f, const infernode_kv_shape& s) { return (s.dim + f.run - 1) / f.run; }

static constexpr size_t GroupsPerHead(const infernode_kv_format& f, const infernode_kv_shape& s) {
  if (IsRaw(f)) return 0;
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
  constexpr size_t elements() const { return size_t{tokens} * dims; }
};

static constexpr Group GroupAt(const infernode_kv_format& f, const infernode_kv_shape& s, size_t g) {
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

/// Distance between two code bytes of one group. Channels lie side by side in memory, so that a row of tokens is encoded
/// with lane = channel and nothing is transposed; record order (channel by channel) is made by RecordOrder.
static constexpr size_t CodeStride(const infernode_kv_format& f, const infernode_kv_shape& s) { return f.grouping == INFERNODE_KV_CHAN ? s.dim : 1; }

/// Where the codes of group `g` of a head begin, and how far that is from the next group.
static constexpr size_t CodeOffset(const infernode_kv_format& f, const infernode_kv_shape& s, size_t g) {
  switch (f.grouping) {
    case INFERNODE_KV_CHAN: return g;
    case INFERNODE_KV_RUN: {
      const size_t runs = RunsPerRow(f, s), full = CodeBytes(f, f.run), tail = s.dim % f.run;
      const size_t row = (s.dim / f.run) * full + CodeBytes(f, tail);
      return (g / runs) * row + (g % runs) * full;
    }
    default: return g * CodeBytes(f, GroupAt(f, s, 0).elements());
  }
}

/// Bytes of codes of one head; each group starts on a byte.
static constexpr size_t CodeBytesPerHead(const infernode_kv_format& f, const infernode_kv_shape& s) {
  if (IsRaw(f)) return CodeBytes(f, size_t{s.tokens} * s.dim);
  if (f.grouping != INFERNODE_KV_RUN) return GroupsPerHead(f, s) * CodeBytes(f, GroupAt(f, s, 0).elements());
  const size_t full = s.dim / f.run, tail = s.dim % f.run;
  return s.tokens * (full * CodeBytes(f, f.run) + CodeBytes(f, tail));
}

}  // namespace infernode::kv
