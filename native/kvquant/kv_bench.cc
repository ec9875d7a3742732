// How fast the CPU kernels are, as shares of memcpy of the same input bytes in the same run. Prints one JSON object;
// `infernode kv bench` turns it into a table.
//
//   infernode-kv-bench [--mib 256] [--repeats 9] [--threads 2] [--formats int8_head,...] [--layout nhd|hnd]
//
// One thread is timed by its CPU time, so that a busy machine slows it no more than it slows the memory; several threads by
// the wall. Each repeat runs memcpy, encode and decode one after the other; a share is the median over repeats of the share
// within a repeat. Blocks are visited in a shuffled order, as a block table names them, memcpy runs straight through.
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "kvquant/infernode_kv.h"

namespace {

constexpr uint32_t kBlockTokens = 16, kHeads = 8, kDim = 128;
constexpr size_t kBlockElements = size_t{kBlockTokens} * kHeads * kDim;

struct Options {
  size_t mib = 256;
  int repeats = 9;
  uint32_t threads = 2;
  bool nhd = true;
  std::string formats = "int8_head,int8_tok,int8_chan,e4m3_head,e4m3_tok,e4m3_chan,int4a_g64,int4a_chan,raw";
};

double Seconds(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Page-aligned, in huge pages where the system gives them, touched.
template <class T>
T* Memory(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) {
    std::fprintf(stderr, "no memory for %zu bytes; try a smaller --mib\n", bytes);
    std::exit(1);
  }
  madvise(p, bytes, MADV_HUGEPAGE);
  std::memset(p, 1, bytes);
  return static_cast<T*>(p);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void FillNormal(uint16_t* values, size_t n) {
  uint32_t state = 12345;
  const auto next = [&state] { return static_cast<float>((state = state * 1664525 + 1013904223) >> 8) * 0x1p-24f - 0.5f; };
  for (size_t i = 0; i < n; ++i) {
    const float x = next() + next() + next() + next();
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    values[i] = static_cast<uint16_t>(bits >> 16);
  }
}

struct Buffers {
  size_t bytes, blocks;
  uint16_t *in, *back;
  uint8_t *codes, *copy;
  std::vector<int32_t> table;
};

Buffers MakeBuffers(size_t mib) {
  Buffers b{};
  b.blocks = std::max<size_t>(mib * 1048576 / (2 * kBlockElements) / 8 * 8, 8);
  b.bytes = b.blocks * 2 * kBlockElements;
  b.in = Memory<uint16_t>(b.bytes), b.back = Memory<uint16_t>(b.bytes);
  b.codes = Memory<uint8_t>(b.bytes + b.bytes / 64), b.copy = Memory<uint8_t>(b.bytes);
  FillNormal(b.in, b.bytes / 2);
  b.table.resize(b.blocks);
  for (size_t i = 0; i < b.blocks; ++i) b.table[i] = static_cast<int32_t>(i);
  uint32_t state = 99;
  for (size_t i = b.blocks; i > 1; --i) std::swap(b.table[i - 1], b.table[(state = state * 1664525 + 1013904223) % i]);
  return b;
}

infernode_kv_section SectionOf(const char* format, bool nhd, size_t blocks) {
  infernode_kv_section s{};
  if (infernode_kv_parse_format(format, &s.format) != INFERNODE_KV_OK) {
    std::fprintf(stderr, "%s: %s\n", format, infernode_kv_message(INFERNODE_KV_BAD_FORMAT));
    std::exit(1);
  }
  const int64_t token = nhd ? kHeads * kDim : kDim, head = nhd ? kDim : kBlockTokens * kDim;
  s.page = {INFERNODE_KV_BF16, kBlockTokens, kHeads, kDim, token, head};
  s.page_stride = kBlockElements;
  s.pages = static_cast<uint32_t>(blocks);
  s.pages_per_record = s.format.grouping == INFERNODE_KV_CHAN ? 8 : 1;
  return s;
}

void Must(infernode_kv_result result) {
  if (result == INFERNODE_KV_OK) return;
  std::fprintf(stderr, "%s\n", infernode_kv_message(result));
  std::exit(1);
}

struct Figures {
  std::vector<double> copy, encode, decode, measured;
};

/// One pass of memcpy, encode, decode and encode with errors measured.
void Pass(const Buffers& b, const infernode_kv_section& s, infernode_kv_pool* pool, Figures* figures) {
  const clockid_t clock = pool ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
  size_t record_bytes = 0;
  Must(infernode_kv_section_record_bytes(&s, &record_bytes));
  const size_t records = b.blocks / s.pages_per_record, room = b.bytes + b.bytes / 64, elements = b.bytes / 2;
  static std::vector<float> errors;
  errors.resize(records * kHeads);
  const double t0 = Seconds(clock);
  std::memcpy(b.copy, b.in, b.bytes);
  const double t1 = Seconds(clock);
  Must(infernode_kv_encode_paged(pool, INFERNODE_KV_SIMD, &s, b.in, elements, b.table.data(), records, b.codes, room, nullptr, nullptr));
  const double t2 = Seconds(clock);
  Must(infernode_kv_decode_paged(pool, INFERNODE_KV_SIMD, &s, b.codes, room, b.table.data(), records, b.back, elements, nullptr));
  const double t3 = Seconds(clock);
  Must(infernode_kv_encode_paged(pool, INFERNODE_KV_SIMD, &s, b.in, elements, b.table.data(), records, b.codes, room, errors.data(), nullptr));
  const double t4 = Seconds(clock);
  figures->copy.push_back(t1 - t0);
  figures->encode.push_back(t2 - t1);
  figures->decode.push_back(t3 - t2);
  figures->measured.push_back(t4 - t3);
}

double Share(const std::vector<double>& copy, const std::vector<double>& work) {
  std::vector<double> shares;
  for (size_t i = 0; i < copy.size(); ++i) shares.push_back(copy[i] / work[i]);
  return Median(shares);
}

void PrintFormat(const Options& o, const Buffers& b, const char* name, infernode_kv_pool* pool, bool first) {
  const infernode_kv_section section = SectionOf(name, o.nhd, b.blocks);
  size_t record_bytes = 0;
  Must(infernode_kv_section_record_bytes(&section, &record_bytes));
  Figures one, many;
  for (int i = 0; i < o.repeats; ++i) Pass(b, section, nullptr, &one);
  for (int i = 0; pool && i < o.repeats; ++i) Pass(b, section, pool, &many);
  // Both sides of a copy cross memory: the least traffic of encoding is the input once and the record once.
  const double ratio = static_cast<double>(record_bytes) / static_cast<double>(2 * kBlockElements * section.pages_per_record);
  std::printf("%s\n  {\"format\":\"%s\",\"memcpyGBps\":%.2f,\"limit\":%.2f,\"encode\":%.3f,\"decode\":%.3f,\"encodeWithErrors\":%.3f", first ? "" : ",", name,
              static_cast<double>(b.bytes) / Median(one.copy) * 1e-9, 2 / (1 + ratio), Share(one.copy, one.encode), Share(one.copy, one.decode),
              Share(one.copy, one.measured));
  if (pool)
    std::printf(",\"encodeGBps\":%.2f,\"decodeGBps\":%.2f", static_cast<double>(b.bytes) / Median(many.encode) * 1e-9,
                static_cast<double>(b.bytes) / Median(many.decode) * 1e-9);
  std::printf("}");
  std::fflush(stdout);
}

Options ReadOptions(int count, char** arguments) {
  Options o;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = arguments[i], value = arguments[i + 1];
    if (name == "--mib") o.mib = std::clamp<size_t>(std::strtoul(value.c_str(), nullptr, 10), 1, 8192);
    else if (name == "--repeats") o.repeats = std::clamp(std::atoi(value.c_str()), 1, 101);
    else if (name == "--threads") o.threads = static_cast<uint32_t>(std::clamp(std::atoi(value.c_str()), 1, 256));
    else if (name == "--formats") o.formats = value;
    else if (name == "--layout") o.nhd = value != "hnd";
  }
  return o;
}

}  // namespace

int main(int count, char** arguments) {
  const Options o = ReadOptions(count, arguments);
  const Buffers b = MakeBuffers(o.mib);
  infernode_kv_pool* pool = nullptr;
  if (o.threads > 1) Must(infernode_kv_pool_create(o.threads, &pool));
  std::printf("{\"simd\":\"%s\",\"mib\":%zu,\"repeats\":%d,\"threads\":%u,\"layout\":\"%s\",\"formats\":[", infernode_kv_simd_name(), o.mib, o.repeats, o.threads,
              o.nhd ? "nhd" : "hnd");
  bool first = true;
  for (size_t at = 0; at < o.formats.size();) {
    const size_t comma = std::min(o.formats.find(',', at), o.formats.size());
    PrintFormat(o, b, o.formats.substr(at, comma - at).c_str(), pool, first);
    first = false, at = comma + 1;
  }
  std::printf("\n]}\n");
  infernode_kv_pool_destroy(pool);
  return 0;
}
