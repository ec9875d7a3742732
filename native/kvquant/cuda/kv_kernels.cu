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

// Blocks an SM: three leave 80 registers a thread; the rotated paths hold 64 floats alone.
#define KV_ENTRY(name, fp16, encode, rotates, blocks)                                                                                \
  extern "C" __global__ void __launch_bounds__(infernode::kv::kKernelThreads, blocks) name(const infernode::kv::KernelParams p) { \
    infernode::kv::RunItems<fp16, encode, rotates>(p);                                                                               \
  }

KV_ENTRY(infernode_kv_encode_bf16, false, true, false, 2)
KV_ENTRY(infernode_kv_encode_fp16, true, true, false, 2)
KV_ENTRY(infernode_kv_decode_bf16, false, false, false, 2)
KV_ENTRY(infernode_kv_decode_fp16, true, false, false, 2)
KV_ENTRY(infernode_kv_encode_bf16_r, false, true, true, 2)
KV_ENTRY(infernode_kv_encode_fp16_r, true, true, true, 2)
KV_ENTRY(infernode_kv_decode_bf16_r, false, false, true, 2)
KV_ENTRY(infernode_kv_decode_fp16_r, true, false, true, 2)
