// Many records of a paged cache at once: the block table is followed here, the records are shared among threads, and while
// one head is encoded the next one, often of another record, is fetched.
//
// Streams: the codes of a head are made in the first-level cache, summed there, and written to the record in whole lines
// past the caches, so that memory sees each byte once. For little output that would only evict it from where it is wanted.
#include <atomic>
#include <cstring>
#include <memory>
#include <new>

#include "kvquant/checksum.h"
#include "kvquant/codec.h"
#include "kvquant/formats.h"
#include "kvquant/handle_table.h"
#include "kvquant/infernode_kv.h"
#include "kvquant/pool.h"
#include "kvquant/records.h"
#include "kvquant/simd.h"

namespace {

using namespace infernode::kv;

/// From here on output is streamed. Half of a 32 MiB last-level cache; measured, kv_bench shows both sides.
constexpr size_t kStreamBytes = size_t{16} << 20;
/// Bytes of the cache that are asked for ahead of the kernels (into the second-level cache).
constexpr size_t kFetchAhead = size_t{16} << 10;
/// Records that a thread takes at a time: enough for the fetching to look ahead, few enough to share 64 of them fairly.
constexpr size_t kChunk = 4;

/// One call, seen by all of its threads.
struct Job {
  const infernode_kv_section& section;
  infernode_kv_shape shape;  // of a record
  RecordLayout layout;
  bool simd, stream;
  const int32_t* table;
  size_t records;
  const uint16_t* cache_in;
  uint16_t* cache_out;
  const uint8_t* records_in;
  uint8_t* records_out;
  float* errors;
  std::atomic<uint64_t> nonfinite{0};
  std::atomic<size_t> bad_record;
  std::atomic<int> result{INFERNODE_KV_OK};

