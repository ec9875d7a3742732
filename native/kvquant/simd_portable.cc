// Whatever vectors the baseline of this platform has; no more than 16 bytes are assumed.
#define KV_VECTOR_BYTES 16
#define KV_KERNELS kPortableKernels
#define KV_NAME "portable"
#include "kvquant/simd_kernels.inc"
