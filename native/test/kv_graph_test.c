/* infernode_kv_graph.h from C: captured and eager runs in both directions, on the runner's stream and on the engine's; and misuse. */
#include "kvquant/infernode_kv_graph.h"

#include <stdlib.h>
#include <string.h>

#include "test/kv_engine.h"

static infernode_kv_error error;
static engine e;
static int32_t table[kMostRecords];
static uint8_t* records; /* pageable: a run copies */
static const uint32_t counts[] = {1, 2, 4, 8};

static infernode_kv_graph_options options_of(int encode) {
  infernode_kv_graph_options options;
  memset(&options, 0, sizeof options);
  options.encode = encode, options.sections = e.sections, options.section_count = kSections;
  options.counts = counts, options.count_count = 4, options.capacity = kMostRecords;
  return options;
}

static infernode_kv_graph* open_graph(int encode) {
  const infernode_kv_graph_options options = options_of(encode);
  infernode_kv_graph* graph = NULL;
  EXPECT_RESULT(infernode_kv_graph_create(engine_library, e.device_index, &options, &graph, &error), INFERNODE_KV_OK, error.message, NULL);
  EXPECT_RESULT(infernode_kv_graph_bind(graph, e.caches, kSections, &error), INFERNODE_KV_OK, error.message, NULL);
  return graph;
}

static infernode_kv_result run(infernode_kv_graph* graph, uint32_t count, infernode_kv_graph_run_info* info) {
  return infernode_kv_graph_run(graph, table, count, records, engine_record_bytes(&e, count), info, &error);
}

/* Runs of each count by the graph of `captured` records; 0: eager. */
static void test_directions(void) {
  static const uint32_t runs[][2] = {{1, 1}, {2, 2}, {3, 4}, {5, 8}, {8, 8}, {9, 0}, {kMostRecords, 0}};
  infernode_kv_graph *encoder = open_graph(1), *decoder = open_graph(0);
  infernode_kv_graph_run_info info;
  size_t i;
  EXPECT_RESULT(infernode_kv_graph_capture(encoder, &error), INFERNODE_KV_OK, error.message, NULL);
  EXPECT_RESULT(infernode_kv_graph_capture(decoder, &error), INFERNODE_KV_OK, error.message, NULL);
  for (i = 0; i < sizeof runs / sizeof *runs; ++i) {
    const uint32_t count = runs[i][0];
    const size_t bytes = engine_record_bytes(&e, count);
    engine_table(table, count);
    engine_expect_records(&e, table, count);
    memset(records, 0x5A, engine_record_bytes(&e, kMostRecords));
    EXPECT_RESULT(run(encoder, count, &info), INFERNODE_KV_OK, error.message, NULL);
    EXPECT(info.captured == runs[i][1] && info.nonfinite == 0 && info.bad_record == (uint64_t)count * kSections, "the graph of the next count, or none");
    EXPECT(memcmp(records, e.expected, bytes) == 0, "the records of the scalar path");
    EXPECT(bytes == engine_record_bytes(&e, kMostRecords) || records[bytes] == 0x5A, "nothing written past them");
    engine_fill_caches(&e, 0x11);
    EXPECT_RESULT(run(decoder, count, &info), INFERNODE_KV_OK, error.message, NULL);
    EXPECT(info.captured == runs[i][1], "the graph of the next count, or none");
    engine_expect_caches(&e, table, count);
    engine_fill_caches(&e, -1);
  }
  infernode_kv_graph_destroy(encoder), infernode_kv_graph_destroy(decoder);
}

