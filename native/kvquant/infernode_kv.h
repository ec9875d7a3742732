/* libinfernode_kv: KV-cache quantization with exact formats. C ABI, no Node, no Python, no CUDA runtime.
 *
 * A block is [tokens, heads, dim] of one layer's K or V. Its codes and headers lie head by head; inside a head the groups
 * of the format; inside a group by token, then by dim. Each group starts on a byte; a header is 4 bytes, little-endian.
 * Only `chan` codes are transposed: byte i of all channels side by side (see infernode_kv_record_order). The same bits come out of every path (scalar, SIMD, CUDA).
 *
 * No function throws or keeps a pointer, and only the scalar reference allocates. Any result other than INFERNODE_KV_OK
 * leaves the output unspecified.
 */
#ifndef INFERNODE_KV_H
#define INFERNODE_KV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define INFERNODE_KV_API __attribute__((visibility("default")))

typedef enum {
  INFERNODE_KV_OK = 0,
  INFERNODE_KV_BAD_FORMAT,   /* unknown format name or member */
  INFERNODE_KV_BAD_SHAPE,    /* zero, too large, or a dim that the rotation cannot take */
  INFERNODE_KV_BAD_STRIDE,   /* strides that let elements of one block overlap */
  INFERNODE_KV_SHORT_BUFFER, /* an output or input buffer smaller than its documented size */
  INFERNODE_KV_BAD_SCALE,    /* a static scale that is not a positive number, or not with fp8 */
  INFERNODE_KV_NO_PATH       /* this processor or build lacks the path */
} infernode_kv_result;

typedef enum { INFERNODE_KV_BF16 = 0, INFERNODE_KV_FP16 = 1 } infernode_kv_dtype;
typedef enum { INFERNODE_KV_INT8, INFERNODE_KV_INT4S, INFERNODE_KV_INT4A, INFERNODE_KV_E4M3, INFERNODE_KV_E5M2 } infernode_kv_code;
typedef enum { INFERNODE_KV_HEAD, INFERNODE_KV_TOK, INFERNODE_KV_RUN, INFERNODE_KV_CHAN } infernode_kv_grouping;
typedef enum { INFERNODE_KV_SCALAR = 0, INFERNODE_KV_SIMD = 1 } infernode_kv_path;

typedef struct {
  infernode_kv_code code;
  infernode_kv_grouping grouping;
  uint32_t run;        /* N of gN; 0 for the other groupings */
  uint32_t rotate;     /* 1: signs and Walsh-Hadamard before encoding; dim must be a power of two */
  float static_scale;  /* > 0 with fp8 only: codes are satfinite(x / scale), no absmax; 0: from the data */
} infernode_kv_format;

typedef struct {
  infernode_kv_dtype dtype;
  uint32_t tokens, heads, dim;
  int64_t token_stride, head_stride; /* in elements; the elements of one (token, head) row are contiguous */
} infernode_kv_shape;

/* Limit on each of tokens, heads, dim and on their product. */
#define INFERNODE_KV_MAX_ELEMENTS (1u << 30)

/* Parses `int8_head`, `int4a_g64`, `e4m3_tok`, `int8_chan`, `int4s_tok_r`, ... */
INFERNODE_KV_API infernode_kv_result infernode_kv_parse_format(const char* name, infernode_kv_format* format);

/* Checks format and shape together, and gives the sizes of a record: bytes of codes, number of headers. */
INFERNODE_KV_API infernode_kv_result infernode_kv_sizes(const infernode_kv_format* format, const infernode_kv_shape* shape,
                                                        size_t* code_bytes, size_t* headers);

/* Quantizes one block. `nonfinite` counts the values that are NaN, infinite or at least 2^120: a caller should refuse
 * to store such a block. */
INFERNODE_KV_API infernode_kv_result infernode_kv_encode(infernode_kv_path path, const infernode_kv_format* format,
                                                         const infernode_kv_shape* shape, const uint16_t* in, uint8_t* codes,
                                                         size_t code_bytes, uint32_t* headers, size_t header_count,
                                                         uint64_t* nonfinite);

/* Dequantizes one block into `out`, laid out by the shape's strides. */
INFERNODE_KV_API infernode_kv_result infernode_kv_decode(infernode_kv_path path, const infernode_kv_format* format,
                                                         const infernode_kv_shape* shape, const uint8_t* codes, size_t code_bytes,
                                                         const uint32_t* headers, size_t header_count, uint16_t* out);

/* Copies codes from the memory layout to record order (`chan`: channel by channel), as cross-checks exchange them. */
INFERNODE_KV_API infernode_kv_result infernode_kv_record_order(const infernode_kv_format* format, const infernode_kv_shape* shape,
                                                               const uint8_t* codes, size_t code_bytes, uint8_t* out);

/* Name of what INFERNODE_KV_SIMD runs on this processor: "avx512", "avx2" or "portable". */
INFERNODE_KV_API const char* infernode_kv_simd_name(void);

/* A static English sentence. */
INFERNODE_KV_API const char* infernode_kv_message(infernode_kv_result result);

#ifdef __cplusplus
}
#endif
#endif
