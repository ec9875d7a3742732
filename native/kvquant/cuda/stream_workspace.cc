#include "kvquant/cuda/stream_workspace.h"

#include <algorithm>

namespace infernode::kv {

StreamWorkspace::StreamWorkspace(std::shared_ptr<DeviceSession> session, SectionSet sections, std::vector<uint64_t> caches, uint32_t thread_blocks)
    : session_(std::move(session)),
      context_(session_->context()),
      sections_(std::move(sections)),
      caches_(std::move(caches)),
      thread_blocks_(thread_blocks),
      device_(context_, OutcomesAt(sections_.capacity()) + sections_.OutcomeBytes(sections_.capacity())),
      states_(context_, sections_.StateBytes()),
      pinned_(context_, device_.bytes()),
      gate_(context_) {
  sections_.CheckCaches(*context_, caches_);
  session_->Fill(states_, 0);
  for (const bool encode : {true, false}) WarmUp(encode);
  // What a kernel forgets to write must not look like a success.
  session_->Fill(device_, 0xA5);
  session_->Wait();
}

/// Drivers load a kernel's code at its first launch, which may wait for the device and would spoil a capture: it is launched here, to skip one record.
void StreamWorkspace::WarmUp(bool encode) {
  const KernelParams params = sections_.Params(device_.get(), device_.get() + TableAt(), states_.get(), device_.get() + OutcomesAt(1), 1);
  sections_.Fill(pinned_.as<KernelSection>(), caches_, device_.get(), 1);
  std::fill_n(reinterpret_cast<int32_t*>(pinned_.as<uint8_t>() + TableAt()), sections_.Entries(1), kNoPage);
  session_->Upload(device_, pinned_.get(), OutcomesAt(1));
  session_->Launch(encode, sections_.fp16(), sections_.rotates(), params, 1);
  session_->Wait();
}

void StreamWorkspace::Run(bool encode, cuda::CUstream stream, const int32_t* table, uint32_t count, const Records& records) {
  if (count < 1 || count > sections_.capacity())
    throw ArgumentError(INFERNODE_KV_SHORT_BUFFER, "records: expected 1 to " + std::to_string(sections_.capacity()) + ", got " + std::to_string(count));
  sections_.CheckTable(table, count, !encode);
  CheckRecords(count, records);
  gate_.Begin(stream, [&] { Issue(encode, stream, table, count, records); });
}

void StreamWorkspace::CheckRecords(uint32_t count, const Records& records) const {
  const size_t needed = count * sections_.RecordBytes();
  if (records.bytes < needed) throw ArgumentError(INFERNODE_KV_SHORT_BUFFER, "bytes: expected " + std::to_string(needed) + ", got " + std::to_string(records.bytes));
  const cuda::Current current(*context_);
  if (records.device % 64 != 0) throw ArgumentError(INFERNODE_KV_BAD_POINTER, "device: expected a multiple of 64");
  CheckMemory(*context_, records.device, needed, cuda::kMemoryDevice, "device");
  // The driver would copy other memory while the caller waits, and take longer.
  if (records.host) CheckMemory(*context_, reinterpret_cast<uint64_t>(records.host), needed, cuda::kMemoryHost, "host");
}

void StreamWorkspace::Issue(bool encode, cuda::CUstream stream, const int32_t* table, uint32_t count, const Records& records) {
  const cuda::Driver& driver = context_->driver();
  const size_t outcomes = OutcomesAt(count), outcome_bytes = sections_.OutcomeBytes(count), record_bytes = count * sections_.RecordBytes();
  sections_.Fill(pinned_.as<KernelSection>(), caches_, records.device, count);
  std::copy_n(table, sections_.Entries(count), reinterpret_cast<int32_t*>(pinned_.as<uint8_t>() + TableAt()));
  INFERNODE_CUDA(driver, cuMemcpyHtoDAsync_v2, device_.get(), pinned_.get(), outcomes, stream);
  if (!encode && records.host) INFERNODE_CUDA(driver, cuMemcpyHtoDAsync_v2, records.device, records.host, record_bytes, stream);
  const KernelParams params = sections_.Params(device_.get(), device_.get() + TableAt(), states_.get(), device_.get() + outcomes, count);
  session_->Launch(encode, sections_.fp16(), sections_.rotates(), params, thread_blocks_, stream);
  if (encode && records.host) INFERNODE_CUDA(driver, cuMemcpyDtoHAsync_v2, records.host, records.device, record_bytes, stream);
  INFERNODE_CUDA(driver, cuMemcpyDtoHAsync_v2, pinned_.as<uint8_t>() + outcomes, device_.get() + outcomes, outcome_bytes, stream);
  count_ = count;
}

LaunchOutcome StreamWorkspace::Outcome() {
  LaunchOutcome outcome;
  gate_.End([&] { outcome = sections_.Summarize(reinterpret_cast<const KernelOutcome*>(pinned_.as<uint8_t>() + OutcomesAt(count_)), count_, count_); });
  return outcome;
}

}  // namespace infernode::kv
