#include "kvquant/cuda/kernel_images.h"

#include "cuda/embed_ptx.h"

INFERNODE_EMBED_PTX(infernode_kv_ptx_sm80, "kvquant/cuda/kv_kernels.sm80.ptx");
INFERNODE_EMBED_PTX(infernode_kv_ptx_sm89, "kvquant/cuda/kv_kernels.sm89.ptx");

namespace infernode::kv {

const cuda::PtxImage kKernelImages[kKernelImageCount] = {{"sm80", 80, 11040, infernode_kv_ptx_sm80}, {"sm89", 89, 12010, infernode_kv_ptx_sm89}};

}  // namespace infernode::kv
