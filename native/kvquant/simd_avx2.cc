#pragma GCC target("avx2,f16c,fma")
#define KV_VECTOR_BYTES 32
#define KV_KERNELS kAvx2Kernels
#define KV_NAME "avx2"
#include "kvquant/simd_kernels.inc"
