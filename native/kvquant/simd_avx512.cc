#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,f16c,fma")
#define KV_VECTOR_BYTES 64
#define KV_KERNELS kAvx512Kernels
#define KV_NAME "avx512"
#include "kvquant/simd_kernels.inc"