/* A value of `nonfinite` in the caches, and a record that was changed. */
static void test_outcomes(void) {
  infernode_kv_graph *encoder = open_graph(1), *decoder = open_graph(0);
  infernode_kv_graph_run_info info;
  const uint16_t kept = e.values[1][(size_t)3 * kPageStride];
  engine_table(table, 2);
  e.values[1][(size_t)3 * kPageStride] = 0x7F80; /* infinite, in the page of record 0 */
  engine_fill_caches(&e, -1);
  EXPECT_RESULT(run(encoder, 2, &info), INFERNODE_KV_OK, error.message, NULL);
  EXPECT(info.nonfinite == 1, "one value that is not finite");
  e.values[1][(size_t)3 * kPageStride] = kept;
  engine_fill_caches(&e, -1);
  records[2 * e.record_bytes[0] + 70] ^= 0x80; /* record 0 of section 1 */
  EXPECT_RESULT(run(decoder, 2, &info), INFERNODE_KV_BAD_CHECKSUM, error.code, "INFERNODE_KV_BAD_CHECKSUM");
  EXPECT(info.bad_record == 2, "the refused record's number");
  engine_fill_caches(&e, -1);
  infernode_kv_graph_destroy(encoder), infernode_kv_graph_destroy(decoder);
}

/* The caches move, with other contents: what is captured follows. */
static void test_rebind(void) {
  infernode_kv_graph* graph = open_graph(1);
  infernode_kv_graph_stats stats;
  uint64_t moved[kSections];
  size_t i;
  EXPECT_RESULT(infernode_kv_graph_capture(graph, &error), INFERNODE_KV_OK, error.message, NULL);
  engine_table(table, 4);
  for (i = 0; i < kSections; ++i) {
    EXPECT(cu.cuMemAlloc_v2(&moved[i], CACHE_BYTES) == 0 && cu.cuMemcpyHtoDAsync_v2(moved[i], e.values[(i + 1) % kSections], CACHE_BYTES, e.stream) == 0, "caches elsewhere");
    EXPECT(infernode_kv_encode_paged(NULL, INFERNODE_KV_SCALAR, &e.sections[i], e.values[(i + 1) % kSections], CACHE_ELEMENTS, table, 4,
                                     e.expected + (i > 0 ? 4 * e.record_bytes[0] : 0) + (i > 1 ? 4 * e.record_bytes[1] : 0), 4 * e.record_bytes[i], NULL, NULL) == INFERNODE_KV_OK, "records");
  }
  engine_wait(&e);
  EXPECT_RESULT(infernode_kv_graph_bind(graph, moved, kSections, &error), INFERNODE_KV_OK, error.message, NULL);
  EXPECT_RESULT(run(graph, 4, NULL), INFERNODE_KV_OK, error.message, NULL);
  EXPECT(memcmp(records, e.expected, engine_record_bytes(&e, 4)) == 0, "the records of the caches' new places");
  EXPECT_RESULT(infernode_kv_graph_bind(graph, moved, kSections, &error), INFERNODE_KV_OK, error.message, NULL);
  infernode_kv_graph_read_stats(graph, &stats);
  EXPECT(stats.binds == 2 && stats.captures == 4 && stats.replays == 1, "binds to be counted where something changed, and no new capture");
  infernode_kv_graph_destroy(graph);
  for (i = 0; i < kSections; ++i) cu.cuMemFree_v2(moved[i]);
}

static void test_stats(void) {
  infernode_kv_graph* graph = open_graph(1);
  infernode_kv_graph_stats stats;
  const uint32_t runs[] = {1, 3, 9};
  size_t i;
  EXPECT_RESULT(infernode_kv_graph_capture(graph, &error), INFERNODE_KV_OK, error.message, NULL);
  EXPECT_RESULT(infernode_kv_graph_capture(graph, &error), INFERNODE_KV_OK, error.message, NULL); /* in place of the first */
  for (i = 0; i < 3; ++i) engine_table(table, runs[i]), EXPECT_RESULT(run(graph, runs[i], NULL), INFERNODE_KV_OK, error.message, NULL);
  infernode_kv_graph_read_stats(graph, &stats);
  EXPECT(stats.captures == 8 && stats.replays == 2 && stats.eager_runs == 1 && stats.records == 13 && stats.padded_records == 1, "runs to be accounted for");
  EXPECT(stats.graph_bytes == 4 * 65536, "the memory of four simulated graphs");
  EXPECT(stats.device_bytes >= engine_record_bytes(&e, kMostRecords) && stats.pinned_bytes >= engine_record_bytes(&e, kMostRecords), "the buffers' bytes");
  infernode_kv_graph_read_stats(NULL, &stats);
  EXPECT(stats.records == 0, "no stats of no runner");
  infernode_kv_graph_read_stats(graph, NULL);
  EXPECT_RESULT(run(graph, 0, NULL), INFERNODE_KV_OK, error.message, NULL);
  infernode_kv_graph_destroy(graph);
}

