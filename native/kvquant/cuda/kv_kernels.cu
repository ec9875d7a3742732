// The kernels' entries. Everything about them is in kernel_abi.h; scripts/generate-ptx.mjs turns this into the committed PTX.
#include "kvquant/cuda/decode.h"

namespace infernode::kv {

template <bool kFp16, bool kEncode, bool kRotates>
KV_DEVICE void RunItems(const KernelParams& p) {
  __shared__ Shared shared;
  const Split split = SplitOf(p);
  const uint32_t items = p.section_count * split.items_per_section;
#pragma unroll 1
  for (uint32_t item = blockIdx.x; item < items; item += gridDim.x) {
    if constexpr (kEncode) EncodeItem<kFp16, kRotates>(p, split, item, shared);
    else DecodeItem<kFp16, kRotates>(p, split, item, shared);
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
