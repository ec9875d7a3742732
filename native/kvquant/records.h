// The packed form of a block: what is written in infernode_kv.h, and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kvquant/geometry.h"
#include "kvquant/infernode_kv.h"

namespace infernode::kv {

/// Where the parts of a record lie, from its start; all multiples of 64.
struct RecordLayout {
  size_t codes_per_head, groups_per_head;
  size_t header_offset, bytes;
};

/// The head as it lies in memory.
struct RecordHead {
  uint32_t magic;
  uint16_t version, head_bytes;
  uint8_t code, grouping, dtype, rotate;
  uint32_t run, tokens, heads, dim;
  float static_scale;
  uint64_t nonfinite, payload_bytes, checksum, head_checksum;
};
static_assert(sizeof(RecordHead) == INFERNODE_KV_RECORD_HEAD, "the head has no padding");
inline constexpr uint32_t kRecordMagic = 0x524B5649;
inline constexpr uint16_t kRecordVersion = 1;

/// The format and shape have been checked.
constexpr RecordLayout LayOut(const infernode_kv_format& f, const infernode_kv_shape& s) {
  const auto lines = [](size_t bytes) { return (bytes + 63) / 64 * 64; };
  const size_t codes = CodeBytesPerHead(f, s), groups = GroupsPerHead(f, s);
  const size_t header_offset = INFERNODE_KV_RECORD_HEAD + lines(s.heads * codes);
  return {codes, groups, header_offset, header_offset + lines(4 * s.heads * groups)};
}

/// Writes the 64 bytes of the head.
void WriteRecordHead(uint8_t* record, const infernode_kv_format& f, const infernode_kv_shape& s, uint64_t nonfinite, uint64_t payload_bytes,
                     uint64_t checksum);

/// Believes nothing that it has not checked; the payload's checksum is left to the caller.
infernode_kv_result ParseRecordHead(const uint8_t* record, size_t bytes, infernode_kv_record* info);

}  // namespace infernode::kv
