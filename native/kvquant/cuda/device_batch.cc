#include "kvquant/cuda/device_batch.h"

#include "kvquant/codec.h"
#include "kvquant/cuda/kernel_arguments.h"

namespace infernode::kv {
namespace {

size_t RecordBytes(const infernode_kv_section& section) {
  size_t bytes = 0;
  infernode_kv_section_record_bytes(&section, &bytes);
  return bytes;
}

}  // namespace

DeviceBatch::DeviceBatch(const DeviceSession& session, const infernode_kv_section& section, size_t cache_elements, const int32_t* table, uint32_t records)
    : session_(session),
      section_(section),
      cache_(session.Allocate(2 * cache_elements)),
      records_(session.Allocate(RecordBytes(section) * records)),
      table_(session.Allocate(sizeof(int32_t) * section.pages_per_record * records)),
      sections_(session.Allocate(sizeof(KernelSection))),
      states_(session.Allocate(sizeof(KernelRecordState) * records)),
      outcomes_(session.Allocate(sizeof(KernelOutcome) * records)) {
  const KernelSection device_section = KernelSectionOf(section.format, cache_.get(), records_.get(), RecordBytes(section));
  session.Upload(table_, table, table_.bytes());
  session.Upload(sections_, &device_section, sizeof device_section);
  session.Fill(states_, 0);
  // What a kernel forgets to write must not look like a success.
  session.Fill(outcomes_, 0xA5);
  session.Wait();
  params_ = KernelParamsOf(section, 1, records);
  params_.sections = sections_.get(), params_.table = table_.get(), params_.states = states_.get(), params_.outcomes = outcomes_.get();
}

void DeviceBatch::Launch(bool encode, uint32_t blocks) const {
  session_.Launch(encode, section_.page.dtype == INFERNODE_KV_FP16, section_.format.rotate != 0, params_, blocks);
}

std::vector<float> DeviceBatch::Errors() const {
  std::vector<KernelDifference> differences(size_t{params_.records} * params_.heads);
  const cuda::DeviceMemory memory = session_.Allocate(sizeof(KernelDifference) * differences.size());
  KernelParams params = params_;
  params.errors = memory.get();
  session_.Launch(false, section_.page.dtype == INFERNODE_KV_FP16, section_.format.rotate != 0, params);
  session_.Download(differences.data(), memory, memory.bytes());
  session_.Wait();
  std::vector<float> errors;
  for (const KernelDifference& d : differences) errors.push_back(RelativeError(d.energy, d.error));
  return errors;
}

std::vector<KernelOutcome> DeviceBatch::Outcomes() const {
  std::vector<KernelOutcome> outcomes(params_.records);
  session_.Download(outcomes.data(), outcomes_, sizeof(KernelOutcome) * outcomes.size());
  session_.Wait();
  return outcomes;
}

}  // namespace infernode::kv
