// Encodes or decodes all sections of a paged cache on the GPU as one replayed graph: upload of the block table (and of records
// to decode), one kernel for everything, copy to host. Captured for a few counts of records; a run pads to the next of them,
// and is launched eagerly beyond the largest.
//
// Ownership. The runner owns one device buffer and one page-locked buffer of the same layout, allocated once, so that the
// addresses in a graph never change. The caches are the caller's: their addresses lie in a table on the device that a graph
// reads, so caches may move (`Bind`) without capturing again. The caller keeps them alive, and does not write the pages of a
// run while it is under way. One run at a time; another is refused.
#pragma once

#include <cstdint>
#include <vector>

#include "kvquant/cuda/run_gate.h"
#include "kvquant/cuda/section_set.h"

namespace infernode::kv {

struct GraphOptions {
  bool encode = true;
  /// All of one shape, strides, pages and pages per record; formats may differ.
  std::vector<infernode_kv_section> sections;
  /// Counts of records to capture, ascending, each once.
  std::vector<uint32_t> counts{1, 2, 4, 8, 16, 32, 64};
  /// Most records of a run; at least the largest count. Beyond the largest count a run is eager.
  uint32_t capacity = 256;
  /// Thread blocks of the kernel; 0: two for each multiprocessor. Fewer leave more of the GPU to attention.
  uint32_t thread_blocks = 0;
};

constexpr size_t kMaxGraphCounts = 32;

struct GraphStats {
  uint64_t captures = 0, replays = 0, eager_runs = 0, binds = 0;
  uint64_t records = 0, padded_records = 0;
  uint64_t device_bytes = 0, pinned_bytes = 0;
  /// Free memory before the graphs were made minus after; what other processes did meanwhile is in it.
  uint64_t graph_bytes = 0;
};

struct GraphRun : LaunchOutcome {
  /// Count of the graph that was replayed; 0: eager.
  uint32_t captured = 0;
};

class GraphRunner {
 public:
  /// Allocates; captures nothing. Throws CudaError and ArgumentError, as everything below does.
  GraphRunner(std::shared_ptr<DeviceSession> session, GraphOptions options);

  /// Device addresses of the caches, one for each section, each at least as large as its section says.
  void Bind(const std::vector<uint64_t>& caches);

  /// Warms the kernel up and captures every count, in place of earlier graphs. After Bind.
  void Capture();

  /// Encodes into, or decodes from, `records`: section by section, `count` records each (`RecordBytes(count)` bytes).
  /// `table` has pages_per_record entries for each record. Blocks the calling thread.
  GraphRun Run(const int32_t* table, uint32_t count, uint8_t* records, size_t bytes);

  /// The same without waiting, on a stream of the caller's; records lie at `RecordsInPlace`. `Outcome` ends it.
  void Start(cuda::CUstream stream, const int32_t* table, uint32_t count) { Start(stream, table, count, nullptr); }
  /// After the stream has got to the end of the run.
  GraphRun Outcome() { return Outcome(nullptr); }
  /// Page-locked; the `count` records of a section lie one after the other.
  uint8_t* RecordsInPlace(size_t section, uint32_t count);

  /// Of a run of `count` records.
  size_t RecordBytes(uint32_t count) const { return count * sections_.RecordBytes(); }
  const cuda::ContextRef& context() const { return context_; }
  const GraphStats& stats() const { return stats_; }

 private:
  /// Where the parts of a run lie, in the device buffer as in the page-locked one.
  struct Layout {
    size_t records, outcomes, end;  // the table is at 0
  };
  struct Captured {
    uint32_t count;
    cuda::GraphExec exec;
  };

  Layout LayoutOf(uint32_t count) const;
  void WriteSections(size_t slot, uint32_t count, cuda::CUstream stream);
  void Issue(size_t slot, uint32_t count, cuda::CUstream stream);
  const Captured* Fitting(uint32_t count) const;
  uint32_t Launched(uint32_t count) const;
  void Start(cuda::CUstream stream, const int32_t* table, uint32_t count, uint8_t* records);
  GraphRun Outcome(uint8_t* records);
  void CopyRecords(uint32_t count, uint8_t* records);

  std::shared_ptr<DeviceSession> session_;
  cuda::ContextRef context_;  // the session's
  GraphOptions options_;
  SectionSet sections_;
  cuda::DeviceMemory device_, device_sections_, states_;
  cuda::PinnedMemory pinned_, pinned_sections_;
  std::vector<uint64_t> caches_;
  std::vector<Captured> graphs_;
  GraphStats stats_;
  uint32_t count_ = 0;                // of the run under way
  std::unique_ptr<RunGate> gate_;     // last: it waits before the buffers go
};

}  // namespace infernode::kv
