// The C face of the CUDA path: host memory in and out, nothing thrown.
#include <algorithm>
#include <cstdio>
#include <new>

#include "kvquant/cuda/device_batch.h"
#include "kvquant/formats.h"

using namespace infernode;

struct infernode_kv_cuda {
  std::unique_ptr<kv::DeviceSession> session;
  std::string name;
};

namespace {

infernode_kv_result Fail(infernode_kv_result result, const char* why, char* message, size_t size) {
  if (message && size) std::snprintf(message, size, "%s", why);
  return result;
}

template <class Body>
infernode_kv_result AtEdge(char* message, size_t size, const Body& body) {
  try {
    const infernode_kv_result result = body();
    return result == INFERNODE_KV_OK ? result : Fail(result, infernode_kv_message(result), message, size);
  } catch (const cuda::CudaError& e) {
    return Fail(e.code == cuda::kOutOfMemory ? INFERNODE_KV_NO_MEMORY : INFERNODE_KV_DEVICE_ERROR, e.what(), message, size);
  } catch (const kv::DriverUnavailable& e) {
    return Fail(INFERNODE_KV_DEVICE_ERROR, (std::string(cuda::DriverStateName(e.state)) + ": " + e.what()).c_str(), message, size);
  } catch (const std::bad_alloc&) {
    return Fail(INFERNODE_KV_NO_MEMORY, infernode_kv_message(INFERNODE_KV_NO_MEMORY), message, size);
  } catch (const std::exception& e) {
    return Fail(INFERNODE_KV_DEVICE_ERROR, e.what(), message, size);
  }
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
  if (!cuda) return INFERNODE_KV_NO_PATH;
  infernode_kv_result result = kv::CheckPaged(section, cache, cache_elements, table, records, bytes, byte_count, &shape);
  if (result == INFERNODE_KV_OK) result = CheckForKernels(*section, records);
  if (result != INFERNODE_KV_OK) return result;
  if (records == 0) return Summarize({}, outcome);
  const kv::DeviceSession& session = *cuda->session;
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
  if (!cuda) return Fail(INFERNODE_KV_SHORT_BUFFER, "cuda: expected a place for the handle, got NULL", message, message_size);
  return AtEdge(message, message_size, [&] {
    auto opened = std::make_unique<infernode_kv_cuda>();
    opened->session = kv::DeviceSession::Open(library, device);
    opened->name = opened->session->context()->Name();
    *cuda = opened.release();
    return INFERNODE_KV_OK;
  });
}

void infernode_kv_cuda_close(infernode_kv_cuda* cuda) { delete cuda; }

const char* infernode_kv_cuda_device_name(const infernode_kv_cuda* cuda) { return cuda ? cuda->name.c_str() : ""; }

infernode_kv_result infernode_kv_cuda_encode_paged(infernode_kv_cuda* cuda, const infernode_kv_section* section, const uint16_t* cache, size_t cache_elements,
                                                   const int32_t* table, size_t records, uint8_t* out, size_t out_bytes, infernode_kv_outcome* outcome,
                                                   char* message, size_t message_size) {
  return AtEdge(message, message_size, [&] { return Run(cuda, true, section, const_cast<uint16_t*>(cache), cache_elements, table, records, out, out_bytes, nullptr, outcome); });
}

infernode_kv_result infernode_kv_cuda_encode_paged_errors(infernode_kv_cuda* cuda, const infernode_kv_section* section, const uint16_t* cache, size_t cache_elements,
                                                          const int32_t* table, size_t records, uint8_t* out, size_t out_bytes, float* errors,
                                                          infernode_kv_outcome* outcome, char* message, size_t message_size) {
  return AtEdge(message, message_size, [&] { return Run(cuda, true, section, const_cast<uint16_t*>(cache), cache_elements, table, records, out, out_bytes, errors, outcome); });
}

infernode_kv_result infernode_kv_cuda_decode_paged(infernode_kv_cuda* cuda, const infernode_kv_section* section, const uint8_t* in, size_t in_bytes,
                                                   const int32_t* table, size_t records, uint16_t* cache, size_t cache_elements, infernode_kv_outcome* outcome,
                                                   char* message, size_t message_size) {
  return AtEdge(message, message_size, [&] { return Run(cuda, false, section, cache, cache_elements, table, records, const_cast<uint8_t*>(in), in_bytes, nullptr, outcome); });
}
