// The C face of a workspace on a caller's stream.
#include "kvquant/cuda/api_edge.h"
#include "kvquant/cuda/stream_workspace.h"
#include "kvquant/infernode_kv_stream.h"

using namespace infernode;

struct infernode_kv_workspace : kv::StreamWorkspace {
  using kv::StreamWorkspace::StreamWorkspace;
};

namespace {

infernode_kv_result Run(bool encode, infernode_kv_workspace* workspace, void* stream, const int32_t* table, uint32_t records, const kv::StreamWorkspace::Records& place,
                        infernode_kv_error* error) {
  return kv::AtEdge(error, [&] {
    const auto opened = kv::Opened(workspace, "workspace");
    if (!table) return kv::Missing(error, "table");
    opened->Run(encode, static_cast<cuda::CUstream>(stream), table, records, place);
    return INFERNODE_KV_OK;
  });
}

}  // namespace

infernode_kv_result infernode_kv_workspace_create(infernode_kv_cuda* cuda, const infernode_kv_workspace_options* options, infernode_kv_workspace** workspace,
                                                  infernode_kv_error* error) {
  return kv::AtEdge(error, [&] {
    const auto opened = kv::Opened(cuda, "cuda");
    if (!options || !workspace) return kv::Missing(error, "options, workspace");
    if (!options->sections || !options->caches) return kv::Missing(error, "sections, caches");
    if (options->section_count > kv::kMaxSections) throw kv::ArgumentError(INFERNODE_KV_BAD_SHAPE, "section_count: expected 1 to " + std::to_string(kv::kMaxSections));
    if (options->thread_blocks > kv::kMaxThreadBlocks) throw kv::ArgumentError(INFERNODE_KV_BAD_SHAPE, "thread_blocks: expected at most " + std::to_string(kv::kMaxThreadBlocks));
    const cuda::BesideCaptures beside(*opened->context());
    kv::SectionSet sections({options->sections, options->sections + options->section_count}, options->capacity);
    std::vector<uint64_t> caches(options->caches, options->caches + options->section_count);
    *workspace = kv::HandleTable<infernode_kv_workspace>::Get().Add(
        std::make_shared<infernode_kv_workspace>(opened->session, std::move(sections), std::move(caches), options->thread_blocks));
    return INFERNODE_KV_OK;
  });
}

void infernode_kv_workspace_destroy(infernode_kv_workspace* workspace) { kv::CloseHandle(workspace); }

size_t infernode_kv_workspace_record_bytes(const infernode_kv_workspace* workspace, uint32_t records) {
  const auto opened = kv::FindHandle(workspace);
  return opened && records <= opened->sections().capacity() ? records * opened->sections().RecordBytes() : 0;
}

infernode_kv_result infernode_kv_encode_on_stream(infernode_kv_workspace* workspace, void* stream, const int32_t* table, uint32_t records, uint64_t device, size_t bytes,
                                                  void* host, infernode_kv_error* error) {
  return Run(true, workspace, stream, table, records, {device, bytes, host}, error);
}

infernode_kv_result infernode_kv_decode_on_stream(infernode_kv_workspace* workspace, void* stream, const int32_t* table, uint32_t records, uint64_t device, size_t bytes,
                                                  const void* host, infernode_kv_error* error) {
  return Run(false, workspace, stream, table, records, {device, bytes, const_cast<void*>(host)}, error);
}

infernode_kv_result infernode_kv_workspace_outcome(infernode_kv_workspace* workspace, infernode_kv_outcome* outcome, infernode_kv_error* error) {
  return kv::AtEdge(error, [&] {
    const kv::LaunchOutcome ended = kv::Opened(workspace, "workspace")->Outcome();
    if (outcome) *outcome = {ended.nonfinite, ended.bad_record};
    return ended.result == INFERNODE_KV_OK ? INFERNODE_KV_OK : kv::Fail(error, ended.result, infernode_kv_message(ended.result));
  });
}