  void Fail(size_t record, infernode_kv_result why) {
    size_t first = bad_record.load();
    while (record < first && !bad_record.compare_exchange_weak(first, record)) {
    }
    int none = INFERNODE_KV_OK;
    result.compare_exchange_strong(none, why);
  }
};

infernode_kv_result CheckCall(infernode_kv_path path, const infernode_kv_section* section, const void* cache, size_t cache_elements, const int32_t* table,
                              size_t records, const void* bytes, size_t byte_count, infernode_kv_shape* record, RecordLayout* layout) {
  const infernode_kv_result result = CheckPaged(section, cache, cache_elements, table, records, bytes, byte_count, record);
  if (result != INFERNODE_KV_OK) return result;
  if (path != INFERNODE_KV_SCALAR && path != INFERNODE_KV_SIMD) return INFERNODE_KV_NO_PATH;
  *layout = LayOut(section->format, *record);
  return INFERNODE_KV_OK;
}

/// Where the pages of a record lie in the cache.
template <class T>
void FindPages(const Job& job, T* cache, size_t record, T** pages) {
  const uint32_t count = job.section.pages_per_record;
  for (uint32_t i = 0; i < count; ++i) pages[i] = cache + int64_t{job.table[record * count + i]} * job.section.page_stride;
}

template <class T>
HeadRows<T> RowsOf(const Job& job, T* const* pages, uint32_t head) {
  return {pages, job.section.page.tokens, job.section.page.token_stride, head * job.section.page.head_stride};
}

void ZeroTail(uint8_t* from, size_t used) { std::memset(from + used, 0, (64 - used % 64) % 64); }

/// How many heads ahead of the one that is encoded memory is asked for: about 16 KiB, a little more than memory's latency
/// times its bandwidth; less than one record.
uint32_t HeadsAhead(const infernode_kv_shape& s) {
  const size_t head_bytes = size_t{2} * s.tokens * s.dim, heads = kFetchAhead / head_bytes;
  return static_cast<uint32_t>(heads < 1 ? 1 : heads > s.heads ? s.heads : heads);
}

/// Is a page one run of memory, whichever of heads and tokens comes first?
bool IsDense(const infernode_kv_shape& p) {
  const int64_t tokens = p.tokens, heads = p.heads, dim = p.dim;
  return (p.token_stride == heads * dim && p.head_stride == dim) || (p.head_stride == tokens * dim && p.token_stride == dim);
}

/// Encodes record `r`, whose pages have been found; `next_pages` are those of the record to follow, or null.
void EncodeRecord(Job& job, size_t r, Scratch& scratch, const uint16_t* const* next_pages) {
  const infernode_kv_format& f = job.section.format;
  const infernode_kv_shape& s = job.shape;
  const SimdKernels& kernels = SimdKernelsOfThisCpu();
  const RecordLayout& l = job.layout;
  uint8_t *record = job.records_out + r * l.bytes, *codes = record + INFERNODE_KV_RECORD_HEAD;
  const bool stream = job.stream && l.codes_per_head % 64 == 0;
  const uint32_t ahead = HeadsAhead(s);
  // Where groups lie in rows, dense pages of the next record are asked for in the order of their addresses: rows of one head lie
  // apart, and what fetches ahead in the processor does not follow them. (raw on AVX-512: 0.79 and 1.02 of memcpy.)
  const bool in_order = next_pages && f.grouping != INFERNODE_KV_CHAN && IsDense(job.section.page);
  uint64_t nonfinite = 0, sum = 0;
  for (uint32_t head = 0; head < s.heads; ++head) {
    const HeadInput in = RowsOf(job, scratch.pages, head);
    const bool here = !in_order && head + ahead < s.heads;
    const uint32_t tokens = job.section.page.tokens;
    const HeadInput next = in_order ? HeadInput{next_pages, tokens, s.dim, int64_t{head} * tokens * s.dim}
                                    : RowsOf<const uint16_t>(job, here ? scratch.pages : next_pages, here ? head + ahead : head + ahead - s.heads);
    uint8_t *place = codes + head * l.codes_per_head, *made = stream ? scratch.codes : place;
    uint32_t* headers = scratch.headers + head * l.groups_per_head;
    EncodeRecordHead(job.simd, f, s, in, here || next_pages ? &next : nullptr, scratch, made, headers, &nonfinite);
    if (stream) sum += kernels.emit(place, made, l.codes_per_head, head * l.codes_per_head / 8);
    if (job.errors) job.errors[r * s.heads + head] = HeadError(job.simd, f, s, in, made, headers, scratch);
  }
  const size_t code_lines = l.header_offset - INFERNODE_KV_RECORD_HEAD, header_bytes = 4 * s.heads * l.groups_per_head;
  if (!stream) {
    ZeroTail(codes, s.heads * l.codes_per_head);
    sum = kernels.sum(codes, code_lines, 0);
  }
  std::memcpy(record + l.header_offset, scratch.headers, header_bytes);
  ZeroTail(record + l.header_offset, header_bytes);
  sum += kernels.sum(record + l.header_offset, l.bytes - l.header_offset, code_lines / 8);
  const size_t payload = l.bytes - INFERNODE_KV_RECORD_HEAD;
  WriteRecordHead(record, f, s, nonfinite, payload, FinishChecksum(sum, payload / 8));
  if (nonfinite) job.nonfinite += nonfinite;
}

void EncodeSome(void* context, size_t first, size_t end) {
  Job& job = *static_cast<Job*>(context);
  Scratch* scratch = Scratch::For(job.section.format, job.shape, job.section.pages_per_record);
  if (!scratch) return job.Fail(first, INFERNODE_KV_NO_MEMORY);
  FindPages(job, job.cache_in, first, scratch->pages);
  for (size_t r = first; r < end; ++r) {
    const bool more = r + 1 < job.records;
    if (more) FindPages(job, job.cache_in, r + 1, scratch->next_pages);
    EncodeRecord(job, r, *scratch, more ? scratch->next_pages : nullptr);
    std::swap(scratch->pages, scratch->next_pages);
  }
  if (job.stream) SimdKernelsOfThisCpu().fence();
  scratch->Trim();
}

bool SameSection(const infernode_kv_record& info, const Job& job) {
  const infernode_kv_format &a = info.format, &b = job.section.format;
  const infernode_kv_shape &s = info.shape, &t = job.shape;
  return a.code == b.code && a.grouping == b.grouping && a.run == b.run && a.rotate == b.rotate && a.static_scale == b.static_scale &&
         s.dtype == t.dtype && s.tokens == t.tokens && s.heads == t.heads && s.dim == t.dim;
}

/// Headers where 32-bit words can be read: in the record, or copied from one that lies anywhere.
const uint32_t* HeadersOf(const uint8_t* at, size_t bytes, Scratch& scratch) {
  if (reinterpret_cast<uintptr_t>(at) % alignof(uint32_t) == 0) return reinterpret_cast<const uint32_t*>(at);
  std::memcpy(scratch.headers, at, bytes);
  return scratch.headers;
}

infernode_kv_result DecodeRecord(Job& job, size_t r, Scratch& scratch) {
  const RecordLayout& l = job.layout;
  const SimdKernels& kernels = SimdKernelsOfThisCpu();
  const uint8_t *record = job.records_in + r * l.bytes, *codes = record + INFERNODE_KV_RECORD_HEAD;
  infernode_kv_record info;
  const infernode_kv_result head_result = ParseRecordHead(record, l.bytes, &info);
  if (head_result != INFERNODE_KV_OK) return head_result == INFERNODE_KV_SHORT_BUFFER ? INFERNODE_KV_BAD_RECORD : head_result;
  if (!SameSection(info, job)) return INFERNODE_KV_BAD_RECORD;
  const size_t code_lines = l.header_offset - INFERNODE_KV_RECORD_HEAD;
  const bool by_head = l.codes_per_head % 64 == 0;
  uint64_t sum = kernels.sum(record + l.header_offset, l.bytes - l.header_offset, code_lines / 8);
  if (!by_head) sum += kernels.sum(codes, code_lines, 0);
  const uint32_t* headers = HeadersOf(record + l.header_offset, 4 * job.shape.heads * l.groups_per_head, scratch);
  auto** pages = const_cast<uint16_t**>(scratch.pages);
  FindPages(job, job.cache_out, r, pages);
  for (uint32_t head = 0; head < job.shape.heads; ++head) {
    const uint8_t* place = codes + head * l.codes_per_head;
    // Summing brings the codes to the first-level cache, where decoding finds them.
    if (by_head) sum += kernels.sum(place, l.codes_per_head, head * l.codes_per_head / 8);
    DecodeRecordHead(job.simd, job.section.format, job.shape, place, headers + head * l.groups_per_head, scratch, RowsOf(job, pages, head), job.stream);
  }
  if (info.nonfinite) job.nonfinite += info.nonfinite;
  return FinishChecksum(sum, info.payload_bytes / 8) == info.checksum ? INFERNODE_KV_OK : INFERNODE_KV_BAD_CHECKSUM;
}

void DecodeSome(void* context, size_t first, size_t end) {
  Job& job = *static_cast<Job*>(context);
  Scratch* scratch = Scratch::For(job.section.format, job.shape, job.section.pages_per_record);
  if (!scratch) return job.Fail(first, INFERNODE_KV_NO_MEMORY);
  for (size_t r = first; r < end; ++r) {
    const infernode_kv_result result = DecodeRecord(job, r, *scratch);
    if (result != INFERNODE_KV_OK) job.Fail(r, result);
  }
  if (job.stream) SimdKernelsOfThisCpu().fence();
  scratch->Trim();
}

/// `pool` NULL: the calling thread does it.
infernode_kv_result Finish(infernode_kv_pool* pool, infernode_kv_pool::Work work, Job& job, infernode_kv_outcome* outcome) {
  const std::shared_ptr<infernode_kv_pool> threads = pool ? FindHandle(pool) : nullptr;
  if (pool && !threads) return INFERNODE_KV_CLOSED;
  if (threads) threads->Run(work, &job, job.records, kChunk);
  else if (job.records > 0) work(&job, 0, job.records);
  if (outcome) *outcome = {job.nonfinite.load(), job.bad_record.load()};
  return static_cast<infernode_kv_result>(job.result.load());
}

/// Whole lines can be written to every row of the cache.
bool RowsAligned(const infernode_kv_section& section, const uint16_t* cache) {
  const auto aligned = [](uint64_t elements) { return elements % 32 == 0; };
  return reinterpret_cast<uintptr_t>(cache) % 64 == 0 && aligned(static_cast<uint64_t>(section.page_stride)) && aligned(section.page.dim) &&
         aligned(static_cast<uint64_t>(section.page.token_stride)) && aligned(static_cast<uint64_t>(section.page.head_stride));
}

}  // namespace

