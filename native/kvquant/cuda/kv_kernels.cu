// The kernels' entries. Everything about them is in kernel_abi.h; scripts/generate-ptx.mjs turns this into the committed PTX.
#include "kvquant/cuda/decode.h"

namespace infernode::kv {

template <bool kFp16, bool kEncode, bool kRotates>
KV_DEVICE void RunItems(const KernelParams& p) {
  __shared__ Shared shared;
  const Split split = SplitOf(p);
  const uint64_t items = static_cast<uint64_t>(p.section_count) * split.items_per_section, share = items / gridDim.x, rest = items % gridDim.x;
  const uint64_t first = blockIdx.x * share + (blockIdx.x < rest ? blockIdx.x : rest), end = first + share + (blockIdx.x < rest);
  const Seat seat = SeatOf(split, threadIdx.x / (32 * split.team_warps));
  uint32_t section = static_cast<uint32_t>(first / split.items_per_section), at = static_cast<uint32_t>(first % split.items_per_section);
  uint32_t before = 0, record = at / split.head_parts * split.records_at_once, part = at % split.head_parts;
#pragma unroll 1
  for (uint64_t n = first; n < end; ++n) {
    if (n == first || record + part == 0) BeginSection(p, split, section, kEncode, kRotates, shared);
    const Item item{section, record, part, before, part + 1 == split.head_parts || n + 1 == end, static_cast<uint32_t>(n) & 1u};
    if constexpr (kEncode) EncodeItem<kFp16, kRotates>(p, split, seat, item, shared);
    else DecodeItem<kFp16, kRotates>(p, split, seat, item, shared);
    before = item.last ? 0 : before + 1;
    if (++part == split.head_parts) part = 0, record += split.records_at_once;
    if (record >= p.records) record = 0, ++section;
  }
}

}  // namespace infernode::kv

#define KV_ENTRY(name, fp16, encode, rotates)                                                                                   \
  extern "C" __global__ void __launch_bounds__(infernode::kv::kKernelThreads, 2) name(const infernode::kv::KernelParams p) { \
    infernode::kv::RunItems<fp16, encode, rotates>(p);                                                                          \
  }

// scripts/generate-ptx.mjs makes an image of each entry: KV_ONE is its number in kKernelNames. Others take all of them.
#ifdef KV_ONE
#define KV_WANTED(number) KV_ONE == number
#else
#define KV_WANTED(number) 1
#endif
#if KV_WANTED(0)
KV_ENTRY(infernode_kv_encode_bf16, false, true, false)
#endif
#if KV_WANTED(1)
KV_ENTRY(infernode_kv_encode_fp16, true, true, false)
#endif
#if KV_WANTED(2)
KV_ENTRY(infernode_kv_decode_bf16, false, false, false)
#endif
#if KV_WANTED(3)
KV_ENTRY(infernode_kv_decode_fp16, true, false, false)
#endif
// Their type is a parameter: `fp16` plays no part.
#if KV_WANTED(4)
KV_ENTRY(infernode_kv_encode_r, false, true, true)
#endif
#if KV_WANTED(5)
KV_ENTRY(infernode_kv_decode_r, false, false, true)
#endif
