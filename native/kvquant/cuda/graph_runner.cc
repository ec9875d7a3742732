#include "kvquant/cuda/graph_runner.h"

#include <algorithm>
#include <cstring>

#include "kvquant/cuda/kernel_abi.h"

namespace infernode::kv {
namespace {

constexpr size_t Lines(size_t bytes) { return (bytes + 63) / 64 * 64; }
/// Most bytes of one of the runner's buffers: far over what a run moves, far under what would overflow.
constexpr size_t kMaxBufferBytes = size_t{1} << 36;

[[noreturn]] void Refuse(infernode_kv_result why, const std::string& what) { throw GraphArgumentError(why, what); }

/// One launch has one geometry.
bool SameGeometry(const infernode_kv_section& a, const infernode_kv_section& b) {
  return a.page.dtype == b.page.dtype && a.page.tokens == b.page.tokens && a.page.heads == b.page.heads && a.page.dim == b.page.dim &&
         a.page.token_stride == b.page.token_stride && a.page.head_stride == b.page.head_stride && a.page_stride == b.page_stride && a.pages == b.pages &&
         a.pages_per_record == b.pages_per_record;
}

void CheckCounts(const GraphOptions& o) {
  if (o.counts.empty() || o.counts.size() > kMaxGraphCounts) Refuse(INFERNODE_KV_BAD_SHAPE, "counts: expected 1 to " + std::to_string(kMaxGraphCounts));
  uint32_t before = 0;
  for (const uint32_t count : o.counts) {
    if (count <= before || count > kMaxGraphRecords)
      Refuse(INFERNODE_KV_BAD_SHAPE, "counts: expected ascending numbers from 1 to " + std::to_string(kMaxGraphRecords) + ", got " + std::to_string(count));
    before = count;
  }
  if (o.capacity < before || o.capacity > kMaxGraphRecords)
    Refuse(INFERNODE_KV_BAD_SHAPE,
           "capacity: expected " + std::to_string(before) + " to " + std::to_string(kMaxGraphRecords) + ", got " + std::to_string(o.capacity));
}

std::vector<size_t> CheckSections(const GraphOptions& o) {
  if (o.sections.empty() || o.sections.size() > kMaxGraphSections)
    Refuse(INFERNODE_KV_BAD_SHAPE, "sections: expected 1 to " + std::to_string(kMaxGraphSections) + ", got " + std::to_string(o.sections.size()));
  std::vector<size_t> bytes(o.sections.size());
  for (size_t i = 0; i < o.sections.size(); ++i) {
    const std::string name = "sections[" + std::to_string(i) + "]: ";
    const infernode_kv_section& section = o.sections[i];
    const infernode_kv_result result = infernode_kv_section_record_bytes(&section, &bytes[i]);
    if (result != INFERNODE_KV_OK) Refuse(result, name + infernode_kv_message(result));
    if (!SameGeometry(section, o.sections[0])) Refuse(INFERNODE_KV_BAD_SHAPE, name + "expected the shape, strides and pages of sections[0]");
    if (section.page.dim > kKernelMaxDim) Refuse(INFERNODE_KV_BAD_SHAPE, name + "dim: the kernels take at most " + std::to_string(kKernelMaxDim));
  }
  return bytes;
}

}  // namespace

GraphRunner::GraphRunner(std::unique_ptr<DeviceSession> session, GraphOptions options)
    : session_(std::move(session)), context_(session_->context()), options_(std::move(options)) {
  CheckCounts(options_);
  section_record_bytes_ = CheckSections(options_);
  for (const size_t bytes : section_record_bytes_) record_bytes_ += bytes;
  if (record_bytes_ > kMaxBufferBytes / options_.capacity) Refuse(INFERNODE_KV_NO_MEMORY, "capacity: the buffers would pass 64 GiB");
  const bool fp16 = options_.sections[0].page.dtype == INFERNODE_KV_FP16;
  // Either kernel does every format; the one for rotation is faster where most sections rotate.
  const auto rotating = std::count_if(options_.sections.begin(), options_.sections.end(), [](const infernode_kv_section& s) { return s.format.rotate != 0; });
  const bool rotates = 2 * static_cast<size_t>(rotating) > options_.sections.size();
  kernel_ = session_->Kernel(options_.encode, fp16, rotates).function;
  if (options_.thread_blocks == 0) options_.thread_blocks = 2 * session_->Multiprocessors();
  const size_t bytes = LayoutOf(options_.capacity).end, slots = options_.counts.size() + 1;
  device_ = cuda::DeviceMemory(context_, bytes);
  pinned_ = cuda::PinnedMemory(context_, bytes);
  sections_ = cuda::DeviceMemory(context_, slots * SectionTableBytes());
  pinned_sections_ = cuda::PinnedMemory(context_, slots * SectionTableBytes());
  states_ = cuda::DeviceMemory(context_, sizeof(KernelRecordState) * options_.sections.size() * options_.capacity);
  stats_.device_bytes = device_.bytes() + sections_.bytes() + states_.bytes();
  stats_.pinned_bytes = pinned_.bytes() + pinned_sections_.bytes();
  const cuda::Current current(*context_);
  INFERNODE_CUDA(context_->driver(), cuMemsetD8Async, states_.get(), 0, states_.bytes(), session_->stream().get());
  Wait();
}

GraphRunner::Layout GraphRunner::LayoutOf(uint32_t count) const {
  const size_t table = Lines(sizeof(int32_t) * count * options_.sections[0].pages_per_record), outcomes = table + count * record_bytes_;
  return {table, outcomes, outcomes + sizeof(KernelOutcome) * options_.sections.size() * count};
}

size_t GraphRunner::SectionTableBytes() const { return sizeof(KernelSection) * options_.sections.size(); }

void GraphRunner::Bind(const std::vector<uint64_t>& caches) {
  if (caches.size() != options_.sections.size())
    Refuse(INFERNODE_KV_SHORT_BUFFER, "caches: expected " + std::to_string(options_.sections.size()) + ", got " + std::to_string(caches.size()));
  for (const uint64_t cache : caches)
    if (cache == 0 || cache % 2 != 0) Refuse(INFERNODE_KV_SHORT_BUFFER, "caches: expected even device addresses");
  if (caches == caches_) return;
  caches_ = caches;
  ++stats_.binds;
  for (size_t slot = 0; slot < options_.counts.size(); ++slot) WriteSections(slot, options_.counts[slot]);
  Wait();
}

/// The kernels' table of sections for runs of `count` records; slot `counts.size()` is that of eager runs.
void GraphRunner::WriteSections(size_t slot, uint32_t count) {
  auto* table = pinned_sections_.as<KernelSection>() + slot * options_.sections.size();
  uint64_t records = device_.get() + LayoutOf(count).records;
  for (size_t i = 0; i < options_.sections.size(); ++i) {
    const infernode_kv_format& f = options_.sections[i].format;
    table[i] = {caches_[i], records, section_record_bytes_[i], static_cast<uint32_t>(f.code), static_cast<uint32_t>(f.grouping), f.run, f.rotate, f.static_scale, 0};
    records += count * section_record_bytes_[i];
  }
  const cuda::Current current(*context_);
  INFERNODE_CUDA(context_->driver(), cuMemcpyHtoDAsync_v2, sections_.get() + slot * SectionTableBytes(), table, SectionTableBytes(), session_->stream().get());
}

/// The chain itself, into the stream or into the capture that the stream is in.
void GraphRunner::Issue(size_t slot, uint32_t count) {
  const Layout layout = LayoutOf(count);
  const infernode_kv_section& s = options_.sections[0];
  const KernelParams params{sections_.get() + slot * SectionTableBytes(), device_.get(), states_.get(), device_.get() + layout.outcomes,
                            static_cast<uint32_t>(options_.sections.size()), count, s.pages, s.pages_per_record, s.page.tokens, s.page.heads, s.page.dim, s.page.dtype == INFERNODE_KV_FP16,
                            s.page_stride, s.page.token_stride, s.page.head_stride};
  const cuda::Current current(*context_);
  const cuda::Driver& driver = context_->driver();
  const size_t up = options_.encode ? layout.records : layout.outcomes, down = options_.encode ? layout.records : layout.outcomes;
  void* values[] = {const_cast<KernelParams*>(&params)};
  INFERNODE_CUDA(driver, cuMemcpyHtoDAsync_v2, device_.get(), pinned_.get(), up, session_->stream().get());
  INFERNODE_CUDA(driver, cuLaunchKernel, kernel_, options_.thread_blocks, 1, 1, kKernelThreads, 1, 1, 0, session_->stream().get(), values, nullptr);
  INFERNODE_CUDA(driver, cuMemcpyDtoHAsync_v2, pinned_.as<uint8_t>() + down, device_.get() + down, layout.end - down, session_->stream().get());
}

void GraphRunner::Capture() {
  if (caches_.empty()) Refuse(INFERNODE_KV_SHORT_BUFFER, "caches: expected them to be bound before the capture");
  graphs_.clear();
  // Warm-up: a kernel that is loaded at its first launch would be loaded inside the capture, which is illegal.
  std::fill_n(pinned_.as<int32_t>(), size_t{options_.counts[0]} * options_.sections[0].pages_per_record, kNoPage);
  Issue(0, options_.counts[0]);
  Wait();
  const size_t free = context_->FreeBytes();
  for (size_t slot = 0; slot < options_.counts.size(); ++slot) {
    const cuda::Graph graph = cuda::Capture(context_, session_->stream(), [&] { Issue(slot, options_.counts[slot]); });
    graphs_.push_back({options_.counts[slot], cuda::Instantiate(context_, graph, session_->stream())});
    ++stats_.captures;
  }
  const size_t left = context_->FreeBytes();
  stats_.graph_bytes = left < free ? free - left : 0;
}

GraphRun GraphRunner::Run(const int32_t* table, uint32_t count, uint8_t* records, size_t bytes) {
  GraphRun run;
  if (count == 0) return run;
  if (count > options_.capacity)
    Refuse(INFERNODE_KV_SHORT_BUFFER, "table: expected at most " + std::to_string(options_.capacity) + " records, got " + std::to_string(count));
  if (bytes < RecordBytes(count))
    Refuse(INFERNODE_KV_SHORT_BUFFER, "records: expected " + std::to_string(RecordBytes(count)) + " bytes, got " + std::to_string(bytes));
  if (caches_.empty()) Refuse(INFERNODE_KV_SHORT_BUFFER, "caches: expected them to be bound before a run");
  CheckTable(table, count);
  const auto fitting = std::find_if(graphs_.begin(), graphs_.end(), [count](const Captured& g) { return g.count >= count; });
  const bool eager = fitting == graphs_.end();
  const uint32_t launched = eager ? count : fitting->count, per_record = options_.sections[0].pages_per_record;
  std::copy_n(table, size_t{count} * per_record, pinned_.as<int32_t>());
  std::fill_n(pinned_.as<int32_t>() + size_t{count} * per_record, size_t{launched - count} * per_record, kNoPage);
  if (!options_.encode) CopyRecords(count, launched, records);
  if (eager) {
    WriteSections(options_.counts.size(), count);
    Issue(options_.counts.size(), count);
  } else {
    const cuda::Current current(*context_);
    INFERNODE_CUDA(context_->driver(), cuGraphLaunch, fitting->exec.get(), session_->stream().get());
  }
  Wait();
  if (options_.encode) CopyRecords(count, launched, records);
  ++(eager ? stats_.eager_runs : stats_.replays);
  stats_.records += count;
  stats_.padded_records += launched - count;
  run.captured = eager ? 0 : launched;
  ReadOutcomes(count, launched, &run);
  return run;
}

/// What a kernel would find is found here, where it costs nothing; a page that is decoded into twice would be a race.
void GraphRunner::CheckTable(const int32_t* table, uint32_t count) const {
  const infernode_kv_section& s = options_.sections[0];
  const size_t entries = size_t{count} * s.pages_per_record;
  std::vector<bool> named(options_.encode ? 0 : s.pages);
  for (size_t i = 0; i < entries; ++i) {
    const bool inside = table[i] >= 0 && static_cast<uint32_t>(table[i]) < s.pages;
    if (!inside) Refuse(INFERNODE_KV_BAD_TABLE, "table[" + std::to_string(i) + "]: expected 0 to " + std::to_string(s.pages - 1) + ", got " + std::to_string(table[i]));
    if (options_.encode) continue;
    if (named[static_cast<size_t>(table[i])]) Refuse(INFERNODE_KV_BAD_TABLE, "table[" + std::to_string(i) + "]: page " + std::to_string(table[i]) + " is named twice");
    named[static_cast<size_t>(table[i])] = true;
  }
}

/// Between the caller's `count` records a section and the `launched` of the page-locked buffer.
void GraphRunner::CopyRecords(uint32_t count, uint32_t launched, uint8_t* records) {
  uint8_t* pinned = pinned_.as<uint8_t>() + LayoutOf(launched).records;
  for (const size_t bytes : section_record_bytes_) {
    if (options_.encode) std::memcpy(records, pinned, count * bytes);
    else std::memcpy(pinned, records, count * bytes);
    records += count * bytes;
    pinned += launched * bytes;
  }
}

void GraphRunner::ReadOutcomes(uint32_t count, uint32_t launched, GraphRun* run) const {
  const auto* outcomes = reinterpret_cast<const KernelOutcome*>(pinned_.as<uint8_t>() + LayoutOf(launched).outcomes);
  const size_t sections = options_.sections.size();
  run->bad_record = sections * count;
  for (size_t section = sections; section-- > 0;)
    for (uint32_t r = count; r-- > 0;) {
      const KernelOutcome& outcome = outcomes[section * launched + r];
      run->nonfinite += outcome.nonfinite;
      if (outcome.result == INFERNODE_KV_OK) continue;
      run->result = static_cast<infernode_kv_result>(outcome.result);
      run->bad_record = section * count + r;
    }
}

void GraphRunner::Wait() {
  const cuda::Current current(*context_);
  INFERNODE_CUDA(context_->driver(), cuStreamSynchronize, session_->stream().get());
}

}  // namespace infernode::kv