infernode_kv_result infernode::kv::CheckPaged(const infernode_kv_section* section, const void* cache, size_t cache_elements, const int32_t* table,
                                              size_t records, const void* bytes, size_t byte_count, infernode_kv_shape* record) {
  const infernode_kv_result result = CheckSection(section, record);
  if (result != INFERNODE_KV_OK || records == 0) return result;
  const unsigned __int128 needed = static_cast<unsigned __int128>(section->pages - 1) * static_cast<uint64_t>(section->page_stride > 0 ? section->page_stride : 0) +
                                   static_cast<uint64_t>(ExtentOf(section->page));
  if (!cache || !table || !bytes || needed > cache_elements || records > byte_count / LayOut(section->format, *record).bytes) return INFERNODE_KV_SHORT_BUFFER;
  for (size_t i = 0; i < records * section->pages_per_record; ++i)
    if (table[i] < 0 || static_cast<uint32_t>(table[i]) >= section->pages) return INFERNODE_KV_BAD_TABLE;
  return INFERNODE_KV_OK;
}

infernode_kv_result infernode::kv::CheckNamedOnce(const int32_t* table, size_t entries, uint32_t pages, size_t* again) {
  const std::unique_ptr<uint64_t[]> named(new (std::nothrow) uint64_t[pages / 64 + 1]());
  if (!named) return INFERNODE_KV_NO_MEMORY;
  for (size_t i = 0; i < entries; ++i) {
    uint64_t& word = named[static_cast<uint32_t>(table[i]) / 64];
    const uint64_t bit = uint64_t{1} << (table[i] % 64);
    if (word & bit) {
      if (again) *again = i;
      return INFERNODE_KV_BAD_TABLE;
    }
    word |= bit;
  }
  return INFERNODE_KV_OK;
}

