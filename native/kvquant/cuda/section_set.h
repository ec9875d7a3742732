// The sections of one launch (K and V of each layer): what they must have in common, what a call on them may ask for, and what the
// kernels are told of them. The graph runner and the workspaces of callers' streams stand on it.
#pragma once

#include <vector>

#include "kvquant/cuda/device_session.h"

namespace infernode::kv {

constexpr size_t kMaxSections = 4096;
constexpr uint32_t kMaxRecords = 65536;
constexpr uint32_t kMaxThreadBlocks = 65535;

constexpr size_t Lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

/// What became of a launch.
struct LaunchOutcome {
  infernode_kv_result result = INFERNODE_KV_OK;
  /// First record that was refused, counted section by section; sections x records when none was.
  uint64_t bad_record = 0;
  uint64_t nonfinite = 0;
};

class SectionSet {
 public:
  /// All of one shape, strides, pages and pages per record; formats may differ. `capacity`: most records of a launch. Throws
  /// ArgumentError that names the section.
  SectionSet(std::vector<infernode_kv_section> sections, uint32_t capacity);

  size_t size() const { return sections_.size(); }
  uint32_t capacity() const { return capacity_; }
  bool fp16() const { return first().page.dtype == INFERNODE_KV_FP16; }
  /// Either kernel does every format; the one for rotation is faster where most sections rotate.
  bool rotates() const;
  /// Of one record of section `i`, and of one record of each.
  size_t RecordBytes(size_t i) const { return record_bytes_[i]; }
  size_t RecordBytes() const { return all_record_bytes_; }
  /// Entries of the block table for `records` records, and their bytes, padded.
  size_t Entries(uint32_t records) const { return size_t{records} * first().pages_per_record; }
  size_t TableBytes(uint32_t records) const { return Lines(sizeof(int32_t) * Entries(records)); }
  size_t SectionBytes() const { return Lines(sizeof(KernelSection) * size()); }
  size_t StateBytes() const { return sizeof(KernelRecordState) * size() * capacity_; }
  size_t OutcomeBytes(uint32_t records) const { return sizeof(KernelOutcome) * size() * records; }

  /// One for each section, the first and the last element in memory of the device. An address that is none would end the process's use of
  /// the GPU: an illegal access cannot be taken back.
  void CheckCaches(const cuda::Context& context, const std::vector<uint64_t>& caches) const;
  /// What a kernel would find is found here, where it costs nothing; a page that is decoded into twice would be a race.
  void CheckTable(const int32_t* table, uint32_t records, bool decode) const;

  /// The kernels' table of sections; their records lie section by section from `records` on.
  void Fill(KernelSection* to, const std::vector<uint64_t>& caches, uint64_t records, uint32_t count) const;
  KernelParams Params(uint64_t sections, uint64_t table, uint64_t states, uint64_t outcomes, uint32_t count) const;
  /// Of `count` records a section, of `launched` that the outcomes are laid out for.
  LaunchOutcome Summarize(const KernelOutcome* outcomes, uint32_t launched, uint32_t count) const;

 private:
  const infernode_kv_section& first() const { return sections_[0]; }

  std::vector<infernode_kv_section> sections_;
  uint32_t capacity_;
  std::vector<size_t> record_bytes_;
  size_t all_record_bytes_ = 0;
};

/// Both ends of a range lie in memory of that kind (kMemoryHost: page-locked). What lies between, and whose it is, a driver does not say of
/// memory that is mapped in pieces, as allocators of engines do. Needs a current context. Throws ArgumentError.
void CheckMemory(const cuda::Context& context, uint64_t address, size_t bytes, unsigned kind, const std::string& name);

}  // namespace infernode::kv
