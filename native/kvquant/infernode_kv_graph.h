/* libinfernode_kv on a GPU: all sections of a paged cache encoded or decoded as one replayed CUDA graph. C ABI, for an engine's
 * worker process; the driver is opened at run time, and the device's primary context is used, the one the engine has.
 *
 * A runner owns its buffers and its stream; the caches stay the caller's, who keeps them alive and does not write the pages of a
 * run while it is under way. Calls on one runner are made one at a time (INFERNODE_KV_BUSY otherwise); several runners are independent.
 */
#ifndef INFERNODE_KV_GRAPH_H
#define INFERNODE_KV_GRAPH_H

#include "kvquant/infernode_kv.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct infernode_kv_graph infernode_kv_graph;

typedef struct {
  int encode;                            /* 1: caches to records; 0: records to caches */
  const infernode_kv_section* sections;  /* one shape, strides, pages and pages per record; formats may differ */
  size_t section_count;
  const uint32_t* counts;                /* counts of records to capture, ascending; NULL: 1, 2, 4, ... 64 */
  size_t count_count;
  uint32_t capacity;                     /* most records of a run, at least the largest count; 0: 256 */
  uint32_t thread_blocks;                /* of the kernel; 0: two for each multiprocessor */
} infernode_kv_graph_options;

typedef struct {
  uint64_t captures, replays, eager_runs, binds, records, padded_records;
  uint64_t device_bytes, pinned_bytes;   /* the runner's own buffers */
  uint64_t graph_bytes;                  /* of the captured graphs, as the device's free memory showed it */
} infernode_kv_graph_stats;

typedef struct {
  uint32_t captured;    /* count of the graph that was replayed; 0: eager */
  uint64_t bad_record;  /* first record that was refused, section by section; sections x count when none was */
  uint64_t nonfinite;
} infernode_kv_graph_run_info;

/* Opens `library` (NULL: libcuda.so.1) and allocates; `device` is the driver's index. INFERNODE_KV_DEVICE_ERROR: see `error`, which
 * may be NULL here and below. */
INFERNODE_KV_API infernode_kv_result infernode_kv_graph_create(const char* library, int device, const infernode_kv_graph_options* options,
                                                               infernode_kv_graph** graph, infernode_kv_error* error);

/* The same in the context of a session (infernode_kv_cuda_open, infernode_kv_cuda_open_current), which may be closed before the runner. */
INFERNODE_KV_API infernode_kv_result infernode_kv_graph_create_on(infernode_kv_cuda* cuda, const infernode_kv_graph_options* options,
                                                                  infernode_kv_graph** graph, infernode_kv_error* error);

/* Device addresses of the caches, one a section, each as large as its section says (INFERNODE_KV_BAD_POINTER where its ends are not in
 * device memory). May be called again when they have moved: what is captured stays. */
INFERNODE_KV_API infernode_kv_result infernode_kv_graph_bind(infernode_kv_graph* graph, const uint64_t* caches, size_t count,
                                                             infernode_kv_error* error);

/* Captures all counts, in place of earlier graphs. Without it every run is eager. */
INFERNODE_KV_API infernode_kv_result infernode_kv_graph_capture(infernode_kv_graph* graph, infernode_kv_error* error);

/* Bytes of the records of a run, section by section, `count` records each. */
INFERNODE_KV_API size_t infernode_kv_graph_record_bytes(const infernode_kv_graph* graph, uint32_t count);

/* Encodes into, or decodes from, `records`. Waits for the device. `table` has pages_per_record entries a record. */
INFERNODE_KV_API infernode_kv_result infernode_kv_graph_run(infernode_kv_graph* graph, const int32_t* table, uint32_t count, uint8_t* records,
                                                            size_t bytes, infernode_kv_graph_run_info* info, infernode_kv_error* error);

/* The same on a stream of the caller's (a CUstream or cudaStream_t of the runner's context; NULL: the legacy default stream), returning
 * when everything is in the stream. It is over when the stream has got there; infernode_kv_graph_outcome ends it. Records are not copied:
 * they are read from, or lie at, infernode_kv_graph_records. Results as for infernode_kv_encode_on_stream. */
INFERNODE_KV_API infernode_kv_result infernode_kv_graph_run_on_stream(infernode_kv_graph* graph, void* stream, const int32_t* table,
                                                                      uint32_t count, infernode_kv_error* error);

/* What became of that run: INFERNODE_KV_BUSY before its end. Never waits. */
INFERNODE_KV_API infernode_kv_result infernode_kv_graph_outcome(infernode_kv_graph* graph, infernode_kv_graph_run_info* info,
                                                                infernode_kv_error* error);

/* Where the records of a section lie in a run of `count`, one after the other, in the runner's page-locked memory: to be read after the
 * outcome of encoding and until the next run, to be written before a run that decodes. Another count or capture, another place. NULL for
 * a section or a count that the runner does not have. */
INFERNODE_KV_API uint8_t* infernode_kv_graph_records(infernode_kv_graph* graph, size_t section, uint32_t count);

INFERNODE_KV_API void infernode_kv_graph_read_stats(const infernode_kv_graph* graph, infernode_kv_graph_stats* stats);

/* NULL is allowed. Waits for the run under way. */
INFERNODE_KV_API void infernode_kv_graph_destroy(infernode_kv_graph* graph);

#ifdef __cplusplus
}
#endif
#endif
