// The fast CPU path: one source of vector code compiled for three widths, chosen at run time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kvquant/infernode_kv.h"

namespace infernode::kv {

/// The rows of one head of one record: token t of page p is at `pages[p] + offset + t * stride`, every page holds
/// `page_tokens`. A contiguous block is one page.
template <class T>
struct HeadRows {
  T* const* pages;
  uint32_t page_tokens;
  int64_t stride, offset;
};
using HeadInput = HeadRows<const uint16_t>;
using HeadOutput = HeadRows<uint16_t>;

/// A header with every bit set belongs to no usual group (its scale would be NaN): it marks the groups that hold something
/// unusual, whose codes the reference has to make.
inline constexpr uint32_t kRedo = 0xFFFFFFFFu;

/// One compiled width. The functions on heads handle only what `SimdCovers`.
struct SimdKernels {
  const char* name;
  /// True when some header is kRedo. While it works it fetches `next` (may be null), which the caller encodes next.
  bool (*encode_head)(const infernode_kv_format& f, const infernode_kv_shape& s, const HeadInput& in, const HeadInput* next,
                      uint8_t* codes, uint32_t* headers);
  /// False when the codes hold an fp8 NaN or infinity, or a header is one that no encoder writes: nothing was written, the reference has to decode this head.
  /// With `stream` the rows (aligned to 64 bytes) go past the caches.
  bool (*decode_head)(const infernode_kv_format& f, const infernode_kv_shape& s, const uint8_t* codes, const uint32_t* headers,
                      const HeadOutput& out, bool stream);
  /// `raw`: copies the rows of a head and counts what is not usable.
  uint64_t (*copy_rows)(const infernode_kv_shape& s, const HeadInput& in, const HeadInput* next, uint8_t* codes);
  void (*put_rows)(const infernode_kv_shape& s, const uint8_t* codes, const HeadOutput& out, bool stream);
  /// Copies whole 64-byte lines to `to` (aligned to 64), past the caches, and returns their part of the checksum.
  uint64_t (*emit)(uint8_t* to, const uint8_t* from, size_t bytes, uint64_t first_word);
  /// The part of the checksum of whole 64-byte lines.
  uint64_t (*sum)(const uint8_t* from, size_t bytes, uint64_t first_word);
  /// Adds the squares of the rows and of their differences from `decoded`, contiguous rows; dim is a multiple of 32.
  void (*compare)(const infernode_kv_shape& s, const HeadInput& in, const uint16_t* decoded, double* energy, double* error);
  /// Orders streamed stores before what follows.
  void (*fence)();
};

extern const SimdKernels kAvx512Kernels, kAvx2Kernels, kPortableKernels;

/// The widest that this processor runs; `INFERNODE_KV_SIMD` = avx512 | avx2 | portable narrows it, for tests.
const SimdKernels& SimdKernelsOfThisCpu();

/// Rows and runs of whole vectors, no rotation, no static scale; everything else takes the scalar reference.
bool SimdCovers(const infernode_kv_format& f, const infernode_kv_shape& s);

/// Values of 16 bits in the widest vector: the granule of rows and runs.
inline constexpr uint32_t kSimdGranule = 32;

}  // namespace infernode::kv