/* On the engine's stream, records in place: one run of each direction, captured and eager. */
static void test_on_stream(void) {
  infernode_kv_cuda* cuda = NULL;
  infernode_kv_graph *encoder = NULL, *decoder = NULL;
  const infernode_kv_graph_options encodes = options_of(1), decodes = options_of(0);
  const uint32_t runs[] = {3, 11};
  infernode_kv_graph_run_info info;
  size_t i, section, at;
  EXPECT_RESULT(infernode_kv_cuda_open_current(engine_library, &cuda, NULL, 0), INFERNODE_KV_OK, NULL, NULL);
  EXPECT_RESULT(infernode_kv_graph_create_on(cuda, &encodes, &encoder, &error), INFERNODE_KV_OK, error.message, NULL);
  EXPECT_RESULT(infernode_kv_graph_create_on(cuda, &decodes, &decoder, &error), INFERNODE_KV_OK, error.message, NULL);
  infernode_kv_cuda_close(cuda);
  infernode_kv_graph_bind(encoder, e.caches, kSections, NULL), infernode_kv_graph_bind(decoder, e.caches, kSections, NULL);
  EXPECT_RESULT(infernode_kv_graph_capture(encoder, &error), INFERNODE_KV_OK, error.message, NULL);
  EXPECT_RESULT(infernode_kv_graph_capture(decoder, &error), INFERNODE_KV_OK, error.message, NULL);
  for (i = 0; i < 2; ++i) {
    const uint32_t count = runs[i];
    engine_table(table, count);
    engine_expect_records(&e, table, count);
    engine_scenario("hang launch:infernode_kv_encode_bf16");
    EXPECT_RESULT(infernode_kv_graph_run_on_stream(encoder, e.stream, table, count, &error), INFERNODE_KV_OK, error.message, NULL);
    EXPECT_RESULT(infernode_kv_graph_outcome(encoder, &info, &error), INFERNODE_KV_BUSY, error.message, "end of the run");
    EXPECT_RESULT(infernode_kv_graph_run_on_stream(encoder, e.stream, table, count, &error), INFERNODE_KV_BUSY, error.message, NULL);
    EXPECT_RESULT(run(encoder, count, NULL), INFERNODE_KV_BUSY, error.message, NULL);
    EXPECT_RESULT(infernode_kv_graph_capture(encoder, &error), INFERNODE_KV_BUSY, error.message, NULL);
    EXPECT_RESULT(infernode_kv_graph_bind(encoder, e.caches, kSections, &error), INFERNODE_KV_BUSY, error.message, NULL);
    engine_scenario("");
    engine_wait(&e);
    EXPECT_RESULT(infernode_kv_graph_outcome(encoder, &info, &error), INFERNODE_KV_OK, error.message, NULL);
    EXPECT(info.captured == (count == 3 ? 4 : 0), "the graph of the next count, or none");
    for (section = 0, at = 0; section < kSections; at += count * e.record_bytes[section++]) {
      const uint8_t* place = infernode_kv_graph_records(encoder, section, count);
      uint8_t* other = infernode_kv_graph_records(decoder, section, count);
      EXPECT(place && memcmp(place, e.expected + at, count * e.record_bytes[section]) == 0, "the records of the scalar path in place");
      if (place && other) memcpy(other, place, count * e.record_bytes[section]);
    }
    engine_fill_caches(&e, 0x11);
    EXPECT_RESULT(infernode_kv_graph_run_on_stream(decoder, e.other_stream, table, count, &error), INFERNODE_KV_OK, error.message, NULL);
    engine_wait(&e);
    EXPECT_RESULT(infernode_kv_graph_outcome(decoder, &info, &error), INFERNODE_KV_OK, error.message, NULL);
    EXPECT_RESULT(infernode_kv_graph_outcome(decoder, &info, &error), INFERNODE_KV_NO_RUN, error.message, NULL);
    engine_expect_caches(&e, table, count);
    engine_fill_caches(&e, -1);
  }
  EXPECT(!infernode_kv_graph_records(encoder, kSections, 1) && !infernode_kv_graph_records(encoder, 0, 0) && !infernode_kv_graph_records(encoder, 0, kMostRecords + 1) &&
             !infernode_kv_graph_records(NULL, 0, 1),
         "no place for what is not there");
  infernode_kv_graph_destroy(encoder);
  /* Under way: the end waits. */
  EXPECT_RESULT(infernode_kv_graph_run_on_stream(decoder, e.stream, table, 2, &error), INFERNODE_KV_OK, error.message, NULL);
  infernode_kv_graph_destroy(decoder);
  engine_fill_caches(&e, -1);
}

