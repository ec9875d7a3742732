#define _POSIX_C_SOURCE 200809L /* setenv */
#include "test/kv_engine.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

engine_driver cu;
const char* engine_library;
int engine_failures;
static const char* scenario_path;

void engine_expect(int truth, const char* what, const char* file, int line) {
  if (truth) return;
  ++engine_failures;
  printf("%s:%d: expected %s\n", file, line, what);
}

void engine_expect_result(infernode_kv_result result, infernode_kv_result expected, const char* message, const char* about, int line) {
  if (result == expected && (!about || (message && strstr(message, about)))) return;
  ++engine_failures;
  printf("line %d: expected %s about \"%s\", got %s: %s\n", line, infernode_kv_result_name(expected), about ? about : "", infernode_kv_result_name(result), message ? message : "");
}

void engine_scenario(const char* lines) {
  char next[4096];
  FILE* file;
  snprintf(next, sizeof next, "%s.next", scenario_path);
  file = fopen(next, "w");
  if (!file) abort();
  fprintf(file, "devices 5\n%s\n", lines);
  fclose(file);
  /* Another file each time: the driver looks at its inode. */
  rename(next, scenario_path);
}

void engine_load(const char* library, const char* scenario) {
  void* module;
  scenario_path = scenario;
  engine_library = library;
  engine_scenario("");
  setenv("INFERNODE_CUDA_SIM", scenario, 1);
  module = dlopen(library, RTLD_NOW);
  if (!module) {
    puts(dlerror());
    exit(2);
  }
#define X(name, arguments)                        \
  {                                               \
    void* symbol = dlsym(module, #name);          \
    memcpy(&cu.name, &symbol, sizeof symbol);     \
  }
  ENGINE_CALLS(X)
#undef X
  EXPECT(cu.cuInit(0) == 0, "a driver");
}

static void* pinned(size_t bytes) {
  void* memory = NULL;
  EXPECT(cu.cuMemHostAlloc(&memory, bytes, 1) == 0, "page-locked memory");
  return memory;
}

static void describe_sections(engine* e) {
  static const char* const formats[kSections] = {"int8_head", "int4a_g64", "e4m3_tok"};
  size_t i;
  for (i = 0; i < kSections; ++i) {
    infernode_kv_section* s = &e->sections[i];
    EXPECT(infernode_kv_parse_format(formats[i], &s->format) == INFERNODE_KV_OK, "a format");
    s->page.tokens = 16, s->page.heads = 2, s->page.dim = 64, s->page.token_stride = 128, s->page.head_stride = 64;
    s->page_stride = kPageStride, s->pages = kPages, s->pages_per_record = 1;
    EXPECT(infernode_kv_section_record_bytes(s, &e->record_bytes[i]) == INFERNODE_KV_OK, "a section");
  }
}

void engine_open(engine* e, int device) {
  uint32_t state = 12345u + (uint32_t)device;
  size_t i, j;
  memset(e, 0, sizeof *e);
  e->device_index = device;
  EXPECT(cu.cuDevicePrimaryCtxRetain(&e->context, device) == 0 && cu.cuCtxPushCurrent_v2(e->context) == 0, "a context");
  EXPECT(cu.cuStreamCreate(&e->stream, 1) == 0 && cu.cuStreamCreate(&e->other_stream, 0) == 0, "streams");
  describe_sections(e);
  for (i = 0; i < kSections; ++i) {
    EXPECT(cu.cuMemAlloc_v2(&e->caches[i], CACHE_BYTES) == 0, "a cache");
    e->values[i] = malloc(CACHE_BYTES);
    for (j = 0; j < CACHE_ELEMENTS; ++j) {
      state = state * 1664525u + 1013904223u;
      e->values[i][j] = (uint16_t)(0x3E00u + (state >> 8) % 0x200u + ((state >> 3) & 1u) * 0x8000u);
    }
  }
  EXPECT(cu.cuMemAlloc_v2(&e->device, engine_record_bytes(e, kMostRecords)) == 0, "memory for records");
  e->host = pinned(engine_record_bytes(e, kMostRecords));
  e->expected = malloc(engine_record_bytes(e, kMostRecords));
  engine_fill_caches(e, -1);
}

void engine_close(engine* e) {
  void* popped;
  size_t i;
  engine_wait(e);
  for (i = 0; i < kSections; ++i) cu.cuMemFree_v2(e->caches[i]), free(e->values[i]);
  cu.cuMemFree_v2(e->device);
  cu.cuMemFreeHost(e->host);
  free(e->expected);
  EXPECT(cu.cuStreamDestroy_v2(e->stream) == 0 && cu.cuStreamDestroy_v2(e->other_stream) == 0, "streams that are still there");
  EXPECT(cu.cuCtxPopCurrent_v2(&popped) == 0 && popped == e->context, "the context to be current as before");
  EXPECT(cu.cuDevicePrimaryCtxRelease_v2(e->device_index) == 0, "a context that nobody else gave back");
}

size_t engine_record_bytes(const engine* e, uint32_t records) { return records * (e->record_bytes[0] + e->record_bytes[1] + e->record_bytes[2]); }

void engine_table(int32_t* table, uint32_t records) {
  uint32_t i;
  for (i = 0; i < records; ++i) table[i] = (int32_t)((i * 7 + 3) % kPages);
}

void engine_expect_records(engine* e, const int32_t* table, uint32_t records) {
  uint8_t* to = e->expected;
  size_t i;
  for (i = 0; i < kSections; to += records * e->record_bytes[i++])
    EXPECT(infernode_kv_encode_paged(NULL, INFERNODE_KV_SCALAR, &e->sections[i], e->values[i], CACHE_ELEMENTS, table, records, to, records * e->record_bytes[i], NULL, NULL) == INFERNODE_KV_OK, "records");
}

void engine_expect_caches(engine* e, const int32_t* table, uint32_t records) {
  uint16_t *found = malloc(CACHE_BYTES), *expected = malloc(CACHE_BYTES);
  const uint8_t* from = e->expected;
  size_t i;
  for (i = 0; i < kSections; from += records * e->record_bytes[i++]) {
    memset(expected, 0x11, CACHE_BYTES);
    EXPECT(infernode_kv_decode_paged(NULL, INFERNODE_KV_SCALAR, &e->sections[i], from, records * e->record_bytes[i], table, records, expected, CACHE_ELEMENTS, NULL) == INFERNODE_KV_OK, "decoded pages");
    EXPECT(cu.cuMemcpyDtoHAsync_v2(found, e->caches[i], CACHE_BYTES, e->stream) == 0 && cu.cuStreamSynchronize(e->stream) == 0, "a copy");
    EXPECT(memcmp(found, expected, CACHE_BYTES) == 0, "the pages of the scalar path, and no other page touched");
  }
  free(found), free(expected);
}

void engine_fill_caches(engine* e, int value) {
  size_t i;
  for (i = 0; i < kSections; ++i) {
    const int result = value < 0 ? cu.cuMemcpyHtoDAsync_v2(e->caches[i], e->values[i], CACHE_BYTES, e->stream) : cu.cuMemsetD8Async(e->caches[i], (unsigned char)value, CACHE_BYTES, e->stream);
    EXPECT(result == 0, "caches to be filled");
  }
  engine_wait(e);
}

void engine_wait(const engine* e) { cu.cuStreamSynchronize(e->stream), cu.cuStreamSynchronize(e->other_stream); }

int main(int count, char** arguments) {
  if (count != 3) return puts("usage: infernode-kv-device-test LIBRARY SCENARIO"), 2;
  engine_load(arguments[1], arguments[2]);
  kv_test_streams();
  kv_test_graphs();
  printf("%d failures\n", engine_failures);
  return engine_failures == 0 ? 0 : 1;
}
