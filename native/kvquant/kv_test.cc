// The C library without Node, made for a build with sanitizers: every format on every path over exact-size heap buffers,
// paged caches in both layouts against single blocks, threads, refusals, and a fuzz of the record reader. Seeded; prints
// what failed with its seed, and returns 1. `infernode-kv-test [seed] [rounds]`.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kvquant/checksum.h"
#include "kvquant/infernode_kv.h"
#include "kvquant/infernode_kv_graph.h"

extern "C" int infernode_kv_test_from_c(void);

namespace {

int failures = 0;
uint64_t state;

void Expect(bool truth, const std::string& what) {
  if (truth || ++failures > 20) return;
  std::printf("FAILED: %s\n", what.c_str());
}

uint32_t Next() {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return static_cast<uint32_t>(state >> 16);
}
uint32_t Below(uint32_t n) { return Next() % n; }

const char* const kCodes[] = {"int8", "int4s", "int4a", "e4m3", "e5m2"};
const char* const kGroupings[] = {"head", "tok", "g32", "g64", "chan", "g24", "tok_r"};

/// Bytes on the heap, aligned to 64 and exactly as many as asked: a step past the end is found by ASan.
struct Bytes {
  explicit Bytes(size_t n) : size(n), data(static_cast<uint8_t*>(std::aligned_alloc(64, (n + 63) / 64 * 64 + (n == 0 ? 64 : 0)))) { std::memset(data, 0xAB, n); }
  ~Bytes() { std::free(data); }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  size_t size;
  uint8_t* data;
};

/// Mostly ordinary values; `hostility` of them anything at all, sometimes with rows of zeros. Often over so many binades, and so large or small, that
/// fp8 codes are subnormal and scales near their bounds.
std::vector<uint16_t> Values(size_t n, bool fp16, uint32_t hostility) {
  std::vector<uint16_t> values(n);
  const bool wide = Below(2) != 0;
  const uint32_t spread = wide ? 0x200 << Below(4) : fp16 ? 0x1000 : 0x200;
  const uint32_t least = wide ? Below((fp16 ? 0x7C00 : 0x7B80) - spread) : fp16 ? 0x3400 : 0x3E80;
  for (uint16_t& v : values) v = static_cast<uint16_t>(least + Below(spread)) | static_cast<uint16_t>(Next() & 0x8000);
  for (uint32_t i = 0; i < hostility; ++i) values[Below(static_cast<uint32_t>(n))] = static_cast<uint16_t>(Next());
  if (hostility > 3) std::fill(values.begin(), values.begin() + static_cast<long>(n / 4), 0);
  return values;
}

struct Case {
  infernode_kv_format format;
  infernode_kv_shape shape;
  std::string name;
};

Case RandomCase(bool paged) {
  Case c{};
  static const uint32_t dims[] = {32, 64, 96, 128, 256, 5, 48};
  const std::string format = Below(12) == 0 ? "raw" : std::string(kCodes[Below(5)]) + "_" + kGroupings[Below(7)];
  infernode_kv_parse_format(format.c_str(), &c.format);
  const uint32_t dim = c.format.rotate ? 64 : dims[Below(7)];
  c.shape = {Below(2) ? INFERNODE_KV_FP16 : INFERNODE_KV_BF16, 1 + Below(paged ? 8 : 19), 1 + Below(3), dim, 0, 0};
  const bool nhd = Below(2) != 0;
  c.shape.token_stride = nhd ? int64_t{c.shape.heads} * dim : dim;
  c.shape.head_stride = nhd ? dim : int64_t{c.shape.tokens} * dim;
  c.name = format + " " + std::to_string(c.shape.tokens) + "x" + std::to_string(c.shape.heads) + "x" + std::to_string(dim) + (c.shape.dtype ? " fp16" : " bf16") + (nhd ? " nhd" : " hnd");
  return c;
}

/// Every format has the name that it was made from.
void ExpectName(const Case& c) {
  char name[32];
  Expect(infernode_kv_format_name(&c.format, name, sizeof name) == INFERNODE_KV_OK && c.name.rfind(std::string(name) + " ", 0) == 0, c.name + " is not " + name);
}

/// Both paths give the same bits, encoding and decoding, also of codes and headers that no encoder wrote.
void TestPaths() {
  const Case c = RandomCase(false);
  ExpectName(c);
  size_t code_bytes = 0, headers = 0;
  Expect(infernode_kv_sizes(&c.format, &c.shape, &code_bytes, &headers) == INFERNODE_KV_OK, c.name);
  const size_t n = size_t{c.shape.tokens} * c.shape.heads * c.shape.dim;
  const std::vector<uint16_t> in = Values(n, c.shape.dtype == INFERNODE_KV_FP16, Below(3) ? 0 : Below(12));
  std::vector<uint8_t> codes[2];
  std::vector<uint32_t> hdr[2];
  std::vector<uint16_t> out[2];
  uint64_t nonfinite[2];
  for (int path = 0; path < 2; ++path) {
    codes[path].resize(code_bytes), hdr[path].resize(headers), out[path].assign(n, 0xBEEF);
    Expect(infernode_kv_encode(static_cast<infernode_kv_path>(path), &c.format, &c.shape, in.data(), codes[path].data(), code_bytes, hdr[path].data(), headers, nonfinite + path) == INFERNODE_KV_OK, c.name + " encode");
  }
  Expect(codes[0] == codes[1], c.name + " codes");
  Expect(hdr[0] == hdr[1], c.name + " headers");
  Expect(nonfinite[0] == nonfinite[1], c.name + " nonfinite");
  if (Below(4) == 0)
    for (size_t i = 0; i < code_bytes; ++i) codes[1][i] = codes[0][i] = static_cast<uint8_t>(Next());
  if (Below(8) == 0 && headers > 0) hdr[0][Below(static_cast<uint32_t>(headers))] = Next() << 16 | (Next() & 0xFFFF);
  for (int path = 0; path < 2; ++path)
    Expect(infernode_kv_decode(static_cast<infernode_kv_path>(path), &c.format, &c.shape, codes[0].data(), code_bytes, hdr[0].data(), headers, out[path].data()) == INFERNODE_KV_OK, c.name + " decode");
  Expect(out[0] == out[1], c.name + " decoded");
}

struct Paged {
  infernode_kv_section section{};
  std::vector<int32_t> table;
  size_t records = 0, record_bytes = 0;
  std::string name;
};

Paged RandomPaged() {
  const Case c = RandomCase(true);
  Paged p;
  p.section = {c.format, c.shape, int64_t{c.shape.tokens} * c.shape.heads * c.shape.dim + 32 * Below(3), 6 + Below(20), 1 + Below(3)};
  p.records = Below(p.section.pages / p.section.pages_per_record) + 1;
  for (uint32_t i = 0; i < p.section.pages; ++i) p.table.push_back(static_cast<int32_t>(i));
  for (uint32_t i = p.section.pages; i > 1; --i) std::swap(p.table[i - 1], p.table[Below(i)]);
  p.name = c.name + " paged";
  Expect(infernode_kv_section_record_bytes(&p.section, &p.record_bytes) == INFERNODE_KV_OK, p.name);
  return p;
}

/// One record made from contiguous values of its pages, by the reference.
void ExpectRecord(const Paged& p, const std::vector<uint16_t>& cache, size_t r, const uint8_t* record) {
  const infernode_kv_shape& page = p.section.page;
  infernode_kv_record info;
  Expect(infernode_kv_read_record(record, p.record_bytes, 1, &info) == INFERNODE_KV_OK, p.name + " read");
  std::vector<uint16_t> block;
  for (uint32_t t = 0; t < info.shape.tokens; ++t)
    for (uint32_t h = 0; h < page.heads; ++h) {
      const int64_t at = p.table[r * p.section.pages_per_record + t / page.tokens] * p.section.page_stride + (t % page.tokens) * page.token_stride + h * page.head_stride;
      block.insert(block.end(), cache.begin() + at, cache.begin() + at + page.dim);
    }
  std::vector<uint8_t> codes(info.code_bytes);
  std::vector<uint32_t> headers(info.header_count);
  uint64_t nonfinite = 0;
  Expect(infernode_kv_encode(INFERNODE_KV_SCALAR, &info.format, &info.shape, block.data(), codes.data(), codes.size(), headers.data(), headers.size(), &nonfinite) == INFERNODE_KV_OK, p.name);
  Expect(std::memcmp(codes.data(), record + INFERNODE_KV_RECORD_HEAD, codes.size()) == 0, p.name + " record codes");
  Expect(headers.empty() || std::memcmp(headers.data(), record + info.header_offset, 4 * headers.size()) == 0, p.name + " record headers");
  Expect(nonfinite == info.nonfinite, p.name + " record nonfinite");
  const uint8_t* payload = record + INFERNODE_KV_RECORD_HEAD;
  using namespace infernode::kv;
  Expect(info.checksum == FinishChecksum(ChecksumPart(payload, info.payload_bytes, 0), info.payload_bytes / 8), p.name + " checksum");
}

void TestPaged(infernode_kv_pool* pool) {
  const Paged p = RandomPaged();
  const size_t elements = static_cast<size_t>(p.section.page_stride) * p.section.pages;
  const std::vector<uint16_t> cache = Values(elements, p.section.page.dtype == INFERNODE_KV_FP16, Below(2) ? 0 : Below(9));
  Bytes records(p.records * p.record_bytes);
  std::vector<float> errors(p.records * p.section.page.heads, -1);
  infernode_kv_outcome outcome{};
  const infernode_kv_path path = Below(4) ? INFERNODE_KV_SIMD : INFERNODE_KV_SCALAR;
  Expect(infernode_kv_encode_paged(pool, path, &p.section, cache.data(), elements, p.table.data(), p.records, records.data, records.size, errors.data(), &outcome) == INFERNODE_KV_OK, p.name + " encode");
  for (size_t r = 0; r < p.records; ++r) ExpectRecord(p, cache, r, records.data + r * p.record_bytes);
  for (const float error : errors) Expect(error >= 0 && error <= 1e4f, p.name + " error " + std::to_string(error));
  std::vector<uint16_t> a(elements, 0x1234), b = a;
  Expect(infernode_kv_decode_paged(pool, INFERNODE_KV_SIMD, &p.section, records.data, records.size, p.table.data(), p.records, a.data(), elements, &outcome) == INFERNODE_KV_OK, p.name + " decode");
  Expect(infernode_kv_decode_paged(nullptr, INFERNODE_KV_SCALAR, &p.section, records.data, records.size, p.table.data(), p.records, b.data(), elements, &outcome) == INFERNODE_KV_OK, p.name + " decode");
  Expect(a == b, p.name + " decoded");
  // One flipped bit anywhere in a record is found, and the record is named.
  const size_t victim = Below(static_cast<uint32_t>(p.records));
  records.data[victim * p.record_bytes + Below(static_cast<uint32_t>(p.record_bytes))] ^= static_cast<uint8_t>(1u << Below(8));
  const infernode_kv_result result = infernode_kv_decode_paged(pool, path, &p.section, records.data, records.size, p.table.data(), p.records, a.data(), elements, &outcome);
  Expect(result != INFERNODE_KV_OK && outcome.bad_record == victim, p.name + " a flipped bit");
}

/// The cache of the streaming tests: with 4-bit codes too, its records are more than kStreamBytes.
constexpr uint32_t kStreamedPages = 2048;

/// More output than kStreamBytes: the way past the caches gives the same bytes.
void TestStreaming(infernode_kv_pool* pool, const char* format, const std::vector<uint16_t>& cache) {
  Paged p;
  infernode_kv_parse_format(format, &p.section.format);
  p.section.page = {INFERNODE_KV_BF16, 16, 8, 128, 1024, 128};
  p.section.page_stride = 16384, p.section.pages = kStreamedPages, p.section.pages_per_record = 4;
  p.records = p.section.pages / 4;
  for (uint32_t i = 0; i < p.section.pages; ++i) p.table.push_back(static_cast<int32_t>(p.section.pages - 1 - i));
  infernode_kv_section_record_bytes(&p.section, &p.record_bytes);
  const size_t elements = cache.size();
  Bytes records(p.records * p.record_bytes), one(p.record_bytes), back(elements * 2);
  infernode_kv_outcome outcome{};
  Expect(infernode_kv_encode_paged(pool, INFERNODE_KV_SIMD, &p.section, cache.data(), elements, p.table.data(), p.records, records.data, records.size, nullptr, &outcome) == INFERNODE_KV_OK, format);
  for (size_t r = 0; r < p.records; r += 37) {
    Expect(infernode_kv_encode_paged(nullptr, INFERNODE_KV_SIMD, &p.section, cache.data(), elements, p.table.data() + 4 * r, 1, one.data, one.size, nullptr, nullptr) == INFERNODE_KV_OK, format);
    Expect(std::memcmp(one.data, records.data + r * p.record_bytes, p.record_bytes) == 0, std::string(format) + " streamed record");
  }
  auto* pages = reinterpret_cast<uint16_t*>(back.data);
  Expect(infernode_kv_decode_paged(pool, INFERNODE_KV_SIMD, &p.section, records.data, records.size, p.table.data(), p.records, pages, elements, &outcome) == INFERNODE_KV_OK, format);
  std::vector<uint16_t> few(elements);
  for (size_t r = 0; r < p.records; r += 37) {
    Expect(infernode_kv_decode_paged(nullptr, INFERNODE_KV_SIMD, &p.section, records.data + r * p.record_bytes, p.record_bytes, p.table.data() + 4 * r, 1, few.data(), elements, nullptr) == INFERNODE_KV_OK, format);
    for (uint32_t i = 0; i < 4; ++i) {
      const size_t at = static_cast<size_t>(p.table[4 * r + i]) * 16384;
      Expect(std::memcmp(few.data() + at, pages + at, 32768) == 0, std::string(format) + " streamed page");
    }
  }
}

/// Any bytes at all: a result, never a step outside them. Half of the cases have a right head checksum.
void FuzzRecord() {
  const Paged p = RandomPaged();
  const size_t elements = static_cast<size_t>(p.section.page_stride) * p.section.pages;
  std::vector<uint16_t> cache = Values(elements, false, 0);
  Bytes good(p.record_bytes);
  infernode_kv_encode_paged(nullptr, INFERNODE_KV_SIMD, &p.section, cache.data(), elements, p.table.data(), 1, good.data, good.size, nullptr, nullptr);
  Bytes record(Below(3) == 0 ? Below(static_cast<uint32_t>(p.record_bytes) + 1) : p.record_bytes);
  std::memcpy(record.data, good.data, record.size);
  const uint32_t edits = 1 + Below(6);
  for (uint32_t i = 0; i < edits && record.size > 0; ++i) record.data[Below(Below(2) && record.size > 64 ? 48 : static_cast<uint32_t>(record.size))] = static_cast<uint8_t>(Next());
  if (record.size >= 64 && Below(2)) {
    std::memset(record.data + 56, 0, 8);
    using namespace infernode::kv;
    const uint64_t sum = FinishChecksum(ChecksumPart(record.data, 64, 0), 8);
    std::memcpy(record.data + 56, &sum, 8);
  }
  infernode_kv_record info;
  const infernode_kv_result result = infernode_kv_read_record(record.data, record.size, 1, &info);
  if (result != INFERNODE_KV_OK) {
    Expect(result == INFERNODE_KV_BAD_RECORD || result == INFERNODE_KV_BAD_CHECKSUM || result == INFERNODE_KV_SHORT_BUFFER, "a refusal with another result");
  } else {
    Expect(info.header_offset + 4 * info.header_count <= record.size && INFERNODE_KV_RECORD_HEAD + info.code_bytes <= record.size, "a record that claims more than it has");
  }
  if (record.size == p.record_bytes)
    infernode_kv_decode_paged(nullptr, Below(2) ? INFERNODE_KV_SIMD : INFERNODE_KV_SCALAR, &p.section, record.data, record.size, p.table.data(), 1, cache.data(), elements, nullptr);
}

/// Each wrong argument has its own result, and nothing is written.
void TestRefusals() {
  infernode_kv_section good{};
  infernode_kv_parse_format("int8_head", &good.format);
  good.page = {INFERNODE_KV_BF16, 4, 2, 32, 64, 32};
  good.page_stride = 256, good.pages = 2, good.pages_per_record = 1;
  std::vector<uint16_t> cache(512);
  Bytes out(8192);
  const int32_t table[] = {0, 1}, outside[] = {0, 2}, negative[] = {-1, 0};
  const auto encode = [&](const infernode_kv_section& s, size_t elements, const int32_t* t, size_t records, const uint8_t* to, size_t bytes) {
    return infernode_kv_encode_paged(nullptr, INFERNODE_KV_SIMD, &s, cache.data(), elements, t, records, const_cast<uint8_t*>(to), bytes, nullptr, nullptr);
  };
  Expect(encode(good, 512, table, 2, out.data, 8192) == INFERNODE_KV_OK, "the good call");
  Expect(encode(good, 512, table, 0, out.data, 8192) == INFERNODE_KV_OK, "no records");
  Expect(encode(good, 511, table, 2, out.data, 8192) == INFERNODE_KV_SHORT_BUFFER, "a short cache");
  Expect(encode(good, 512, table, 2, out.data, 700) == INFERNODE_KV_SHORT_BUFFER, "short output");
  Expect(encode(good, 512, table, SIZE_MAX, out.data, 8192) == INFERNODE_KV_SHORT_BUFFER, "too many records");
  Bytes aligned(8192);
  size_t record_bytes = 0;
  infernode_kv_section_record_bytes(&good, &record_bytes);
  Expect(encode(good, 512, table, 2, aligned.data, 8192) == INFERNODE_KV_OK && encode(good, 512, table, 2, out.data + 3, 8000) == INFERNODE_KV_OK &&
             std::memcmp(aligned.data, out.data + 3, 2 * record_bytes) == 0,
         "records at any address");
  Expect(infernode_kv_decode_paged(nullptr, INFERNODE_KV_SIMD, &good, out.data + 3, 8000, table, 2, cache.data(), 512, nullptr) == INFERNODE_KV_OK, "records from any address");
  Expect(encode(good, 512, outside, 2, out.data, 8192) == INFERNODE_KV_BAD_TABLE, "an entry outside");
  const int32_t twice[] = {1, 1};
  Expect(infernode_kv_decode_paged(nullptr, INFERNODE_KV_SIMD, &good, out.data, 8192, twice, 2, cache.data(), 512, nullptr) == INFERNODE_KV_BAD_TABLE, "a page decoded into twice");
  Expect(encode(good, 512, twice, 2, out.data, 8192) == INFERNODE_KV_OK, "a page encoded twice");
  Expect(encode(good, 512, negative, 2, out.data, 8192) == INFERNODE_KV_BAD_TABLE, "a negative entry");
  const auto with = [&](auto edit) {
    infernode_kv_section s = good;
    edit(s);
    return encode(s, 512, table, 2, out.data, 8192);
  };
  Expect(with([](auto& s) { s.page.dim = 0; }) == INFERNODE_KV_BAD_SHAPE && with([](auto& s) { s.pages = 0; }) == INFERNODE_KV_BAD_SHAPE, "no dim, no pages");
  Expect(with([](auto& s) { s.pages = 0x80000000u; }) == INFERNODE_KV_SHORT_BUFFER, "2^31 pages in a small cache");
  Expect(infernode_kv_encode_paged(nullptr, INFERNODE_KV_SIMD, nullptr, cache.data(), 512, table, 2, out.data, 8192, nullptr, nullptr) != INFERNODE_KV_OK &&
             infernode_kv_encode_paged(nullptr, INFERNODE_KV_SIMD, &good, nullptr, 512, table, 2, out.data, 8192, nullptr, nullptr) == INFERNODE_KV_SHORT_BUFFER &&
             encode(good, 512, nullptr, 2, out.data, 8192) == INFERNODE_KV_SHORT_BUFFER && encode(good, 512, table, 2, nullptr, 8192) == INFERNODE_KV_SHORT_BUFFER,
         "pointers that are not there");
  Expect(infernode_kv_encode_paged(nullptr, static_cast<infernode_kv_path>(7), &good, cache.data(), 512, table, 2, out.data, 8192, nullptr, nullptr) == INFERNODE_KV_NO_PATH, "an unknown path");
  infernode_kv_error error{};
  Expect(infernode_kv_graph_capture(nullptr, &error) == INFERNODE_KV_CLOSED && std::strstr(error.message, "graph"), "a graph that is not there");
  Expect(infernode_kv_graph_create(nullptr, 0, nullptr, nullptr, &error) == INFERNODE_KV_SHORT_BUFFER && std::strstr(error.message, "options"), "no options");
  Expect(infernode_kv_graph_run(nullptr, table, 2, out.data, 8192, nullptr, &error) == INFERNODE_KV_CLOSED, "a run without a graph");
  infernode_kv_graph_destroy(nullptr);
  Expect(with([](auto& s) { s.page_stride = 255; }) == INFERNODE_KV_BAD_STRIDE, "overlapping pages");
  Expect(with([](auto& s) { s.page_stride = INT64_MAX; }) == INFERNODE_KV_BAD_STRIDE, "an enormous page stride");
  Expect(with([](auto& s) { s.page.token_stride = INT64_MAX; }) == INFERNODE_KV_BAD_STRIDE, "an enormous token stride");
  Expect(with([](auto& s) { s.page.token_stride = 63; }) == INFERNODE_KV_BAD_STRIDE, "overlapping rows");
  Expect(with([](auto& s) { s.page.tokens = 0x80000000u; }) == INFERNODE_KV_BAD_SHAPE, "2^31 tokens");
  Expect(with([](auto& s) { s.pages_per_record = 0; }) == INFERNODE_KV_BAD_SHAPE, "no pages per record");
  Expect(with([](auto& s) { s.pages_per_record = UINT32_MAX; }) == INFERNODE_KV_BAD_SHAPE, "2^32 pages per record");
  Expect(with([](auto& s) { s.format.static_scale = 1; }) == INFERNODE_KV_BAD_SCALE, "a static scale with int8");
  infernode_kv_pool* pool = nullptr;
  Expect(infernode_kv_pool_create(0, &pool) != INFERNODE_KV_OK && infernode_kv_pool_create(257, &pool) != INFERNODE_KV_OK, "pools of 0 and 257");
  infernode_kv_pool_destroy(nullptr);
  Expect(infernode_kv_pool_create(2, &pool) == INFERNODE_KV_OK, "a pool to close");
  infernode_kv_pool_destroy(pool), infernode_kv_pool_destroy(pool);
  Expect(infernode_kv_encode_paged(pool, INFERNODE_KV_SIMD, &good, cache.data(), 512, table, 2, out.data, 8192, nullptr, nullptr) == INFERNODE_KV_CLOSED, "a pool that was closed");
}

}  // namespace