static void test_options(void) {
  const infernode_kv_graph_options good = options_of(1);
  const uint32_t descending[] = {4, 2}, zero[] = {0}, enormous[] = {0x80000000u};
  infernode_kv_graph_options o;
  infernode_kv_graph* graph = NULL;
  infernode_kv_section sections[kSections];
#define CREATE(change, result, about)                                                                                                     \
  o = good, memcpy(sections, e.sections, sizeof sections), o.sections = sections, change;                                                 \
  EXPECT_RESULT(infernode_kv_graph_create(engine_library, e.device_index, &o, &graph, &error), (result), error.message, (about)); \
  EXPECT(graph == NULL, "no runner")
  CREATE(o.sections = NULL, INFERNODE_KV_SHORT_BUFFER, "sections");
  CREATE(o.section_count = 0, INFERNODE_KV_BAD_SHAPE, "sections");
  CREATE(o.section_count = SIZE_MAX, INFERNODE_KV_BAD_SHAPE, "sections");
  CREATE((o.counts = NULL, o.count_count = 1), INFERNODE_KV_SHORT_BUFFER, "counts");
  CREATE(o.count_count = 0, INFERNODE_KV_BAD_SHAPE, "counts");
  CREATE(o.count_count = SIZE_MAX, INFERNODE_KV_BAD_SHAPE, "counts");
  CREATE((o.counts = descending, o.count_count = 2), INFERNODE_KV_BAD_SHAPE, "ascending");
  CREATE((o.counts = zero, o.count_count = 1), INFERNODE_KV_BAD_SHAPE, "got 0");
  CREATE((o.counts = enormous, o.count_count = 1), INFERNODE_KV_BAD_SHAPE, "got 2147483648");
  CREATE(o.capacity = 7, INFERNODE_KV_BAD_SHAPE, "capacity: expected 8");
  CREATE(o.capacity = 0x80000000u, INFERNODE_KV_BAD_SHAPE, "capacity");
  CREATE(o.thread_blocks = 0x80000000u, INFERNODE_KV_BAD_SHAPE, "thread_blocks");
  CREATE(sections[0].page.dim = 0, INFERNODE_KV_BAD_SHAPE, "sections[0]");
  CREATE(sections[2].page.token_stride = 127, INFERNODE_KV_BAD_STRIDE, "sections[2]");
  CREATE(sections[0].page_stride = kPageElements - 1, INFERNODE_KV_BAD_STRIDE, "sections[0]");
  CREATE(sections[1].pages_per_record = 8, INFERNODE_KV_BAD_SHAPE, "sections[1]");
  CREATE(sections[1].format.static_scale = 1, INFERNODE_KV_BAD_SCALE, "sections[1]");
  EXPECT_RESULT(infernode_kv_graph_create(engine_library, 0, NULL, &graph, &error), INFERNODE_KV_SHORT_BUFFER, error.message, "options");
  EXPECT_RESULT(infernode_kv_graph_create(engine_library, 0, &good, NULL, NULL), INFERNODE_KV_SHORT_BUFFER, NULL, NULL);
  EXPECT_RESULT(infernode_kv_graph_create_on(NULL, &good, &graph, &error), INFERNODE_KV_CLOSED, error.message, "cuda");
  EXPECT_RESULT(infernode_kv_graph_create("libnone.so.7", 0, &good, &graph, &error), INFERNODE_KV_DEVICE_ERROR, error.code, "library-absent");
  EXPECT_RESULT(infernode_kv_graph_create(engine_library, 77, &good, &graph, &error), INFERNODE_KV_DEVICE_ERROR, error.code, "CUDA_ERROR_INVALID_DEVICE");
  EXPECT_RESULT(infernode_kv_graph_create(engine_library, -1, &good, &graph, &error), INFERNODE_KV_DEVICE_ERROR, error.code, "CUDA_ERROR_INVALID_DEVICE");
  engine_scenario("fail cuMemHostAlloc CUDA_ERROR_OUT_OF_MEMORY");
  EXPECT_RESULT(infernode_kv_graph_create(engine_library, 0, &good, &graph, &error), INFERNODE_KV_NO_MEMORY, error.call, "cuMemHostAlloc");
  engine_scenario("");
}

