#include "kvquant/cuda/kernel_images.h"

#include <cstring>
#include <iterator>

#include "cuda/embed_ptx.h"
#include "kvquant/cuda/kernel_abi.h"

INFERNODE_EMBED_PTX(infernode_kv_ptx_encode_bf16, "kvquant/cuda/ptx/encode_bf16.sm80.ptx");
INFERNODE_EMBED_PTX(infernode_kv_ptx_encode_bf16_sm89, "kvquant/cuda/ptx/encode_bf16.sm89.ptx");
INFERNODE_EMBED_PTX(infernode_kv_ptx_encode_fp16, "kvquant/cuda/ptx/encode_fp16.sm80.ptx");
INFERNODE_EMBED_PTX(infernode_kv_ptx_decode_bf16, "kvquant/cuda/ptx/decode_bf16.sm80.ptx");
INFERNODE_EMBED_PTX(infernode_kv_ptx_decode_fp16, "kvquant/cuda/ptx/decode_fp16.sm80.ptx");
INFERNODE_EMBED_PTX(infernode_kv_ptx_encode_r, "kvquant/cuda/ptx/encode_r.sm80.ptx");
INFERNODE_EMBED_PTX(infernode_kv_ptx_decode_r, "kvquant/cuda/ptx/decode_r.sm80.ptx");

namespace infernode::kv {
namespace {

constexpr cuda::PtxImage Sm80(const char* text) { return {"sm80", 80, 11040, text}; }

/// In the order of kKernelNames. Hardware fp8 conversion makes a second image worth its size for one of them.
const cuda::PtxImage kImages[][2] = {{Sm80(infernode_kv_ptx_encode_bf16), {"sm89", 89, 12010, infernode_kv_ptx_encode_bf16_sm89}},
                                     {Sm80(infernode_kv_ptx_encode_fp16)},
                                     {Sm80(infernode_kv_ptx_decode_bf16)},
                                     {Sm80(infernode_kv_ptx_decode_fp16)},
                                     {Sm80(infernode_kv_ptx_encode_r)},
                                     {Sm80(infernode_kv_ptx_decode_r)}};
static_assert(std::size(kImages) == std::size(kKernelNames), "an image for each entry");

}  // namespace

LoadedKernel LoadKernel(const cuda::ContextRef& context, const char* name) {
  size_t kernel = 0;
  while (std::strcmp(kKernelNames[kernel], name) != 0) ++kernel;
  const cuda::PtxImage* images = kImages[kernel];
  LoadedKernel loaded{cuda::LoadModule(context, images, images[1].text ? 2 : 1), nullptr};
  loaded.function = cuda::FindKernel(loaded.module.module, name);
  return loaded;
}

}  // namespace infernode::kv
