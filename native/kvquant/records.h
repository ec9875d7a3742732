// The packed form of a block: what is written in infernode_kv.h, and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kvquant/infernode_kv.h"

namespace infernode::kv {

/// Where the parts of a record lie, from its start; all multiples of 64.
struct RecordLayout {
  size_t codes_per_head, groups_per_head;
  size_t header_offset, bytes;
};

/// The format and shape have been checked.
RecordLayout LayOut(const infernode_kv_format& f, const infernode_kv_shape& s);

/// Writes the 64 bytes of the head.
void WriteRecordHead(uint8_t* record, const infernode_kv_format& f, const infernode_kv_shape& s, uint64_t nonfinite, uint64_t payload_bytes,
                     uint64_t checksum);

/// Believes nothing that it has not checked; the payload's checksum is left to the caller.
infernode_kv_result ParseRecordHead(const uint8_t* record, size_t bytes, infernode_kv_record* info);

}  // namespace infernode::kv
