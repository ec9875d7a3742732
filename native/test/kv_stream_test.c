/* infernode_kv_stream.h as an engine's worker uses it: on its own stream, in its own context, beside its own captures; and misused. */
#include "kvquant/infernode_kv_stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "test/kv_engine.h"

static infernode_kv_error error;
static engine e;
static infernode_kv_cuda* cuda;
static int32_t table[kMostRecords];

static infernode_kv_workspace* make_workspace(uint32_t capacity) {
  infernode_kv_workspace* workspace = NULL;
  const infernode_kv_workspace_options options = {e.sections, e.caches, kSections, capacity, 0};
  EXPECT_RESULT(infernode_kv_workspace_create(cuda, &options, &workspace, &error), INFERNODE_KV_OK, error.message, NULL);
  return workspace;
}

static infernode_kv_result encode(infernode_kv_workspace* workspace, void* stream, uint32_t records) {
  return infernode_kv_encode_on_stream(workspace, stream, table, records, e.device, engine_record_bytes(&e, records), e.host, &error);
}

static infernode_kv_result decode(infernode_kv_workspace* workspace, void* stream, uint32_t records) {
  return infernode_kv_decode_on_stream(workspace, stream, table, records, e.device, engine_record_bytes(&e, records), e.host, &error);
}

static infernode_kv_result outcome_of(infernode_kv_workspace* workspace) { return infernode_kv_workspace_outcome(workspace, NULL, &error); }

static void expect_encoded(infernode_kv_workspace* workspace, void* stream, uint32_t records, const char* what) {
  engine_expect_records(&e, table, records);
  memset(e.host, 0x5A, engine_record_bytes(&e, records));
  EXPECT_RESULT(encode(workspace, stream, records), INFERNODE_KV_OK, error.message, NULL);
  EXPECT(cu.cuStreamSynchronize(stream) == 0, what);
  EXPECT_RESULT(outcome_of(workspace), INFERNODE_KV_OK, error.message, NULL);
  EXPECT(memcmp(e.host, e.expected, engine_record_bytes(&e, records)) == 0, what);
}

static void test_opening(void) {
  char message[256] = "";
  void* popped = NULL;
  EXPECT(cu.cuCtxPopCurrent_v2(&popped) == 0, "a context to put aside");
  EXPECT_RESULT(infernode_kv_cuda_open_current(engine_library, &cuda, message, sizeof message), INFERNODE_KV_NO_CONTEXT, message, "context");
  cu.cuCtxPushCurrent_v2(popped);
  EXPECT_RESULT(infernode_kv_cuda_open_current("libnone.so.7", &cuda, message, sizeof message), INFERNODE_KV_DEVICE_ERROR, message, "library-absent");
  EXPECT_RESULT(infernode_kv_cuda_open_current(engine_library, NULL, message, sizeof message), INFERNODE_KV_SHORT_BUFFER, message, "cuda");
  EXPECT_RESULT(infernode_kv_cuda_open_current(engine_library, &cuda, message, sizeof message), INFERNODE_KV_OK, message, NULL);
  EXPECT(strstr(infernode_kv_cuda_device_name(cuda), "simulated") != NULL, "a device with a name");
  EXPECT(cu.cuCtxGetCurrent(&popped) == 0 && popped == e.context, "the context to be current as before");
}

/* The stream is held up: the call returns, and nobody takes the run for over. */
static void test_returns_when_enqueued(void) {
  infernode_kv_workspace* workspace = make_workspace(8);
  infernode_kv_outcome outcome = {1, 1};
  engine_table(table, 8);
  engine_expect_records(&e, table, 8);
  engine_scenario("hang launch:infernode_kv_encode_bf16");
  EXPECT_RESULT(encode(workspace, e.stream, 8), INFERNODE_KV_OK, error.message, NULL);
  memset(table, 0xFF, sizeof table); /* the table is the caller's again */
  EXPECT_RESULT(infernode_kv_workspace_outcome(workspace, &outcome, &error), INFERNODE_KV_BUSY, error.message, "end of the run");
  engine_table(table, 8);
  EXPECT_RESULT(encode(workspace, e.stream, 8), INFERNODE_KV_BUSY, error.message, "before this one");
  EXPECT_RESULT(decode(workspace, e.other_stream, 8), INFERNODE_KV_BUSY, error.message, NULL);
  engine_scenario("");
  engine_wait(&e);
  EXPECT_RESULT(encode(workspace, e.stream, 8), INFERNODE_KV_BUSY, error.message, "outcome");
  EXPECT_RESULT(infernode_kv_workspace_outcome(workspace, &outcome, &error), INFERNODE_KV_OK, error.message, NULL);
  EXPECT(outcome.nonfinite == 0 && outcome.bad_record == 8 * kSections, "no refused record");
  EXPECT(memcmp(e.host, e.expected, engine_record_bytes(&e, 8)) == 0, "the records of the scalar path");
  EXPECT_RESULT(outcome_of(workspace), INFERNODE_KV_NO_RUN, error.message, "run");
  infernode_kv_workspace_destroy(workspace);
}

