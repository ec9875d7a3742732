// What the KV kernels and whoever launches them agree on. Plain C++, no CUDA: included by the kernels, by the host code that
// fills the parameters, and by the libcuda simulator, which runs RunKernelOnHost in their place.
//
// A kernel takes one KernelParams by value, its only parameter (`kernelParams[0]` points to one). Addresses in it are device
// addresses; what they point to is described here. Launch with kKernelThreads threads a block, no dynamic shared memory, and
// any number of blocks from 1 on: they share the work in ranges, so fewer of them leave more of the GPU to others and change no bit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace infernode::kv {

inline constexpr uint32_t kKernelThreads = 256;

/// Entry names; each is a PTX image of its own, so that a driver compiles only what is launched. Every kernel does every format; those with `_r`
/// are fast for rotated formats and slow for others, those without the other way round. So a launch of sections with and without rotation
/// is right, but two launches are faster. The kernels with `_r` take both types.
inline constexpr const char* kKernelNames[] = {"infernode_kv_encode_bf16", "infernode_kv_encode_fp16", "infernode_kv_decode_bf16",
                                               "infernode_kv_decode_fp16", "infernode_kv_encode_r",    "infernode_kv_decode_r"};

constexpr const char* KernelName(bool encode, bool fp16, bool rotates) {
  return kKernelNames[rotates ? (encode ? 4 : 5) : (encode ? 0 : 2) + (fp16 ? 1 : 0)];
}

/// The K or the V of one layer, and where its records go; in device memory. Sections of one launch share shape and block table,
/// not formats: keys and values of all layers go in one launch.
struct KernelSection {
  uint64_t cache;      ///< first element of page 0; any even address, multiples of 16 are fast
  uint64_t records;    ///< record 0; a multiple of 64; record r is at r x record_bytes
  uint64_t record_bytes;                ///< infernode_kv_section_record_bytes of this section
  uint32_t code, grouping, run, rotate; ///< infernode_kv_format, checked
  float static_scale;
  uint32_t reserved;   ///< 0; the decoder relies on it
};
static_assert(sizeof(KernelSection) == 48, "shared with device code");

/// Scratch of one record of one section: all zeros before the first launch, and left so by every launch that completes.
struct KernelRecordState {
  uint64_t sum, nonfinite;
  uint32_t heads_done, reserved;
};
static_assert(sizeof(KernelRecordState) == 24, "shared with device code");

/// What became of one record; both kernels write one for each record of each section.
struct KernelOutcome {
  uint64_t nonfinite;  ///< encode: counted; decode: as the record says
  uint32_t result;     ///< infernode_kv_result (OK, BAD_TABLE, BAD_RECORD, BAD_CHECKSUM) or kRecordSkipped
  uint32_t reserved;
};
static_assert(sizeof(KernelOutcome) == 16, "shared with device code");

/// The result of a record whose first table entry is kNoPage: nothing of it was read or written. A captured graph runs
/// fewer records than it was captured for by filling the rest of its table with kNoPage.
inline constexpr uint32_t kRecordSkipped = 0xFFFFFFFFu;
inline constexpr int32_t kNoPage = -1;

/// Largest dim.
inline constexpr uint32_t kKernelMaxDim = 2048;

/// Of one head of one record: the sums of x^2 and of (x - y)^2 over its values x and what they decode to, y. `raw`: zeros.
struct KernelDifference {
  double energy, error;
};
static_assert(sizeof(KernelDifference) == 16, "shared with device code");

struct KernelParams {
  uint64_t sections;   ///< const KernelSection[section_count]
  uint64_t table;      ///< const int32_t[records][pages_per_record], the same for every section
  uint64_t states;     ///< KernelRecordState[section_count][records]
  uint64_t outcomes;   ///< KernelOutcome[section_count][records]
  uint32_t section_count, records;
  uint32_t pages, pages_per_record;  ///< entries from 0 to below `pages` are pages; others but kNoPage are BAD_TABLE
  uint32_t page_tokens, heads, dim;
  uint32_t fp16;       ///< 1: elements are fp16; 0: bf16
  int64_t page_stride, token_stride, head_stride;  ///< in elements, as in infernode_kv_section
  uint64_t errors = 0; ///< decoding: KernelDifference[section_count][records][heads], then pages are compared and not written; or 0
};
static_assert(sizeof(KernelParams) == 96, "shared with device code");

/// Does what the kernel `name` does, on the host, by the scalar reference: the addresses in `params` are host addresses.
/// `params` points to `bytes` = sizeof(KernelParams) bytes. False when there is no such kernel, dim is above kKernelMaxDim, or a section
/// is none that infernode_kv_section_record_bytes accepts; a real kernel must never be launched with such parameters.
bool RunKernelOnHost(const char* name, const void* params, size_t bytes);

}  // namespace infernode::kv
