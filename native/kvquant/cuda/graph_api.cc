// The C face of the graph runner: nothing leaves it but results.
#include <cstdio>
#include <memory>
#include <new>

#include "kvquant/cuda/graph_runner.h"
#include "kvquant/infernode_kv_graph.h"

using namespace infernode;

struct infernode_kv_graph {
  kv::GraphRunner runner;
};

namespace {

infernode_kv_result Fail(infernode_kv_graph_error* error, infernode_kv_result result, const char* code, const char* call, const char* message) {
  if (!error) return result;
  std::snprintf(error->code, sizeof error->code, "%s", code);
  std::snprintf(error->call, sizeof error->call, "%s", call);
  std::snprintf(error->message, sizeof error->message, "%s", message);
  return result;
}

infernode_kv_result Missing(infernode_kv_graph_error* error, const char* arguments) {
  return Fail(error, INFERNODE_KV_SHORT_BUFFER, infernode_kv_result_name(INFERNODE_KV_SHORT_BUFFER), "", (std::string(arguments) + ": expected pointers, got NULL").c_str());
}

template <class Body>
infernode_kv_result AtEdge(infernode_kv_graph_error* error, Body body) {
  try {
    if (error) *error = {};
    return body();
  } catch (const cuda::CudaError& e) {
    return Fail(error, e.code == cuda::kOutOfMemory ? INFERNODE_KV_NO_MEMORY : INFERNODE_KV_DEVICE_ERROR, cuda::ResultName(e.code), e.call, e.what());
  } catch (const kv::GraphArgumentError& e) {
    return Fail(error, e.result, infernode_kv_result_name(e.result), "", e.what());
  } catch (const kv::DriverUnavailable& e) {
    return Fail(error, INFERNODE_KV_DEVICE_ERROR, cuda::DriverStateName(e.state), "", e.what());
  } catch (const std::bad_alloc&) {
    return Fail(error, INFERNODE_KV_NO_MEMORY, infernode_kv_result_name(INFERNODE_KV_NO_MEMORY), "", infernode_kv_message(INFERNODE_KV_NO_MEMORY));
  } catch (const std::exception& e) {
    return Fail(error, INFERNODE_KV_DEVICE_ERROR, "INFERNODE_NATIVE_FAILURE", "", e.what());
  }
}

kv::GraphOptions OptionsOf(const infernode_kv_graph_options& o) {
  kv::GraphOptions options;
  options.encode = o.encode != 0;
  if (o.sections) options.sections.assign(o.sections, o.sections + o.section_count);
  if (o.counts) options.counts.assign(o.counts, o.counts + o.count_count);
  if (o.capacity) options.capacity = o.capacity;
  options.thread_blocks = o.thread_blocks;
  return options;
}

}  // namespace

infernode_kv_result infernode_kv_graph_create(const char* library, int device, const infernode_kv_graph_options* options, infernode_kv_graph** graph,
                                              infernode_kv_graph_error* error) {
  return AtEdge(error, [&] {
    if (!options || !graph) return Missing(error, "options, graph");
    if (options->section_count > 0 && !options->sections) return Missing(error, "sections");
    if (options->count_count > 0 && !options->counts) return Missing(error, "counts");
    *graph = new infernode_kv_graph{kv::GraphRunner(kv::DeviceSession::Open(library, device), OptionsOf(*options))};
    return INFERNODE_KV_OK;
  });
}

infernode_kv_result infernode_kv_graph_bind(infernode_kv_graph* graph, const uint64_t* caches, size_t count, infernode_kv_graph_error* error) {
  return AtEdge(error, [&] {
    if (!graph || !caches) return Missing(error, "graph, caches");
    graph->runner.Bind(std::vector<uint64_t>(caches, caches + count));
    return INFERNODE_KV_OK;
  });
}

infernode_kv_result infernode_kv_graph_capture(infernode_kv_graph* graph, infernode_kv_graph_error* error) {
  return AtEdge(error, [&] {
    if (!graph) return Missing(error, "graph");
    graph->runner.Capture();
    return INFERNODE_KV_OK;
  });
}

size_t infernode_kv_graph_record_bytes(const infernode_kv_graph* graph, uint32_t count) { return graph ? graph->runner.RecordBytes(count) : 0; }

infernode_kv_result infernode_kv_graph_run(infernode_kv_graph* graph, const int32_t* table, uint32_t count, uint8_t* records, size_t bytes,
                                           infernode_kv_graph_run_info* info, infernode_kv_graph_error* error) {
  return AtEdge(error, [&] {
    if (!graph) return Missing(error, "graph");
    if (count > 0 && (!table || !records)) return Missing(error, "table, records");
    const kv::GraphRun run = graph->runner.Run(table, count, records, bytes);
    if (info) *info = {run.captured, run.bad_record, run.nonfinite};
    return run.result == INFERNODE_KV_OK ? INFERNODE_KV_OK : Fail(error, run.result, infernode_kv_result_name(run.result), "", infernode_kv_message(run.result));
  });
}

void infernode_kv_graph_read_stats(const infernode_kv_graph* graph, infernode_kv_graph_stats* stats) {
  if (!stats) return;
  *stats = {};
  if (!graph) return;
  const kv::GraphStats& s = graph->runner.stats();
  *stats = {s.captures, s.replays, s.eager_runs, s.binds, s.records, s.padded_records, s.device_bytes, s.pinned_bytes, s.graph_bytes};
}

void infernode_kv_graph_destroy(infernode_kv_graph* graph) { delete graph; }
