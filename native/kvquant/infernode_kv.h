/* libinfernode_kv: KV-cache quantization with exact formats. C ABI, no Node, no Python, no CUDA runtime.
 *
 * A block is [tokens, heads, dim] of one layer's K or V. Its codes and headers lie head by head; inside a head the groups
 * of the format; inside a group by token, then by dim. Each group starts on a byte; a header is 4 bytes, little-endian.
 * Only `chan` codes are transposed: byte i of all channels side by side (see infernode_kv_record_order). The same bits come
 * out of every path (scalar, SIMD, CUDA).
 *
 * Functions are safe to call from several threads. None throws or keeps a pointer. Each thread keeps its scratch between
 * calls, so only the first call, or a larger block than any before, allocates. Any result other than INFERNODE_KV_OK leaves
 * the output unspecified. All multi-byte fields are little-endian.
 *
 * Handles (pools, sessions, workspaces, runners) are no addresses: one that was closed is INFERNODE_KV_CLOSED for good, closing it again is
 * nothing, and closing it while another thread's call works with it takes effect after that call.
 */
#ifndef INFERNODE_KV_H
#define INFERNODE_KV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define INFERNODE_KV_API __attribute__((visibility("default")))

/* Any value that a C program may hand over is one of the type in C++ too, so that it can be refused. */
#ifdef __cplusplus
#define INFERNODE_KV_ENUM enum : unsigned int
#else
#define INFERNODE_KV_ENUM enum
#endif

typedef INFERNODE_KV_ENUM {
  INFERNODE_KV_OK = 0,
  INFERNODE_KV_BAD_FORMAT,   /* unknown format name or member */
  INFERNODE_KV_BAD_SHAPE,    /* zero, too large, or a dim that the rotation cannot take */
  INFERNODE_KV_BAD_STRIDE,   /* strides that let elements of one block overlap */
  INFERNODE_KV_SHORT_BUFFER, /* an output or input buffer smaller than its documented size */
  INFERNODE_KV_BAD_SCALE,    /* a static scale that is not a positive number, or not with fp8 */
  INFERNODE_KV_NO_PATH,      /* this processor or build lacks the path */
  INFERNODE_KV_NO_MEMORY,    /* scratch or threads could not be had */
  INFERNODE_KV_BAD_TABLE,    /* a block table entry outside the cache, or a page that is decoded into twice */
  INFERNODE_KV_BAD_RECORD,   /* not a record, or not one of this section */
  INFERNODE_KV_BAD_CHECKSUM, /* a record whose bytes have changed */
  INFERNODE_KV_DEVICE_ERROR, /* the GPU or its driver failed, or cannot be used */
  INFERNODE_KV_NO_CONTEXT,   /* no CUDA context is current to the calling thread */
  INFERNODE_KV_BAD_STREAM,   /* a stream of another context */
  INFERNODE_KV_CAPTURING,    /* a stream that is being captured */
  INFERNODE_KV_BAD_POINTER,  /* an address of another kind of memory than is asked for, or misaligned */
  INFERNODE_KV_BUSY,         /* a run of the same workspace or runner is under way, or its outcome not read */
  INFERNODE_KV_NO_RUN,       /* an outcome is asked for, and nothing has been run */
  INFERNODE_KV_CLOSED        /* a handle that was closed, or never was one; NULL */
} infernode_kv_result;

typedef INFERNODE_KV_ENUM { INFERNODE_KV_BF16 = 0, INFERNODE_KV_FP16 = 1 } infernode_kv_dtype;
typedef INFERNODE_KV_ENUM { INFERNODE_KV_INT8, INFERNODE_KV_INT4S, INFERNODE_KV_INT4A, INFERNODE_KV_E4M3, INFERNODE_KV_E5M2, INFERNODE_KV_RAW } infernode_kv_code;
typedef INFERNODE_KV_ENUM { INFERNODE_KV_HEAD, INFERNODE_KV_TOK, INFERNODE_KV_RUN, INFERNODE_KV_CHAN } infernode_kv_grouping;
typedef INFERNODE_KV_ENUM { INFERNODE_KV_SCALAR = 0, INFERNODE_KV_SIMD = 1 } infernode_kv_path;

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

/* Parses `int8_head`, `int4a_g64`, `e4m3_tok`, `int8_chan`, `int4s_tok_r`, ..., and `raw`: the values as they are, no
 * headers, grouping `head`. A cache whose elements have one byte is `raw` with half the dim. */
INFERNODE_KV_API infernode_kv_result infernode_kv_parse_format(const char* name, infernode_kv_format* format);

/* Writes the name that infernode_kv_parse_format reads, at most `size` bytes with its end. */
INFERNODE_KV_API infernode_kv_result infernode_kv_format_name(const infernode_kv_format* format, char* name, size_t size);

