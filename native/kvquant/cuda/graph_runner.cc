#include "kvquant/cuda/graph_runner.h"

#include <algorithm>
#include <cstring>

namespace infernode::kv {
namespace {

/// Most bytes of one of the runner's buffers: far over what a run moves, far under what would overflow.
constexpr size_t kMaxBufferBytes = size_t{1} << 36;

[[noreturn]] void Refuse(infernode_kv_result why, const std::string& what) { throw ArgumentError(why, what); }

void CheckCounts(const GraphOptions& o) {
  if (o.counts.empty() || o.counts.size() > kMaxGraphCounts) Refuse(INFERNODE_KV_BAD_SHAPE, "counts: expected 1 to " + std::to_string(kMaxGraphCounts));
  uint32_t before = 0;
  for (const uint32_t count : o.counts) {
    if (count <= before || count > kMaxRecords)
      Refuse(INFERNODE_KV_BAD_SHAPE, "counts: expected ascending numbers from 1 to " + std::to_string(kMaxRecords) + ", got " + std::to_string(count));
    before = count;
  }
  if (o.capacity < before || o.capacity > kMaxRecords)
    Refuse(INFERNODE_KV_BAD_SHAPE, "capacity: expected " + std::to_string(before) + " to " + std::to_string(kMaxRecords) + ", got " + std::to_string(o.capacity));
}

const GraphOptions& Checked(const GraphOptions& options) {
  CheckCounts(options);
  if (options.thread_blocks > kMaxThreadBlocks) Refuse(INFERNODE_KV_BAD_SHAPE, "thread_blocks: expected at most " + std::to_string(kMaxThreadBlocks));
  return options;
}

}  // namespace

GraphRunner::GraphRunner(std::shared_ptr<DeviceSession> session, GraphOptions options)
    : session_(std::move(session)), context_(session_->context()), options_(std::move(options)), sections_(Checked(options_).sections, options_.capacity) {
  if (sections_.RecordBytes() + sections_.TableBytes(1) > kMaxBufferBytes / options_.capacity) Refuse(INFERNODE_KV_NO_MEMORY, "capacity: the buffers would pass 64 GiB");
  // Loaded now: inside a capture it would be illegal.
  session_->Kernel(options_.encode, sections_.fp16(), sections_.rotates());
  const size_t bytes = LayoutOf(options_.capacity).end, slots = options_.counts.size() + 1;
  device_ = cuda::DeviceMemory(context_, bytes);
  pinned_ = cuda::PinnedMemory(context_, bytes);
  device_sections_ = cuda::DeviceMemory(context_, slots * sections_.SectionBytes());
  pinned_sections_ = cuda::PinnedMemory(context_, slots * sections_.SectionBytes());
  states_ = cuda::DeviceMemory(context_, sections_.StateBytes());
  stats_.device_bytes = device_.bytes() + device_sections_.bytes() + states_.bytes();
  stats_.pinned_bytes = pinned_.bytes() + pinned_sections_.bytes();
  session_->Fill(states_, 0);
  session_->Wait();
  gate_ = std::make_unique<RunGate>(context_);
}

GraphRunner::Layout GraphRunner::LayoutOf(uint32_t count) const {
  const size_t table = sections_.TableBytes(count), outcomes = table + count * sections_.RecordBytes();
  return {table, outcomes, outcomes + sections_.OutcomeBytes(count)};
}

void GraphRunner::Bind(const std::vector<uint64_t>& caches) {
  gate_->Between([&] {
    sections_.CheckCaches(*context_, caches);
    if (caches == caches_) return;
    caches_ = caches;
    ++stats_.binds;
    for (size_t slot = 0; slot < options_.counts.size(); ++slot) WriteSections(slot, options_.counts[slot], session_->stream().get());
    session_->Wait();
  });
}

/// The kernels' table of sections for runs of `count` records; slot `counts.size()` is that of eager runs.
void GraphRunner::WriteSections(size_t slot, uint32_t count, cuda::CUstream stream) {
  const size_t at = slot * sections_.SectionBytes();
  uint8_t* table = pinned_sections_.as<uint8_t>() + at;
  sections_.Fill(reinterpret_cast<KernelSection*>(table), caches_, device_.get() + LayoutOf(count).records, count);
  const cuda::Current current(*context_);
  INFERNODE_CUDA(context_->driver(), cuMemcpyHtoDAsync_v2, device_sections_.get() + at, table, sections_.SectionBytes(), stream);
}

/// The chain itself, into the stream or into the capture that the stream is in.
void GraphRunner::Issue(size_t slot, uint32_t count, cuda::CUstream stream) {
  const Layout layout = LayoutOf(count);
  const KernelParams params =
      sections_.Params(device_sections_.get() + slot * sections_.SectionBytes(), device_.get(), states_.get(), device_.get() + layout.outcomes, count);
  const cuda::Current current(*context_);
  const cuda::Driver& driver = context_->driver();
  const size_t up = options_.encode ? layout.records : layout.outcomes, down = up;
  INFERNODE_CUDA(driver, cuMemcpyHtoDAsync_v2, device_.get(), pinned_.get(), up, stream);
  session_->Launch(options_.encode, sections_.fp16(), sections_.rotates(), params, options_.thread_blocks, stream);
  INFERNODE_CUDA(driver, cuMemcpyDtoHAsync_v2, pinned_.as<uint8_t>() + down, device_.get() + down, layout.end - down, stream);
}

void GraphRunner::Capture() {
  gate_->Between([&] {
    if (caches_.empty()) Refuse(INFERNODE_KV_SHORT_BUFFER, "caches: expected them to be bound before the capture");
    const cuda::Stream& stream = session_->stream();
    graphs_.clear();
    // Warm-up: a kernel that is loaded at its first launch would be loaded inside the capture, which is illegal.
    std::fill_n(pinned_.as<int32_t>(), sections_.Entries(options_.counts[0]), kNoPage);
    Issue(0, options_.counts[0], stream.get());
    session_->Wait();
    const size_t free = context_->FreeBytes();
    for (size_t slot = 0; slot < options_.counts.size(); ++slot) {
      const cuda::Graph graph = cuda::Capture(context_, stream, [&] { Issue(slot, options_.counts[slot], stream.get()); });
      graphs_.push_back({options_.counts[slot], cuda::Instantiate(context_, graph, stream)});
      ++stats_.captures;
    }
    const size_t left = context_->FreeBytes();
    stats_.graph_bytes = left < free ? free - left : 0;
  });
}

const GraphRunner::Captured* GraphRunner::Fitting(uint32_t count) const {
  const auto fitting = std::find_if(graphs_.begin(), graphs_.end(), [count](const Captured& g) { return g.count >= count; });
  return fitting == graphs_.end() ? nullptr : &*fitting;
}

uint32_t GraphRunner::Launched(uint32_t count) const {
  const Captured* fitting = Fitting(count);
  return fitting ? fitting->count : count;
}

uint8_t* GraphRunner::RecordsInPlace(size_t section, uint32_t count) {
  if (section >= sections_.size()) Refuse(INFERNODE_KV_SHORT_BUFFER, "section: expected one below " + std::to_string(sections_.size()) + ", got " + std::to_string(section));
  if (count < 1 || count > options_.capacity) Refuse(INFERNODE_KV_SHORT_BUFFER, "count: expected 1 to " + std::to_string(options_.capacity) + ", got " + std::to_string(count));
  const uint32_t launched = Launched(count);
  uint8_t* place = pinned_.as<uint8_t>() + LayoutOf(launched).records;
  for (size_t i = 0; i < section; ++i) place += launched * sections_.RecordBytes(i);
  return place;
}

GraphRun GraphRunner::Run(const int32_t* table, uint32_t count, uint8_t* records, size_t bytes) {
  if (count == 0) return {};
  if (count <= options_.capacity && bytes < RecordBytes(count))
    Refuse(INFERNODE_KV_SHORT_BUFFER, "records: expected " + std::to_string(RecordBytes(count)) + " bytes, got " + std::to_string(bytes));
  Start(session_->stream().get(), table, count, records);
  {
    // What the stream answers, the outcome answers too, and ends the run.
    const cuda::Current current(*context_);
    context_->cu().cuStreamSynchronize(session_->stream().get());
  }
  return Outcome(records);
}

/// `records` null: they are, or stay, in place.
void GraphRunner::Start(cuda::CUstream stream, const int32_t* table, uint32_t count, uint8_t* records) {
  if (count < 1 || count > options_.capacity)
    Refuse(INFERNODE_KV_SHORT_BUFFER, "table: expected 1 to " + std::to_string(options_.capacity) + " records, got " + std::to_string(count));
  if (caches_.empty()) Refuse(INFERNODE_KV_SHORT_BUFFER, "caches: expected them to be bound before a run");
  sections_.CheckTable(table, count, !options_.encode);
  gate_->Begin(stream, [&] {
    const Captured* fitting = Fitting(count);
    const size_t entries = sections_.Entries(count), padded = sections_.Entries(Launched(count));
    std::copy_n(table, entries, pinned_.as<int32_t>());
    std::fill_n(pinned_.as<int32_t>() + entries, padded - entries, kNoPage);
    if (!options_.encode && records) CopyRecords(count, records);
    if (fitting) {
      INFERNODE_CUDA(context_->driver(), cuGraphLaunch, fitting->exec.get(), stream);
    } else {
      WriteSections(options_.counts.size(), count, stream);
      Issue(options_.counts.size(), count, stream);
    }
    count_ = count;
  });
}

GraphRun GraphRunner::Outcome(uint8_t* records) {
  GraphRun run;
  gate_->End([&] {
    const Captured* replayed = Fitting(count_);
    const uint32_t launched = Launched(count_);
    const auto* outcomes = reinterpret_cast<const KernelOutcome*>(pinned_.as<uint8_t>() + LayoutOf(launched).outcomes);
    static_cast<LaunchOutcome&>(run) = sections_.Summarize(outcomes, launched, count_);
    if (options_.encode && records) CopyRecords(count_, records);
    run.captured = replayed ? launched : 0;
    ++(replayed ? stats_.replays : stats_.eager_runs);
    stats_.records += count_;
    stats_.padded_records += launched - count_;
  });
  return run;
}

/// Between the caller's records, section by section without gaps, and their places in the page-locked buffer.
void GraphRunner::CopyRecords(uint32_t count, uint8_t* records) {
  for (size_t i = 0; i < sections_.size(); ++i) {
    const size_t bytes = count * sections_.RecordBytes(i);
    uint8_t* place = RecordsInPlace(i, count);
    if (options_.encode) std::memcpy(records, place, bytes);
    else std::memcpy(place, records, bytes);
    records += bytes;
  }
}

}  // namespace infernode::kv
