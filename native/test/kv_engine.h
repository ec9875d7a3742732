/* An engine's worker as the C tests play it: the driver opened by itself, a primary context, streams, paged caches in device memory, and
 * page-locked memory for records. Three sections (K and V in different formats) whose pages lie apart, as in a cache that interleaves K and V. */
#ifndef INFERNODE_TEST_KV_ENGINE_H
#define INFERNODE_TEST_KV_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "kvquant/infernode_kv.h"

enum { kSections = 3, kPages = 24, kPageElements = 16 * 2 * 64, kPageStride = 2 * kPageElements, kMostRecords = 24 };
#define CACHE_ELEMENTS ((size_t)(kPages - 1) * kPageStride + kPageElements)
#define CACHE_BYTES (2 * CACHE_ELEMENTS)

/* The driver's functions, as an engine calls them. */
#define ENGINE_CALLS(X)                                                  \
  X(cuInit, (unsigned))                                                  \
  X(cuDevicePrimaryCtxRetain, (void**, int))                             \
  X(cuDevicePrimaryCtxRelease_v2, (int))                                 \
  X(cuCtxPushCurrent_v2, (void*))                                        \
  X(cuCtxPopCurrent_v2, (void**))                                        \
  X(cuCtxGetCurrent, (void**))                                           \
  X(cuMemAlloc_v2, (uint64_t*, size_t))                                  \
  X(cuMemFree_v2, (uint64_t))                                            \
  X(cuMemHostAlloc, (void**, size_t, unsigned))                          \
  X(cuMemFreeHost, (void*))                                              \
  X(cuMemcpyHtoDAsync_v2, (uint64_t, const void*, size_t, void*))        \
  X(cuMemcpyDtoHAsync_v2, (void*, uint64_t, size_t, void*))              \
  X(cuMemsetD8Async, (uint64_t, unsigned char, size_t, void*))           \
  X(cuStreamCreate, (void**, unsigned))                                  \
  X(cuStreamDestroy_v2, (void*))                                         \
  X(cuStreamSynchronize, (void*))                                        \
  X(cuStreamWaitEvent, (void*, void*, unsigned))                         \
  X(cuStreamBeginCapture_v2, (void*, int))                               \
  X(cuStreamEndCapture, (void*, void**))                                 \
  X(cuEventCreate, (void**, unsigned))                                   \
  X(cuEventRecord, (void*, void*))                                       \
  X(cuEventDestroy_v2, (void*))                                          \
  X(cuGraphDestroy, (void*))

typedef struct {
#define X(name, arguments) int(*name) arguments;
  ENGINE_CALLS(X)
#undef X
} engine_driver;

typedef struct {
  int device_index;
  void *context, *stream, *other_stream;
  infernode_kv_section sections[kSections];
  size_t record_bytes[kSections]; /* of one record */
  uint64_t caches[kSections];     /* on the device */
  uint16_t* values[kSections];    /* what they hold */
  uint64_t device;                /* for kMostRecords records of every section */
  uint8_t* host;                  /* the same, page-locked */
  uint8_t* expected;              /* by the scalar path */
} engine;

extern engine_driver cu;
extern const char* engine_library;
extern int engine_failures;

/* Prints what is not so, and counts it. */
#define EXPECT(truth, what) engine_expect((truth), (what), __FILE__, __LINE__)
void engine_expect(int truth, const char* what, const char* file, int line);
/* `result` is the expected one and, unless NULL, `message` mentions `about`. */
void engine_expect_result(infernode_kv_result result, infernode_kv_result expected, const char* message, const char* about, int line);
#define EXPECT_RESULT(result, expected, message, about) engine_expect_result((result), (expected), (message), (about), __LINE__)

/* The simulated driver does from now on what these lines of a scenario say, beside having five devices. */
void engine_scenario(const char* lines);

void engine_load(const char* library, const char* scenario);
void engine_open(engine* e, int device); /* its context is current afterwards */
void engine_close(engine* e);

size_t engine_record_bytes(const engine* e, uint32_t records);
/* Some pages, each once. */
void engine_table(int32_t* table, uint32_t records);
/* What encoding gives, section by section, into e->expected. */
void engine_expect_records(engine* e, const int32_t* table, uint32_t records);
/* Decodes e->expected by the scalar path over caches full of 0x11, and compares with the engine's. */
void engine_expect_caches(engine* e, const int32_t* table, uint32_t records);
void engine_fill_caches(engine* e, int value); /* -1: with e->values */
void engine_wait(const engine* e);

void kv_test_streams(void);
void kv_test_graphs(void);

#endif