static void test_streams_and_counts(void) {
  infernode_kv_workspace* workspace = make_workspace(kMostRecords);
  const uint32_t counts[] = {1, 3, kMostRecords};
  void* streams[] = {NULL, NULL, NULL};
  size_t i;
  streams[0] = e.stream, streams[1] = e.other_stream;
  for (i = 0; i < 3; ++i) {
    engine_table(table, counts[i]);
    expect_encoded(workspace, streams[i], counts[i], "the records of the scalar path on each kind of stream");
  }
  EXPECT(infernode_kv_workspace_record_bytes(workspace, 3) == engine_record_bytes(&e, 3), "the bytes of three records");
  EXPECT(infernode_kv_workspace_record_bytes(workspace, kMostRecords + 1) == 0 && infernode_kv_workspace_record_bytes(NULL, 1) == 0, "no bytes of what is not there");
  infernode_kv_workspace_destroy(workspace);
}

/* Encoded on one stream, decoded on another that waits for an event; the records stay on the device. */
static void test_device_to_device(void) {
  infernode_kv_workspace *one = make_workspace(8), *other = make_workspace(8);
  const size_t bytes = engine_record_bytes(&e, 8);
  void* event = NULL;
  engine_table(table, 8);
  engine_expect_records(&e, table, 8);
  engine_scenario("hang launch:infernode_kv_encode_bf16");
  EXPECT(cu.cuEventCreate(&event, 2) == 0, "an event");
  EXPECT_RESULT(infernode_kv_encode_on_stream(one, e.stream, table, 8, e.device, bytes, NULL, &error), INFERNODE_KV_OK, error.message, NULL);
  cu.cuMemsetD8Async(e.caches[0], 0x11, CACHE_BYTES, e.stream), cu.cuMemsetD8Async(e.caches[1], 0x11, CACHE_BYTES, e.stream), cu.cuMemsetD8Async(e.caches[2], 0x11, CACHE_BYTES, e.stream);
  EXPECT(cu.cuEventRecord(event, e.stream) == 0 && cu.cuStreamWaitEvent(e.other_stream, event, 0) == 0, "an order");
  EXPECT_RESULT(infernode_kv_decode_on_stream(other, e.other_stream, table, 8, e.device, bytes, NULL, &error), INFERNODE_KV_OK, error.message, NULL);
  EXPECT_RESULT(outcome_of(other), INFERNODE_KV_BUSY, error.message, NULL);
  engine_scenario("");
  engine_wait(&e);
  EXPECT_RESULT(outcome_of(one), INFERNODE_KV_OK, error.message, NULL);
  EXPECT_RESULT(outcome_of(other), INFERNODE_KV_OK, error.message, NULL);
  engine_expect_caches(&e, table, 8);
  engine_fill_caches(&e, -1);
  cu.cuEventDestroy_v2(event);
  infernode_kv_workspace_destroy(one), infernode_kv_workspace_destroy(other);
}