/* The formats of keys and values of the storage profiles `q8`, `k8v4`, `q4` and `raw`. */
INFERNODE_KV_API infernode_kv_result infernode_kv_profile(const char* name, infernode_kv_format* keys, infernode_kv_format* values);

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

/* ---- Records ----------------------------------------------------------------------------------------------------------
 *
 * A record is one quantized block as it is stored or sent: a head of 64 bytes, the codes, the headers, each of the two
 * padded with zeros to whole 64-byte lines. Records are self-describing, and checked before anything in them is believed.
 *
 *   0  u32 0x524B5649 "IVKR"     4  u16 version 1      6  u16 64, bytes of this head
 *   8  u8 code                   9  u8 grouping       10  u8 dtype          11  u8 rotate
 *  12  u32 run                  16  u32 tokens        20  u32 heads         24  u32 dim
 *  28  f32 static scale         32  u64 nonfinite     40  u64 bytes after the head
 *  48  u64 psum64 of the bytes after the head         56  u64 psum64 of bytes 0..55 and 8 zero bytes
 */
#define INFERNODE_KV_RECORD_HEAD 64

typedef struct {
  infernode_kv_format format;
  infernode_kv_shape shape; /* contiguous */
  uint64_t nonfinite;
  uint64_t payload_bytes; /* after the head */
  uint64_t checksum;      /* psum64 of the payload */
  size_t code_bytes;      /* before the padding; the codes start right after the head */
  size_t header_offset;   /* from the start of the record */
  size_t header_count;
} infernode_kv_record;

/* Bytes of a record of this format and shape, a multiple of 64. */
INFERNODE_KV_API infernode_kv_result infernode_kv_record_bytes(const infernode_kv_format* format, const infernode_kv_shape* shape,
                                                               size_t* bytes);

/* Reads the head of a record of at most `bytes` bytes, and, with `verify`, its checksum. Any bytes may be given. */
INFERNODE_KV_API infernode_kv_result infernode_kv_read_record(const uint8_t* record, size_t bytes, int verify,
                                                              infernode_kv_record* info);

/* `psum64` of `bytes` bytes, a multiple of 64 (checksum.h says what it is). */
INFERNODE_KV_API uint64_t infernode_kv_checksum(const uint8_t* data, size_t bytes);

/* ---- Paged caches -----------------------------------------------------------------------------------------------------
 *
 * A section is the K or the V of one layer in an engine's paged cache: blocks ("pages") of `page.tokens` tokens, one page
 * every `page_stride` elements; the page's strides say whether it is NHD (token_stride = heads x dim, head_stride = dim) or
 * HND (token_stride = dim, head_stride = tokens x dim) or anything else that does not overlap. A record covers
 * `pages_per_record` pages that the block table names one after the other: 1, or 8 x 16 tokens for `chan` over 128 tokens.
 */
typedef struct {
  infernode_kv_format format;
  infernode_kv_shape page;
  int64_t page_stride;
  uint32_t pages;            /* in the cache; table entries are in [0, pages) */
  uint32_t pages_per_record; /* at least 1 */
} infernode_kv_section;

/* Threads that share the records of a call with the calling thread. Calls on one pool take turns. */
typedef struct infernode_kv_pool infernode_kv_pool;
#define INFERNODE_KV_MAX_THREADS 256

/* `threads` counts the caller: 1 starts none. */
INFERNODE_KV_API infernode_kv_result infernode_kv_pool_create(uint32_t threads, infernode_kv_pool** pool);
/* NULL is allowed. */
INFERNODE_KV_API void infernode_kv_pool_destroy(infernode_kv_pool* pool);

typedef struct {
  uint64_t nonfinite;  /* of all records: values that are NaN, infinite or at least 2^120 */
  uint64_t bad_record; /* index of the first record that was refused; `records` when none was */
} infernode_kv_outcome;

/* Bytes of one record of a section. */
INFERNODE_KV_API infernode_kv_result infernode_kv_section_record_bytes(const infernode_kv_section* section, size_t* bytes);

/* Encodes `records` records; table[r * pages_per_record + i] is page i of record r. Record r goes to
 * out + r * record_bytes. `errors`, if not NULL, receives for each record and head the relative error
 * sqrt(sum (x - y)^2 / sum x^2) of what a decoder will get (1 where it is not finite). With more than 16 MiB of output,
 * aligned to 64, the records are written past the caches. pool NULL: the calling thread does it. */
INFERNODE_KV_API infernode_kv_result infernode_kv_encode_paged(infernode_kv_pool* pool, infernode_kv_path path,
                                                               const infernode_kv_section* section, const uint16_t* cache,
                                                               size_t cache_elements, const int32_t* table, size_t records,
                                                               uint8_t* out, size_t out_bytes, float* errors,
                                                               infernode_kv_outcome* outcome);