infernode_kv_result infernode_kv_section_record_bytes(const infernode_kv_section* section, size_t* bytes) {
  infernode_kv_shape shape;
  const infernode_kv_result result = CheckSection(section, &shape);
  if (result == INFERNODE_KV_OK && bytes) *bytes = LayOut(section->format, shape).bytes;
  return result;
}

infernode_kv_result infernode_kv_encode_paged(infernode_kv_pool* pool, infernode_kv_path path, const infernode_kv_section* section,
                                              const uint16_t* cache, size_t cache_elements, const int32_t* table, size_t records, uint8_t* out,
                                              size_t out_bytes, float* errors, infernode_kv_outcome* outcome) {
  infernode_kv_shape shape;
  RecordLayout layout;
  const infernode_kv_result result = CheckCall(path, section, cache, cache_elements, table, records, out, out_bytes, &shape, &layout);
  if (result != INFERNODE_KV_OK) return result;
  const bool simd = path == INFERNODE_KV_SIMD && SimdCovers(section->format, shape);
  const bool stream = records * layout.bytes > kStreamBytes && reinterpret_cast<uintptr_t>(out) % 64 == 0;
  Job job{*section, shape, layout, simd, stream, table, records, cache, nullptr, nullptr, out, errors, {0}, {records}, {INFERNODE_KV_OK}};
  return Finish(pool, EncodeSome, job, outcome);
}

infernode_kv_result infernode_kv_decode_paged(infernode_kv_pool* pool, infernode_kv_path path, const infernode_kv_section* section,
                                              const uint8_t* in, size_t in_bytes, const int32_t* table, size_t records, uint16_t* cache,
                                              size_t cache_elements, infernode_kv_outcome* outcome) {
  infernode_kv_shape shape;
  RecordLayout layout;
  infernode_kv_result result = CheckCall(path, section, cache, cache_elements, table, records, in, in_bytes, &shape, &layout);
  if (result == INFERNODE_KV_OK && records > 0) result = CheckNamedOnce(table, records * section->pages_per_record, section->pages, nullptr);
  if (result != INFERNODE_KV_OK) return result;
  const bool simd = path == INFERNODE_KV_SIMD && SimdCovers(section->format, shape);
  const size_t out_bytes = records * 2 * shape.tokens * shape.heads * shape.dim;
  const bool stream = out_bytes > kStreamBytes && RowsAligned(*section, cache);
  Job job{*section, shape, layout, simd, stream, table, records, nullptr, cache, in, nullptr, nullptr, {0}, {records}, {INFERNODE_KV_OK}};
  return Finish(pool, DecodeSome, job, outcome);
}
