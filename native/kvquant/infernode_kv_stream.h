/* libinfernode_kv on a stream of the caller's: an engine's worker encodes and decodes its paged caches between its own kernels, in its own
 * context, without waiting. C ABI; the driver is the one that the process has loaded.
 *
 *   infernode_kv_cuda_open_current(NULL, &cuda, why, sizeof why);                        the worker's context is current
 *   infernode_kv_workspace_create(cuda, &options, &workspace, &error);                   once, with the caches' addresses
 *   infernode_kv_encode_on_stream(workspace, stream, table, 8, device, bytes, host, &error);
 *   ...                                                                                  cuEventRecord, cuStreamWaitEvent, other work
 *   infernode_kv_workspace_outcome(workspace, &outcome, &error);                         after the stream has got there
 *
 * Ownership. The caller's: context, stream, caches, records on the device and on the host; all live, and are left alone, until the
 * stream has got to the end of the run. The workspace's: tables, scratch and outcomes, on the device and page-locked, allocated when it
 * is made: 40 bytes a record and section, 48 a section, 4 an entry of the block table. The table is copied before a call returns.
 *
 * One run at a time for a workspace: INFERNODE_KV_BUSY until the outcome of the one before has been read, and for a second thread. Runs
 * of several workspaces, or of several threads with one each, are independent; one workspace for each direction or layer group lets
 * runs overlap. Opening, making and closing may wait for the device; nothing else does, and no call disturbs a CUDA graph that
 * another thread captures. A session, a workspace and its runs may each be used from another thread: no context need be current.
 */
#ifndef INFERNODE_KV_STREAM_H
#define INFERNODE_KV_STREAM_H

#include "kvquant/infernode_kv.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct infernode_kv_workspace infernode_kv_workspace;

typedef struct {
  const infernode_kv_section* sections; /* K and V of each layer; one shape, strides, pages and pages per record; formats may differ */
  const uint64_t* caches;               /* device address of page 0 of each section; even, multiples of 16 are fast */
  size_t section_count;                 /* 1 to 4096 */
  uint32_t capacity;                    /* most records of a run, 1 to 65536 */
  uint32_t thread_blocks;               /* of a kernel, at most 65535; 0: two for each multiprocessor. Fewer leave more to the engine */
} infernode_kv_workspace_options;

/* Loads the kernels of both directions, which the driver compiles the first time, and allocates. `cuda` may be closed before the
 * workspace. INFERNODE_KV_BAD_POINTER: a cache whose first or last element is not in device memory. */
INFERNODE_KV_API infernode_kv_result infernode_kv_workspace_create(infernode_kv_cuda* cuda, const infernode_kv_workspace_options* options,
                                                                   infernode_kv_workspace** workspace, infernode_kv_error* error);
/* NULL is allowed. Waits for the run under way. */
INFERNODE_KV_API void infernode_kv_workspace_destroy(infernode_kv_workspace* workspace);

/* Bytes of the records of a run: section by section, `records` each; 0 for a workspace that is NULL or more records than it takes. */
INFERNODE_KV_API size_t infernode_kv_workspace_record_bytes(const infernode_kv_workspace* workspace, uint32_t records);

/* Puts into `stream` (a CUstream or cudaStream_t of the session's context; NULL: the legacy default stream): the block table up, the
 * kernel, and, where `host` is not NULL, the records to `host`; then returns. `table` has pages_per_record entries a record, the same for every
 * section. `device`: memory of the device for the records, a multiple of 64, `bytes` long. `host`: page-locked, as long.
 *
 * INFERNODE_KV_NO_CONTEXT is for infernode_kv_cuda_open_current alone; here INFERNODE_KV_BAD_STREAM (of another context), INFERNODE_KV_CAPTURING (a
 * replay would read the table of today), INFERNODE_KV_BUSY, INFERNODE_KV_BAD_POINTER, INFERNODE_KV_BAD_TABLE, INFERNODE_KV_SHORT_BUFFER: nothing is in the
 * stream then. INFERNODE_KV_DEVICE_ERROR: the driver's error, after the stream has let go of what was in it. */
INFERNODE_KV_API infernode_kv_result infernode_kv_encode_on_stream(infernode_kv_workspace* workspace, void* stream, const int32_t* table,
                                                                   uint32_t records, uint64_t device, size_t bytes, void* host,
                                                                   infernode_kv_error* error);

/* The reverse: the records come from `device`, or through it from `host`. A page must not be named twice. */
INFERNODE_KV_API infernode_kv_result infernode_kv_decode_on_stream(infernode_kv_workspace* workspace, void* stream, const int32_t* table,
                                                                   uint32_t records, uint64_t device, size_t bytes, const void* host,
                                                                   infernode_kv_error* error);

/* What became of the run, once: INFERNODE_KV_BUSY before the stream has got to its end, INFERNODE_KV_NO_RUN without one. INFERNODE_KV_BAD_RECORD and
 * INFERNODE_KV_BAD_CHECKSUM: outcome->bad_record is the first refused one, counted section by section; its pages must not be used. Never waits. */
INFERNODE_KV_API infernode_kv_result infernode_kv_workspace_outcome(infernode_kv_workspace* workspace, infernode_kv_outcome* outcome,
                                                                    infernode_kv_error* error);

#ifdef __cplusplus
}
#endif
#endif