/* Decodes records into the pages that the table names; one that is named twice is INFERNODE_KV_BAD_TABLE. Every record is checked against the
 * section and its checksum; pages of a refused record are unspecified, those of the others are written. */
INFERNODE_KV_API infernode_kv_result infernode_kv_decode_paged(infernode_kv_pool* pool, infernode_kv_path path,
                                                               const infernode_kv_section* section, const uint8_t* in,
                                                               size_t in_bytes, const int32_t* table, size_t records,
                                                               uint16_t* cache, size_t cache_elements,
                                                               infernode_kv_outcome* outcome);

/* ---- CUDA -------------------------------------------------------------------------------------------------------------
 *
 * The same formats by the GPU, with the same bits. The driver is opened at run time; no CUDA runtime is linked.
 */
typedef struct infernode_kv_cuda infernode_kv_cuda;

/* Why a call on a device failed; NULL is allowed wherever one is taken. */
typedef struct {
  char code[48];     /* the driver's enum name, a driver state such as `driver-too-old`, or the name of the result */
  char call[48];     /* the driver call that failed; empty otherwise */
  char message[512]; /* names the argument, where one was wrong */
} infernode_kv_error;

/* Opens `library` (NULL: libcuda.so.1), retains the primary context of device `device`, and loads the kernels, which the driver
 * compiles the first time. INFERNODE_KV_DEVICE_ERROR: `message` (may be NULL) says why in at most `message_size` bytes, such as
 * which driver the kernels need. */
INFERNODE_KV_API infernode_kv_result infernode_kv_cuda_open(const char* library, int device, infernode_kv_cuda** cuda, char* message,
                                                            size_t message_size);
/* The same over the context that is current to the calling thread: an engine's worker has one. Nothing of it is retained: it must live
 * until the close. INFERNODE_KV_NO_CONTEXT where there is none. */
INFERNODE_KV_API infernode_kv_result infernode_kv_cuda_open_current(const char* library, infernode_kv_cuda** cuda, char* message,
                                                                    size_t message_size);
/* NULL is allowed. Workspaces and runners made of the session stay usable. */
INFERNODE_KV_API void infernode_kv_cuda_close(infernode_kv_cuda* cuda);

/* The device's name as its driver tells it, until the close. */
INFERNODE_KV_API const char* infernode_kv_cuda_device_name(const infernode_kv_cuda* cuda);

/* As infernode_kv_encode_paged and infernode_kv_decode_paged: memory of the host is copied to the device and back, which is for
 * checks and not for speed. dim is at most 2048. One call at a time. Both wait for the device. */
INFERNODE_KV_API infernode_kv_result infernode_kv_cuda_encode_paged(infernode_kv_cuda* cuda, const infernode_kv_section* section,
                                                                    const uint16_t* cache, size_t cache_elements, const int32_t* table,
                                                                    size_t records, uint8_t* out, size_t out_bytes,
                                                                    infernode_kv_outcome* outcome, char* message, size_t message_size);
/* The same, and `errors`, if not NULL, receives what that of infernode_kv_encode_paged does, to about five digits: squares are summed in
 * f64 here, and partly in f32 there. Costs a second launch, which decodes what was encoded and compares. */
INFERNODE_KV_API infernode_kv_result infernode_kv_cuda_encode_paged_errors(infernode_kv_cuda* cuda, const infernode_kv_section* section,
                                                                           const uint16_t* cache, size_t cache_elements, const int32_t* table,
                                                                           size_t records, uint8_t* out, size_t out_bytes, float* errors,
                                                                           infernode_kv_outcome* outcome, char* message, size_t message_size);
INFERNODE_KV_API infernode_kv_result infernode_kv_cuda_decode_paged(infernode_kv_cuda* cuda, const infernode_kv_section* section,
                                                                    const uint8_t* in, size_t in_bytes, const int32_t* table,
                                                                    size_t records, uint16_t* cache, size_t cache_elements,
                                                                    infernode_kv_outcome* outcome, char* message, size_t message_size);

/* Name of what INFERNODE_KV_SIMD runs on this processor: "avx512", "avx2" or "portable". */
INFERNODE_KV_API const char* infernode_kv_simd_name(void);

/* Name of a result's constant, such as "INFERNODE_KV_BAD_TABLE". */
INFERNODE_KV_API const char* infernode_kv_result_name(infernode_kv_result result);

/* A static English sentence. */
INFERNODE_KV_API const char* infernode_kv_message(infernode_kv_result result);

#ifdef __cplusplus
}
#endif
#endif