static void test_arguments(void) {
  infernode_kv_graph *encoder = open_graph(1), *decoder = open_graph(0), *unbound = NULL;
  const infernode_kv_graph_options options = options_of(1);
  const size_t bytes = engine_record_bytes(&e, 2);
  const int32_t outside[] = {0, kPages}, below[] = {0, -1}, twice[] = {7, 7};
  uint64_t caches[kSections];
  engine_table(table, 2);
#define RUN(g, t, n, r, b) infernode_kv_graph_run((g), (t), (n), (r), (b), NULL, &error)
  EXPECT_RESULT(RUN(NULL, table, 2, records, bytes), INFERNODE_KV_CLOSED, error.message, "graph: expected an open handle, got NULL");
  EXPECT_RESULT(RUN(encoder, NULL, 2, records, bytes), INFERNODE_KV_SHORT_BUFFER, error.message, "table");
  EXPECT_RESULT(RUN(encoder, table, 2, NULL, bytes), INFERNODE_KV_SHORT_BUFFER, error.message, "records");
  EXPECT_RESULT(RUN(encoder, table, 2, records, bytes - 1), INFERNODE_KV_SHORT_BUFFER, error.message, "records");
  EXPECT_RESULT(RUN(encoder, table, kMostRecords + 1, records, SIZE_MAX), INFERNODE_KV_SHORT_BUFFER, error.message, "got 25");
  EXPECT_RESULT(RUN(encoder, table, 0x80000000u, records, SIZE_MAX), INFERNODE_KV_SHORT_BUFFER, error.message, "got 2147483648");
  EXPECT_RESULT(RUN(encoder, outside, 2, records, bytes), INFERNODE_KV_BAD_TABLE, error.message, "table[1]");
  EXPECT_RESULT(RUN(encoder, below, 2, records, bytes), INFERNODE_KV_BAD_TABLE, error.message, "table[1]");
  EXPECT_RESULT(RUN(decoder, twice, 2, records, bytes), INFERNODE_KV_BAD_TABLE, error.message, "table[1]: page 7 is named twice");
  EXPECT_RESULT(infernode_kv_graph_run_on_stream(encoder, e.stream, table, 0, &error), INFERNODE_KV_SHORT_BUFFER, error.message, "got 0");
  EXPECT_RESULT(infernode_kv_graph_run_on_stream(encoder, e.stream, NULL, 2, &error), INFERNODE_KV_SHORT_BUFFER, error.message, "table");
  EXPECT_RESULT(infernode_kv_graph_outcome(encoder, NULL, &error), INFERNODE_KV_NO_RUN, error.message, NULL);
  EXPECT_RESULT(infernode_kv_graph_create(engine_library, e.device_index, &options, &unbound, &error), INFERNODE_KV_OK, error.message, NULL);
  EXPECT_RESULT(infernode_kv_graph_capture(unbound, &error), INFERNODE_KV_SHORT_BUFFER, error.message, "caches");
  EXPECT_RESULT(RUN(unbound, table, 2, records, bytes), INFERNODE_KV_SHORT_BUFFER, error.message, "caches");
  EXPECT_RESULT(infernode_kv_graph_bind(unbound, NULL, kSections, &error), INFERNODE_KV_SHORT_BUFFER, error.message, "caches");
  EXPECT_RESULT(infernode_kv_graph_bind(unbound, e.caches, kSections - 1, &error), INFERNODE_KV_SHORT_BUFFER, error.message, "expected 3, got 2");
  EXPECT_RESULT(infernode_kv_graph_bind(unbound, e.caches, SIZE_MAX, &error), INFERNODE_KV_SHORT_BUFFER, error.message, "caches");
  memcpy(caches, e.caches, sizeof caches), caches[1] += 2;
  EXPECT_RESULT(infernode_kv_graph_bind(unbound, caches, kSections, &error), INFERNODE_KV_BAD_POINTER, error.message, "caches[1]");
  EXPECT_RESULT(run(encoder, 2, NULL), INFERNODE_KV_OK, error.message, NULL);
  infernode_kv_graph_destroy(encoder), infernode_kv_graph_destroy(decoder), infernode_kv_graph_destroy(unbound);
}

