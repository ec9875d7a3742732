// The C face of the graph runner.
#include "kvquant/cuda/api_edge.h"
#include "kvquant/cuda/graph_runner.h"
#include "kvquant/infernode_kv_graph.h"

using namespace infernode;

struct infernode_kv_graph : kv::GraphRunner {
  using kv::GraphRunner::GraphRunner;
};

namespace {

kv::GraphOptions OptionsOf(const infernode_kv_graph_options& o) {
  if (o.section_count > kv::kMaxSections) throw kv::ArgumentError(INFERNODE_KV_BAD_SHAPE, "sections: expected 1 to " + std::to_string(kv::kMaxSections));
  if (o.count_count > kv::kMaxGraphCounts) throw kv::ArgumentError(INFERNODE_KV_BAD_SHAPE, "counts: expected 1 to " + std::to_string(kv::kMaxGraphCounts));
  kv::GraphOptions options;
  options.encode = o.encode != 0;
  options.sections.assign(o.sections, o.sections + o.section_count);
  if (o.counts) options.counts.assign(o.counts, o.counts + o.count_count);
  if (o.capacity) options.capacity = o.capacity;
  options.thread_blocks = o.thread_blocks;
  return options;
}

/// `open` gives the session.
template <class Open>
infernode_kv_result Create(const infernode_kv_graph_options* options, infernode_kv_graph** graph, infernode_kv_error* error, const Open& open) {
  return kv::AtEdge(error, [&] {
    if (!options || !graph) return kv::Missing(error, "options, graph");
    if (options->section_count > 0 && !options->sections) return kv::Missing(error, "sections");
    if (options->count_count > 0 && !options->counts) return kv::Missing(error, "counts");
    const std::shared_ptr<kv::DeviceSession> session = open();
    const cuda::BesideCaptures beside(*session->context());
    *graph = kv::HandleTable<infernode_kv_graph>::Get().Add(std::make_shared<infernode_kv_graph>(session, OptionsOf(*options)));
    return INFERNODE_KV_OK;
  });
}

/// A call on a runner that there is.
template <class Body>
infernode_kv_result OnGraph(infernode_kv_graph* graph, infernode_kv_error* error, const Body& body) {
  return kv::AtEdge(error, [&] {
    const auto opened = kv::Opened(graph, "graph");
    const cuda::BesideCaptures beside(*opened->context());
    return body(*opened);
  });
}

infernode_kv_result Report(const kv::GraphRun& run, infernode_kv_graph_run_info* info, infernode_kv_error* error) {
  if (info) *info = {run.captured, run.bad_record, run.nonfinite};
  return run.result == INFERNODE_KV_OK ? INFERNODE_KV_OK : kv::Fail(error, run.result, infernode_kv_message(run.result));
}

}  // namespace

infernode_kv_result infernode_kv_graph_create(const char* library, int device, const infernode_kv_graph_options* options, infernode_kv_graph** graph,
                                              infernode_kv_error* error) {
  return Create(options, graph, error, [&] { return std::shared_ptr<kv::DeviceSession>(kv::DeviceSession::Open(library, device)); });
}

infernode_kv_result infernode_kv_graph_create_on(infernode_kv_cuda* cuda, const infernode_kv_graph_options* options, infernode_kv_graph** graph, infernode_kv_error* error) {
  return Create(options, graph, error, [&] { return kv::Opened(cuda, "cuda")->session; });
}

infernode_kv_result infernode_kv_graph_bind(infernode_kv_graph* graph, const uint64_t* caches, size_t count, infernode_kv_error* error) {
  return OnGraph(graph, error, [&](kv::GraphRunner& runner) {
    if (!caches) return kv::Missing(error, "caches");
    if (count > kv::kMaxSections) throw kv::ArgumentError(INFERNODE_KV_SHORT_BUFFER, "caches: expected one for each section");
    runner.Bind({caches, caches + count});
    return INFERNODE_KV_OK;
  });
}

infernode_kv_result infernode_kv_graph_capture(infernode_kv_graph* graph, infernode_kv_error* error) {
  return OnGraph(graph, error, [&](kv::GraphRunner& runner) { return runner.Capture(), INFERNODE_KV_OK; });
}

size_t infernode_kv_graph_record_bytes(const infernode_kv_graph* graph, uint32_t count) {
  const auto opened = kv::FindHandle(graph);
  return opened ? opened->RecordBytes(count) : 0;
}

infernode_kv_result infernode_kv_graph_run(infernode_kv_graph* graph, const int32_t* table, uint32_t count, uint8_t* records, size_t bytes,
                                           infernode_kv_graph_run_info* info, infernode_kv_error* error) {
  return OnGraph(graph, error, [&](kv::GraphRunner& runner) {
    if (count > 0 && (!table || !records)) return kv::Missing(error, "table, records");
    return Report(runner.Run(table, count, records, bytes), info, error);
  });
}

infernode_kv_result infernode_kv_graph_run_on_stream(infernode_kv_graph* graph, void* stream, const int32_t* table, uint32_t count, infernode_kv_error* error) {
  return OnGraph(graph, error, [&](kv::GraphRunner& runner) {
    if (!table) return kv::Missing(error, "table");
    return runner.Start(static_cast<cuda::CUstream>(stream), table, count), INFERNODE_KV_OK;
  });
}

infernode_kv_result infernode_kv_graph_outcome(infernode_kv_graph* graph, infernode_kv_graph_run_info* info, infernode_kv_error* error) {
  return OnGraph(graph, error, [&](kv::GraphRunner& runner) { return Report(runner.Outcome(), info, error); });
}

uint8_t* infernode_kv_graph_records(infernode_kv_graph* graph, size_t section, uint32_t count) {
  uint8_t* place = nullptr;
  OnGraph(graph, nullptr, [&](kv::GraphRunner& runner) { return place = runner.RecordsInPlace(section, count), INFERNODE_KV_OK; });
  return place;
}

void infernode_kv_graph_read_stats(const infernode_kv_graph* graph, infernode_kv_graph_stats* stats) {
  if (!stats) return;
  *stats = {};
  const auto opened = kv::FindHandle(graph);
  if (!opened) return;
  const kv::GraphStats& s = opened->stats();
  *stats = {s.captures, s.replays, s.eager_runs, s.binds, s.records, s.padded_records, s.device_bytes, s.pinned_bytes, s.graph_bytes};
}

void infernode_kv_graph_destroy(infernode_kv_graph* graph) { kv::CloseHandle(graph); }