static void test_host_records_and_corruption(void) {
  infernode_kv_workspace* workspace = make_workspace(8);
  infernode_kv_outcome outcome = {0, 0};
  engine_table(table, 4);
  engine_expect_records(&e, table, 4);
  memcpy(e.host, e.expected, engine_record_bytes(&e, 4));
  engine_fill_caches(&e, 0x11);
  EXPECT_RESULT(decode(workspace, e.stream, 4), INFERNODE_KV_OK, error.message, NULL);
  engine_wait(&e);
  EXPECT_RESULT(outcome_of(workspace), INFERNODE_KV_OK, error.message, NULL);
  engine_expect_caches(&e, table, 4);
  /* The second record of the second section. */
  e.host[4 * e.record_bytes[0] + e.record_bytes[1] + 100] ^= 1;
  EXPECT_RESULT(decode(workspace, e.stream, 4), INFERNODE_KV_OK, error.message, NULL);
  engine_wait(&e);
  EXPECT_RESULT(infernode_kv_workspace_outcome(workspace, &outcome, &error), INFERNODE_KV_BAD_CHECKSUM, error.message, "checksum");
  EXPECT(outcome.bad_record == 4 + 1, "the refused record's number");
  engine_fill_caches(&e, -1);
  infernode_kv_workspace_destroy(workspace);
}

static void test_arguments(void) {
  infernode_kv_workspace* workspace = make_workspace(8);
  const size_t bytes = engine_record_bytes(&e, 8);
  const int32_t outside[] = {0, kPages}, below[] = {-1, 0}, twice[] = {5, 5};
  uint8_t* pageable = malloc(bytes);
  engine_table(table, 8);
#define ENCODE(w, t, n, d, b, h) infernode_kv_encode_on_stream((w), e.stream, (t), (n), (d), (b), (h), &error)
  EXPECT_RESULT(ENCODE(NULL, table, 8, e.device, bytes, NULL), INFERNODE_KV_CLOSED, error.message, "workspace: expected an open handle, got NULL");
  EXPECT_RESULT(ENCODE(workspace, NULL, 8, e.device, bytes, NULL), INFERNODE_KV_SHORT_BUFFER, error.message, "table");
  EXPECT_RESULT(ENCODE(workspace, table, 0, e.device, bytes, NULL), INFERNODE_KV_SHORT_BUFFER, error.message, "records: expected 1 to 8, got 0");
  EXPECT_RESULT(ENCODE(workspace, table, 9, e.device, bytes, NULL), INFERNODE_KV_SHORT_BUFFER, error.message, "got 9");
  EXPECT_RESULT(ENCODE(workspace, table, 0x80000000u, e.device, bytes, NULL), INFERNODE_KV_SHORT_BUFFER, error.message, "got 2147483648");
  EXPECT_RESULT(ENCODE(workspace, outside, 2, e.device, bytes, NULL), INFERNODE_KV_BAD_TABLE, error.message, "table[1]: expected 0 to 23, got 24");
  EXPECT_RESULT(ENCODE(workspace, below, 2, e.device, bytes, NULL), INFERNODE_KV_BAD_TABLE, error.message, "table[0]");
  EXPECT_RESULT(ENCODE(workspace, table, 8, e.device, bytes - 1, NULL), INFERNODE_KV_SHORT_BUFFER, error.message, "bytes");
  EXPECT_RESULT(ENCODE(workspace, table, 8, 0, bytes, NULL), INFERNODE_KV_BAD_POINTER, error.message, "device");
  EXPECT_RESULT(ENCODE(workspace, table, 1, e.device + 32, bytes, NULL), INFERNODE_KV_BAD_POINTER, error.message, "multiple of 64");
  EXPECT_RESULT(ENCODE(workspace, table, 8, (uint64_t)(uintptr_t)e.host, bytes, NULL), INFERNODE_KV_BAD_POINTER, error.message, "memory of the device");
  /* The last byte is outside; far outside there may be other memory of the device. */
  EXPECT_RESULT(ENCODE(workspace, table, 8, e.device + engine_record_bytes(&e, kMostRecords) - bytes + 64, bytes, NULL), INFERNODE_KV_BAD_POINTER, error.message, "device");
  EXPECT_RESULT(ENCODE(workspace, table, 8, e.device, bytes, pageable), INFERNODE_KV_BAD_POINTER, error.message, "host: expected");
  EXPECT_RESULT(infernode_kv_decode_on_stream(workspace, e.stream, twice, 2, e.device, bytes, NULL, &error), INFERNODE_KV_BAD_TABLE, error.message, "named twice");
  EXPECT_RESULT(infernode_kv_workspace_outcome(NULL, NULL, &error), INFERNODE_KV_CLOSED, error.message, "workspace");
  EXPECT_RESULT(outcome_of(workspace), INFERNODE_KV_NO_RUN, error.message, NULL);
  EXPECT(ENCODE(workspace, table, 9, e.device, bytes, NULL) == INFERNODE_KV_SHORT_BUFFER && infernode_kv_encode_on_stream(workspace, e.stream, table, 9, 0, 0, NULL, NULL) == INFERNODE_KV_SHORT_BUFFER, "no place for an error to be none");
  /* None of them left anything behind. */
  expect_encoded(workspace, e.stream, 8, "a good call after the bad ones");
  free(pageable);
  infernode_kv_workspace_destroy(workspace);
  infernode_kv_workspace_destroy(NULL);
}

