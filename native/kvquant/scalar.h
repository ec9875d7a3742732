#pragma once

#include <cstddef>
#include <cstdint>

#include "kvquant/infernode_kv.h"

namespace infernode::kv {

/// Encodes one head; `scratch` holds 2 x tokens x dim floats. Adds to `nonfinite`.
void EncodeHead(const infernode_kv_format& f, const infernode_kv_shape& s, uint32_t head, const uint16_t* in, float* scratch,
                uint8_t* codes, uint32_t* headers, uint64_t* nonfinite);

/// Decodes one head; `scratch` holds tokens x dim floats.
void DecodeHead(const infernode_kv_format& f, const infernode_kv_shape& s, uint32_t head, const uint8_t* codes,
                const uint32_t* headers, float* scratch, uint16_t* out);

}  // namespace infernode::kv