static void test_after_close(void) {
  infernode_kv_graph *graph = open_graph(1), *next;
  infernode_kv_graph_stats stats;
  infernode_kv_graph_destroy(graph), infernode_kv_graph_destroy(graph), infernode_kv_graph_destroy(NULL);
  /* One that is opened meanwhile is not mistaken for it. */
  next = open_graph(1);
  EXPECT_RESULT(run(graph, 1, NULL), INFERNODE_KV_CLOSED, error.message, "graph: expected an open handle, got one that was closed");
  EXPECT_RESULT(infernode_kv_graph_run_on_stream(graph, e.stream, table, 1, &error), INFERNODE_KV_CLOSED, error.message, "graph");
  EXPECT_RESULT(infernode_kv_graph_capture(graph, &error), INFERNODE_KV_CLOSED, error.message, "graph");
  EXPECT_RESULT(infernode_kv_graph_bind(graph, e.caches, kSections, &error), INFERNODE_KV_CLOSED, error.message, "graph");
  EXPECT_RESULT(infernode_kv_graph_outcome(graph, NULL, &error), INFERNODE_KV_CLOSED, error.message, "graph");
  infernode_kv_graph_read_stats(graph, &stats);
  EXPECT(infernode_kv_graph_record_bytes(graph, 1) == 0 && !infernode_kv_graph_records(graph, 0, 1) && stats.binds == 0, "nothing of a closed runner");
  infernode_kv_graph_destroy(next);
}

static void test_lost_device(void) {
  infernode_kv_graph* graph = open_graph(1);
  EXPECT_RESULT(infernode_kv_graph_capture(graph, &error), INFERNODE_KV_OK, error.message, NULL);
  engine_table(table, 2);
  engine_scenario("fail launch:infernode_kv_encode_bf16 CUDA_ERROR_ILLEGAL_ADDRESS");
  EXPECT_RESULT(run(graph, 2, NULL), INFERNODE_KV_DEVICE_ERROR, error.code, "CUDA_ERROR_ILLEGAL_ADDRESS");
  engine_scenario("");
  EXPECT_RESULT(run(graph, 2, NULL), INFERNODE_KV_DEVICE_ERROR, error.code, "CUDA_ERROR_ILLEGAL_ADDRESS");
  infernode_kv_graph_destroy(graph);
}

void kv_test_graphs(void) {
  engine_open(&e, 3);
  records = malloc(engine_record_bytes(&e, kMostRecords));
  test_directions();
  test_outcomes();
  test_rebind();
  test_stats();
  test_on_stream();
  test_options();
  test_arguments();
  test_after_close();
  engine_close(&e);
  /* A device of its own, which is lost afterwards. */
  engine_open(&e, 4);
  test_lost_device();
  free(records);
}