static void test_options(void) {
  const infernode_kv_workspace_options good = {e.sections, e.caches, kSections, 8, 0};
  infernode_kv_workspace* workspace = NULL;
  infernode_kv_workspace_options o;
  uint64_t caches[kSections];
  infernode_kv_section sections[kSections];
#define CREATE(change, result, about)                                                                          \
  o = good, memcpy(caches, e.caches, sizeof caches), memcpy(sections, e.sections, sizeof sections);             \
  o.caches = caches, o.sections = sections, change;                                                             \
  EXPECT_RESULT(infernode_kv_workspace_create(cuda, &o, &workspace, &error), (result), error.message, (about)); \
  EXPECT(workspace == NULL, "no workspace")
  CREATE(o.sections = NULL, INFERNODE_KV_SHORT_BUFFER, "sections");
  CREATE(o.caches = NULL, INFERNODE_KV_SHORT_BUFFER, "caches");
  CREATE(o.section_count = 0, INFERNODE_KV_BAD_SHAPE, "sections");
  CREATE(o.section_count = SIZE_MAX, INFERNODE_KV_BAD_SHAPE, "section_count");
  CREATE(o.capacity = 0, INFERNODE_KV_BAD_SHAPE, "capacity");
  CREATE(o.capacity = 0x80000000u, INFERNODE_KV_BAD_SHAPE, "capacity");
  CREATE(o.thread_blocks = 0x80000000u, INFERNODE_KV_BAD_SHAPE, "thread_blocks");
  CREATE(caches[1] = 0, INFERNODE_KV_BAD_POINTER, "caches[1]");
  CREATE(caches[2] += 1, INFERNODE_KV_BAD_POINTER, "caches[2]: expected an even");
  CREATE(caches[0] += 2, INFERNODE_KV_BAD_POINTER, "caches[0]: expected"); /* the last element is outside */
  CREATE(caches[0] = (uint64_t)(uintptr_t)e.host, INFERNODE_KV_BAD_POINTER, "memory of the device");
  CREATE(sections[1].page.heads = 4, INFERNODE_KV_BAD_STRIDE, "sections[1]");
  CREATE(sections[1].pages = 2, INFERNODE_KV_BAD_SHAPE, "sections[1]");
  CREATE(sections[0].format.code = (infernode_kv_code)77, INFERNODE_KV_BAD_FORMAT, "sections[0]");
  EXPECT_RESULT(infernode_kv_workspace_create(NULL, &good, &workspace, &error), INFERNODE_KV_CLOSED, error.message, "cuda");
  EXPECT_RESULT(infernode_kv_workspace_create(cuda, NULL, &workspace, &error), INFERNODE_KV_SHORT_BUFFER, error.message, "options");
  EXPECT_RESULT(infernode_kv_workspace_create(cuda, &good, NULL, NULL), INFERNODE_KV_SHORT_BUFFER, NULL, NULL);
}

/* A stream that is captured is refused, and its capture is as good as before. */
static void test_captured_streams(void) {
  infernode_kv_workspace* workspace = make_workspace(8);
  void* graph = NULL;
  engine_table(table, 2);
  EXPECT(cu.cuStreamBeginCapture_v2(e.stream, 1) == 0, "a capture");
  EXPECT_RESULT(encode(workspace, e.stream, 2), INFERNODE_KV_CAPTURING, error.message, "stream");
  EXPECT(cu.cuStreamEndCapture(e.stream, &graph) == 0 && graph != NULL, "a graph of the engine's own");
  cu.cuGraphDestroy(graph);
  EXPECT(cu.cuStreamBeginCapture_v2(e.other_stream, 1) == 0, "a capture of a stream that waits for the legacy one");
  EXPECT_RESULT(encode(workspace, NULL, 2), INFERNODE_KV_CAPTURING, error.message, "stream");
  EXPECT(cu.cuStreamEndCapture(e.other_stream, &graph) == 0 && graph != NULL, "a graph of the engine's own");
  cu.cuGraphDestroy(graph);
  expect_encoded(workspace, e.stream, 2, "a run after the captures");
  infernode_kv_workspace_destroy(workspace);
}

