// The records of one section on the device: everything a launch needs, allocated once, so that a launch can be repeated.
#pragma once

#include <vector>

#include "kvquant/cuda/device_session.h"
#include "kvquant/infernode_kv.h"

namespace infernode::kv {

class DeviceBatch {
 public:
  /// Uploads the table. The section has been checked. Throws CudaError.
  DeviceBatch(const DeviceSession& session, const infernode_kv_section& section, size_t cache_elements, const int32_t* table, uint32_t records);

  const cuda::DeviceMemory& cache() const { return cache_; }
  const cuda::DeviceMemory& records() const { return records_; }
  void Launch(bool encode, uint32_t blocks = 0) const;
  /// After an encoding launch: the relative error of each head of each record, as infernode_kv_encode_paged gives it. A launch of its own, which
  /// reads the records and the pages. Waits.
  std::vector<float> Errors() const;
  /// Waits, and reads what became of the records.
  std::vector<KernelOutcome> Outcomes() const;

 private:
  const DeviceSession& session_;
  infernode_kv_section section_;
  cuda::DeviceMemory cache_, records_, table_, sections_, states_, outcomes_;
  KernelParams params_{};
};

}  // namespace infernode::kv
