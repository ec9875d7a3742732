#include "kvquant/cuda/section_set.h"

#include <algorithm>
#include <new>

#include "kvquant/cuda/kernel_arguments.h"
#include "kvquant/formats.h"

namespace infernode::kv {
namespace {

[[noreturn]] void Refuse(infernode_kv_result why, const std::string& what) { throw ArgumentError(why, what); }

/// One launch has one geometry.
bool SameGeometry(const infernode_kv_section& a, const infernode_kv_section& b) {
  return a.page.dtype == b.page.dtype && a.page.tokens == b.page.tokens && a.page.heads == b.page.heads && a.page.dim == b.page.dim &&
         a.page.token_stride == b.page.token_stride && a.page.head_stride == b.page.head_stride && a.page_stride == b.page_stride && a.pages == b.pages &&
         a.pages_per_record == b.pages_per_record;
}

size_t CheckedRecordBytes(const infernode_kv_section& section, const infernode_kv_section& first, const std::string& name) {
  size_t bytes = 0;
  const infernode_kv_result result = infernode_kv_section_record_bytes(&section, &bytes);
  if (result != INFERNODE_KV_OK) Refuse(result, name + infernode_kv_message(result));
  if (!SameGeometry(section, first)) Refuse(INFERNODE_KV_BAD_SHAPE, name + "expected the shape, strides and pages of sections[0]");
  if (section.page.dim > kKernelMaxDim) Refuse(INFERNODE_KV_BAD_SHAPE, name + "dim: the kernels take at most " + std::to_string(kKernelMaxDim));
  return bytes;
}

}  // namespace

SectionSet::SectionSet(std::vector<infernode_kv_section> sections, uint32_t capacity) : sections_(std::move(sections)), capacity_(capacity) {
  if (sections_.empty() || size() > kMaxSections)
    Refuse(INFERNODE_KV_BAD_SHAPE, "sections: expected 1 to " + std::to_string(kMaxSections) + ", got " + std::to_string(size()));
  if (capacity_ < 1 || capacity_ > kMaxRecords)
    Refuse(INFERNODE_KV_BAD_SHAPE, "capacity: expected 1 to " + std::to_string(kMaxRecords) + ", got " + std::to_string(capacity_));
  for (size_t i = 0; i < size(); ++i) record_bytes_.push_back(CheckedRecordBytes(sections_[i], first(), "sections[" + std::to_string(i) + "]: "));
  for (const size_t bytes : record_bytes_) all_record_bytes_ += bytes;
  // Kernels count heads of records in 32 bits.
  if (uint64_t{size()} * capacity_ > (uint64_t{1} << 31) / first().page.heads)
    Refuse(INFERNODE_KV_BAD_SHAPE, "capacity: expected at most 2^31 heads of records in all sections");
}

bool SectionSet::rotates() const {
  const auto rotating = std::count_if(sections_.begin(), sections_.end(), [](const infernode_kv_section& s) { return s.format.rotate != 0; });
  return 2 * static_cast<size_t>(rotating) > size();
}

void SectionSet::CheckCaches(const cuda::Context& context, const std::vector<uint64_t>& caches) const {
  if (caches.size() != size()) Refuse(INFERNODE_KV_SHORT_BUFFER, "caches: expected " + std::to_string(size()) + ", got " + std::to_string(caches.size()));
  // A single page may have any stride; nobody steps by it.
  const unsigned __int128 elements = static_cast<unsigned __int128>(first().pages - 1) * static_cast<uint64_t>(std::max<int64_t>(first().page_stride, 0)) +
                                     static_cast<uint64_t>(ExtentOf(first().page));
  if (elements > SIZE_MAX / 4) Refuse(INFERNODE_KV_BAD_STRIDE, "sections[0]: the cache would not fit into memory");
  const cuda::Current current(context);
  for (size_t i = 0; i < size(); ++i) {
    const std::string name = "caches[" + std::to_string(i) + "]";
    if (caches[i] % 2 != 0) Refuse(INFERNODE_KV_BAD_POINTER, name + ": expected an even address");
    CheckMemory(context, caches[i], 2 * static_cast<size_t>(elements), cuda::kMemoryDevice, name);
  }
}

void SectionSet::CheckTable(const int32_t* table, uint32_t records, bool decode) const {
  const size_t entries = Entries(records);
  for (size_t i = 0; i < entries; ++i)
    if (table[i] < 0 || static_cast<uint32_t>(table[i]) >= first().pages)
      Refuse(INFERNODE_KV_BAD_TABLE, "table[" + std::to_string(i) + "]: expected 0 to " + std::to_string(first().pages - 1) + ", got " + std::to_string(table[i]));
  if (!decode) return;
  size_t again = 0;
  const infernode_kv_result once = CheckNamedOnce(table, entries, first().pages, &again);
  if (once == INFERNODE_KV_NO_MEMORY) throw std::bad_alloc();
  if (once != INFERNODE_KV_OK) Refuse(once, "table[" + std::to_string(again) + "]: page " + std::to_string(table[again]) + " is named twice");
}

void SectionSet::Fill(KernelSection* to, const std::vector<uint64_t>& caches, uint64_t records, uint32_t count) const {
  for (size_t i = 0; i < size(); ++i) {
    to[i] = KernelSectionOf(sections_[i].format, caches[i], records, record_bytes_[i]);
    records += count * record_bytes_[i];
  }
}

KernelParams SectionSet::Params(uint64_t sections, uint64_t table, uint64_t states, uint64_t outcomes, uint32_t count) const {
  KernelParams params = KernelParamsOf(first(), static_cast<uint32_t>(size()), count);
  params.sections = sections, params.table = table, params.states = states, params.outcomes = outcomes;
  return params;
}

LaunchOutcome SectionSet::Summarize(const KernelOutcome* outcomes, uint32_t launched, uint32_t count) const {
  LaunchOutcome all;
  all.bad_record = size() * count;
  for (size_t section = size(); section-- > 0;)
    for (uint32_t r = count; r-- > 0;) {
      const KernelOutcome& outcome = outcomes[section * launched + r];
      all.nonfinite += outcome.nonfinite;
      if (outcome.result == INFERNODE_KV_OK) continue;
      all.result = static_cast<infernode_kv_result>(outcome.result);
      all.bad_record = section * count + r;
    }
  return all;
}

void CheckMemory(const cuda::Context& context, uint64_t address, size_t bytes, unsigned kind, const std::string& name) {
  const char* expected = kind == cuda::kMemoryHost ? "page-locked memory of the host" : "memory of the device";
  for (const uint64_t at : {address, address + bytes - 1}) {
    unsigned found = 0;
    const cuda::Result result = context.cu().cuPointerGetAttribute(&found, cuda::kPointerMemoryType, at);
    if (result != cuda::kInvalidValue) cuda::Check("cuPointerGetAttribute", result);
    if (result != cuda::kSuccess || found != kind) Refuse(INFERNODE_KV_BAD_POINTER, name + ": expected " + std::to_string(bytes) + " bytes of " + expected);
  }
}

}  // namespace infernode::kv
