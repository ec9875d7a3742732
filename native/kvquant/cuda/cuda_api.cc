// The C face of the CUDA path: host memory in and out, nothing thrown.
#include <algorithm>

#include "kvquant/cuda/api_edge.h"
#include "kvquant/cuda/device_batch.h"
#include "kvquant/formats.h"

using namespace infernode;

namespace {

/// The reason alone, in a buffer of the caller's.
template <class Body>
infernode_kv_result WithMessage(char* message, size_t size, const Body& body) {
  infernode_kv_error error;
  const infernode_kv_result result = kv::AtEdge(&error, body);
  if (result != INFERNODE_KV_OK && message && size) std::snprintf(message, size, "%s", error.message[0] ? error.message : infernode_kv_message(result));
  return result;
}

/// `open` gives the session.
template <class Open>
infernode_kv_result OpenWith(infernode_kv_cuda** cuda, char* message, size_t size, const Open& open) {
  return WithMessage(message, size, [&] {
    if (!cuda) throw kv::ArgumentError(INFERNODE_KV_SHORT_BUFFER, "cuda: expected a place for the handle, got NULL");
    auto opened = std::make_shared<infernode_kv_cuda>();
    opened->session = open();
    opened->name = opened->session->context()->Name();
    *cuda = kv::HandleTable<infernode_kv_cuda>::Get().Add(std::move(opened));
    return INFERNODE_KV_OK;
  });
}

/// Kernels count records and heads in 32 bits.
infernode_kv_result CheckForKernels(const infernode_kv_section& section, size_t records) {
  return section.page.dim > kv::kKernelMaxDim || records > (size_t{1} << 31) / section.page.heads ? INFERNODE_KV_BAD_SHAPE : INFERNODE_KV_OK;
}

infernode_kv_result Summarize(const std::vector<kv::KernelOutcome>& outcomes, infernode_kv_outcome* outcome) {
  infernode_kv_outcome all{0, outcomes.size()};
  infernode_kv_result result = INFERNODE_KV_OK;
  for (size_t r = 0; r < outcomes.size(); ++r) {
    if (outcomes[r].result == INFERNODE_KV_OK) all.nonfinite += outcomes[r].nonfinite;
    else if (result == INFERNODE_KV_OK) result = static_cast<infernode_kv_result>(outcomes[r].result), all.bad_record = r;
  }
  if (outcome) *outcome = all;
  return result;
}

infernode_kv_result Run(infernode_kv_cuda* cuda, bool encode, const infernode_kv_section* section, uint16_t* cache, size_t cache_elements, const int32_t* table,
                        size_t records, uint8_t* bytes, size_t byte_count, float* errors, infernode_kv_outcome* outcome) {
  infernode_kv_shape shape;
  const auto opened = kv::Opened(cuda, "cuda");
  infernode_kv_result result = kv::CheckPaged(section, cache, cache_elements, table, records, bytes, byte_count, &shape);
  if (result == INFERNODE_KV_OK) result = CheckForKernels(*section, records);
  if (result == INFERNODE_KV_OK && !encode && records > 0) result = kv::CheckNamedOnce(table, records * section->pages_per_record, section->pages, nullptr);
  if (result != INFERNODE_KV_OK) return result;
  if (records == 0) return Summarize({}, outcome);
  const kv::DeviceSession& session = *opened->session;
  const kv::DeviceBatch batch(session, *section, cache_elements, table, static_cast<uint32_t>(records));
  session.Upload(batch.cache(), cache, 2 * cache_elements);
  if (!encode) session.Upload(batch.records(), bytes, batch.records().bytes());
  batch.Launch(encode);
  if (errors) {
    const std::vector<float> measured = batch.Errors();
    std::copy(measured.begin(), measured.end(), errors);
  }
  if (encode) session.Download(bytes, batch.records(), batch.records().bytes());
  else session.Download(cache, batch.cache(), 2 * cache_elements);
  return Summarize(batch.Outcomes(), outcome);
}

}  // namespace

infernode_kv_result infernode_kv_cuda_open(const char* library, int device, infernode_kv_cuda** cuda, char* message, size_t message_size) {
  return OpenWith(cuda, message, message_size, [&] { return kv::DeviceSession::Open(library, device); });
}

infernode_kv_result infernode_kv_cuda_open_current(const char* library, infernode_kv_cuda** cuda, char* message, size_t message_size) {
  return OpenWith(cuda, message, message_size, [&] { return kv::DeviceSession::OpenCurrent(library); });
}

void infernode_kv_cuda_close(infernode_kv_cuda* cuda) { kv::CloseHandle(cuda); }

const char* infernode_kv_cuda_device_name(const infernode_kv_cuda* cuda) {
  const auto opened = kv::FindHandle(cuda);
  return opened ? opened->name.c_str() : "";
}

infernode_kv_result infernode_kv_cuda_encode_paged(infernode_kv_cuda* cuda, const infernode_kv_section* section, const uint16_t* cache, size_t cache_elements,
                                                   const int32_t* table, size_t records, uint8_t* out, size_t out_bytes, infernode_kv_outcome* outcome,
                                                   char* message, size_t message_size) {
  return WithMessage(message, message_size, [&] { return Run(cuda, true, section, const_cast<uint16_t*>(cache), cache_elements, table, records, out, out_bytes, nullptr, outcome); });
}

infernode_kv_result infernode_kv_cuda_encode_paged_errors(infernode_kv_cuda* cuda, const infernode_kv_section* section, const uint16_t* cache, size_t cache_elements,
                                                          const int32_t* table, size_t records, uint8_t* out, size_t out_bytes, float* errors,
                                                          infernode_kv_outcome* outcome, char* message, size_t message_size) {
  return WithMessage(message, message_size, [&] { return Run(cuda, true, section, const_cast<uint16_t*>(cache), cache_elements, table, records, out, out_bytes, errors, outcome); });
}

infernode_kv_result infernode_kv_cuda_decode_paged(infernode_kv_cuda* cuda, const infernode_kv_section* section, const uint8_t* in, size_t in_bytes,
                                                   const int32_t* table, size_t records, uint16_t* cache, size_t cache_elements, infernode_kv_outcome* outcome,
                                                   char* message, size_t message_size) {
  return WithMessage(message, message_size, [&] { return Run(cuda, false, section, cache, cache_elements, table, records, const_cast<uint8_t*>(in), in_bytes, nullptr, outcome); });
}