int main(int count, char** arguments) {
  const uint64_t seed = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1;
  const int rounds = count > 2 ? std::atoi(arguments[2]) : 400;
  infernode_kv_pool* pool = nullptr;
  Expect(infernode_kv_pool_create(3, &pool) == INFERNODE_KV_OK, "a pool");
  Expect(infernode_kv_test_from_c() == 0, "use from C");
  TestRefusals();
  for (int round = 0; round < rounds; ++round) {
    state = (seed * 1000003 + static_cast<uint64_t>(round)) * 0x9E3779B97F4A7C15u | 1;
    const int before = failures;
    TestPaths();
    TestPaged(round % 2 ? pool : nullptr);
    FuzzRecord();
    if (failures != before) std::printf("in round %d of seed %llu\n", round, static_cast<unsigned long long>(seed));
  }
  state = seed | 1;
  const std::vector<uint16_t> streamed = Values(size_t{16384} * kStreamedPages, false, 2);
  for (const char* format : {"int8_head", "e4m3_tok", "int4a_g64", "int8_chan", "int4a_chan", "raw"}) TestStreaming(pool, format, streamed);
  infernode_kv_pool_destroy(pool);
  std::printf("%s: seed %llu, %d rounds, %d failures\n", infernode_kv_simd_name(), static_cast<unsigned long long>(seed), rounds, failures);
  return failures == 0 ? 0 : 1;
}