/* Another thread captures in global mode, as PyTorch does: nothing here spoils it. */
static void* open_and_run(void* unused) {
  char message[256] = "";
  infernode_kv_workspace* workspace;
  void* popped;
  cu.cuCtxPushCurrent_v2(e.context);
  infernode_kv_cuda_close(cuda);
  EXPECT_RESULT(infernode_kv_cuda_open_current(engine_library, &cuda, message, sizeof message), INFERNODE_KV_OK, message, NULL);
  cu.cuCtxPopCurrent_v2(&popped);
  /* From here on without a current context. */
  workspace = make_workspace(4);
  EXPECT_RESULT(encode(workspace, e.other_stream, 2), INFERNODE_KV_OK, error.message, NULL);
  while (outcome_of(workspace) == INFERNODE_KV_BUSY) {
  }
  EXPECT_RESULT(outcome_of(workspace), INFERNODE_KV_NO_RUN, error.message, NULL);
  infernode_kv_workspace_destroy(workspace);
  return unused;
}

static void test_beside_a_capture(void) {
  pthread_t thread;
  void* graph = NULL;
  engine_table(table, 2);
  engine_expect_records(&e, table, 2);
  EXPECT(cu.cuStreamBeginCapture_v2(e.stream, 0) == 0, "a capture in global mode");
  EXPECT(pthread_create(&thread, NULL, open_and_run, NULL) == 0 && pthread_join(thread, NULL) == 0, "another thread");
  EXPECT(cu.cuStreamEndCapture(e.stream, &graph) == 0 && graph != NULL, "the engine's graph in spite of it");
  cu.cuGraphDestroy(graph);
  EXPECT(memcmp(e.host, e.expected, engine_record_bytes(&e, 2)) == 0, "the records of the scalar path");
}

static void test_streams_of_others(void) {
  infernode_kv_workspace* workspace = make_workspace(8);
  engine foreign;
  void* gone = NULL;
  engine_table(table, 2);
  engine_open(&foreign, 1);
  /* The other device's context is current here, as NULL's would be. */
  EXPECT_RESULT(encode(workspace, foreign.stream, 2), INFERNODE_KV_BAD_STREAM, error.message, "stream");
  expect_encoded(workspace, e.stream, 2, "a run beside another current context");
  engine_close(&foreign);
  cu.cuStreamCreate(&gone, 0), cu.cuStreamDestroy_v2(gone);
  EXPECT_RESULT(encode(workspace, gone, 2), INFERNODE_KV_DEVICE_ERROR, error.code, "CUDA_ERROR_INVALID_HANDLE");
  infernode_kv_workspace_destroy(workspace);
}

static void test_lifetimes(void) {
  const infernode_kv_workspace_options options = {e.sections, e.caches, kSections, 8, 0};
  infernode_kv_workspace *workspace = make_workspace(8), *other = NULL;
  char message[256] = "";
  engine_table(table, 8);
  infernode_kv_cuda_close(cuda), infernode_kv_cuda_close(cuda), infernode_kv_cuda_close(NULL);
  EXPECT_RESULT(infernode_kv_workspace_create(cuda, &options, &other, &error), INFERNODE_KV_CLOSED, error.message, "cuda");
  EXPECT(strcmp(infernode_kv_cuda_device_name(cuda), "") == 0, "no name of a closed session");
  expect_encoded(workspace, e.stream, 8, "a run after its session was closed");
  /* Destroyed while the stream works on its buffers: it waits. */
  EXPECT_RESULT(encode(workspace, e.stream, 8), INFERNODE_KV_OK, error.message, NULL);
  infernode_kv_workspace_destroy(workspace), infernode_kv_workspace_destroy(workspace);
  EXPECT_RESULT(encode(workspace, e.stream, 8), INFERNODE_KV_CLOSED, error.message, "workspace: expected an open handle, got one that was closed");
  EXPECT_RESULT(outcome_of(workspace), INFERNODE_KV_CLOSED, error.message, NULL);
  EXPECT(infernode_kv_workspace_record_bytes(workspace, 1) == 0, "no bytes of a closed workspace");
  EXPECT(cu.cuStreamSynchronize(e.stream) == 0 && memcmp(e.host, e.expected, engine_record_bytes(&e, 8)) == 0, "the run to have ended well");
  EXPECT_RESULT(infernode_kv_cuda_open_current(engine_library, &cuda, message, sizeof message), INFERNODE_KV_OK, message, NULL);
}

