#pragma once

#include <cstddef>
#include <cstdint>

#include "kvquant/geometry.h"
#include "kvquant/infernode_kv.h"

namespace infernode::kv {

/// Encodes one group of a head without rotation and returns its header; `head_in` is the head's first element and
/// `scratch` holds the group's floats. The fast paths hand their rare groups here.
uint32_t EncodeGroupAt(const infernode_kv_format& f, const infernode_kv_shape& s, const Group& group, const uint16_t* head_in,
                       uint8_t* codes, float* scratch, uint64_t* nonfinite);

/// Encodes one head; `scratch` holds 2 x tokens x dim floats. Adds to `nonfinite`.
void EncodeHead(const infernode_kv_format& f, const infernode_kv_shape& s, uint32_t head, const uint16_t* in, float* scratch,
                uint8_t* codes, uint32_t* headers, uint64_t* nonfinite);

/// Decodes one head; `scratch` holds tokens x dim floats.
void DecodeHead(const infernode_kv_format& f, const infernode_kv_shape& s, uint32_t head, const uint8_t* codes,
                const uint32_t* headers, float* scratch, uint16_t* out);

}  // namespace infernode::kv
