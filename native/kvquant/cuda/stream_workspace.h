// Records of all sections of a paged cache, encoded or decoded on a stream of the caller's. The caches, the records and the stream are
// the caller's; of its own a workspace has what one launch needs beside them, allocated once: the tables that go up, the scratch of
// the kernels, and the outcomes that come down.
#pragma once

#include "kvquant/cuda/run_gate.h"
#include "kvquant/cuda/section_set.h"

namespace infernode::kv {

class StreamWorkspace {
 public:
  /// Allocates, loads the kernels and runs them once, and waits for that. Throws CudaError and ArgumentError.
  StreamWorkspace(std::shared_ptr<DeviceSession> session, SectionSet sections, std::vector<uint64_t> caches, uint32_t thread_blocks);

  /// The records' place on the device, `bytes` long, and, unless null, page-locked memory on the host that they are copied to after
  /// encoding or from before decoding.
  struct Records {
    uint64_t device;
    size_t bytes;
    void* host;
  };
  /// Returns when everything is in the stream. Throws CudaError and ArgumentError.
  void Run(bool encode, cuda::CUstream stream, const int32_t* table, uint32_t count, const Records& records);
  /// After the stream has got to the end of the run. Throws CudaError and ArgumentError.
  LaunchOutcome Outcome();

  const SectionSet& sections() const { return sections_; }
  const cuda::ContextRef& context() const { return context_; }

 private:
  /// The device buffer and the page-locked one: sections, table, outcomes.
  size_t TableAt() const { return sections_.SectionBytes(); }
  size_t OutcomesAt(uint32_t count) const { return TableAt() + sections_.TableBytes(count); }
  void WarmUp(bool encode);
  void CheckRecords(uint32_t count, const Records& records) const;
  void Issue(bool encode, cuda::CUstream stream, const int32_t* table, uint32_t count, const Records& records);

  std::shared_ptr<DeviceSession> session_;
  cuda::ContextRef context_;  // the session's
  SectionSet sections_;
  std::vector<uint64_t> caches_;
  uint32_t thread_blocks_;
  uint32_t count_ = 0;  // of the run under way
  cuda::DeviceMemory device_, states_;
  cuda::PinnedMemory pinned_;
  RunGate gate_;  // the last member: it waits before the buffers go
};

}  // namespace infernode::kv