/* Two threads with one workspace: one of them runs, the other is told. */
static void* encode_once(void* workspace) {
  infernode_kv_error why;
  return (void*)(intptr_t)infernode_kv_encode_on_stream(workspace, e.stream, table, 8, e.device, engine_record_bytes(&e, 8), NULL, &why);
}

static void test_two_threads(void) {
  infernode_kv_workspace* workspace = make_workspace(8);
  int round;
  engine_table(table, 8);
  for (round = 0; round < 50; ++round) {
    pthread_t threads[2];
    void *first = NULL, *second = NULL;
    pthread_create(&threads[0], NULL, encode_once, workspace), pthread_create(&threads[1], NULL, encode_once, workspace);
    pthread_join(threads[0], &first), pthread_join(threads[1], &second);
    EXPECT((intptr_t)first + (intptr_t)second == INFERNODE_KV_OK + INFERNODE_KV_BUSY && (!first || !second), "one run and one refusal");
    engine_wait(&e);
    EXPECT_RESULT(outcome_of(workspace), INFERNODE_KV_OK, error.message, NULL);
  }
  infernode_kv_workspace_destroy(workspace);
}

static void test_driver_errors(void) {
  infernode_kv_workspace* workspace = make_workspace(8);
  engine_table(table, 2);
  engine_scenario("fail cuLaunchKernel CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES");
  EXPECT_RESULT(encode(workspace, e.stream, 2), INFERNODE_KV_DEVICE_ERROR, error.code, "LAUNCH_OUT_OF_RESOURCES");
  EXPECT(strcmp(error.call, "cuLaunchKernel") == 0, "the call that failed");
  engine_scenario("");
  EXPECT_RESULT(outcome_of(workspace), INFERNODE_KV_NO_RUN, error.message, NULL);
  expect_encoded(workspace, e.stream, 2, "a run after an error that passes");
  /* Until the process ends nothing works on this device. */
  engine_scenario("hang launch:infernode_kv_encode_bf16");
  EXPECT_RESULT(encode(workspace, e.stream, 2), INFERNODE_KV_OK, error.message, NULL);
  engine_scenario("fail launch:infernode_kv_encode_bf16 CUDA_ERROR_ILLEGAL_ADDRESS");
  engine_wait(&e);
  EXPECT_RESULT(outcome_of(workspace), INFERNODE_KV_DEVICE_ERROR, error.code, "ILLEGAL_ADDRESS");
  engine_scenario("");
  EXPECT_RESULT(encode(workspace, e.stream, 2), INFERNODE_KV_DEVICE_ERROR, error.code, "ILLEGAL_ADDRESS");
  EXPECT_RESULT(outcome_of(workspace), INFERNODE_KV_NO_RUN, error.message, NULL);
  infernode_kv_workspace_destroy(workspace);
}

void kv_test_streams(void) {
  engine_open(&e, 0);
  test_opening();
  test_returns_when_enqueued();
  test_streams_and_counts();
  test_device_to_device();
  test_host_records_and_corruption();
  test_arguments();
  test_options();
  test_captured_streams();
  test_beside_a_capture();
  test_streams_of_others();
  test_lifetimes();
  test_two_threads();
  infernode_kv_cuda_close(cuda);
  engine_close(&e);
  /* A device of its own, which is lost afterwards. */
  engine_open(&e, 2);
  infernode_kv_cuda_open_current(engine_library, &cuda, NULL, 0);
  test_driver_errors();
  infernode_kv_cuda_close(cuda);
}
