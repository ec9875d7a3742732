// How fast the CPU kernels are, as shares of memcpy of the same input bytes in the same run. Prints one JSON object;
// `infernode kv bench` turns it into a table.
//
//   infernode-kv-bench [--mib 256] [--repeats 9] [--threads 2] [--formats int8_head,...] [--layout nhd|hnd]
//
// One thread is timed by its CPU time, so that a busy machine slows it no more than it slows the memory. Each repeat runs
// memcpy, encode and decode one after the other; a share is the median over repeats of the share within a repeat. Several threads
// are timed by the wall, and only runs count in which they had a core each all the time (CPU time at least 0.9 of wall time x
// threads): anything else measures the other work of the machine, or threads that did not compete for memory. Too few
// such runs give null. Blocks are visited in a shuffled order, as a block table names them, memcpy runs straight through.
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
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

struct Time {
  double cpu, wall;
};
Time Now() { return {Seconds(CLOCK_PROCESS_CPUTIME_ID), Seconds(CLOCK_MONOTONIC)}; }

/// Times of memcpy, encode, decode, encode with errors, in every repeat.
struct Times {
  std::vector<Time> copy, encode, decode, measured;
};

void Copy(const Buffers& b, uint32_t threads) {
  const size_t part = b.bytes / threads;
  std::vector<std::thread> others;
  for (uint32_t i = 1; i < threads; ++i)
    others.emplace_back([&b, part, i] { std::memcpy(b.copy + i * part, reinterpret_cast<const uint8_t*>(b.in) + i * part, part); });
  std::memcpy(b.copy, b.in, part);
  for (std::thread& other : others) other.join();
}

template <class Work>
void Measure(std::vector<Time>* times, const Work& work) {
  const Time start = Now();
  work();
  const Time end = Now();
  times->push_back({end.cpu - start.cpu, end.wall - start.wall});
}

void Pass(const Buffers& b, const infernode_kv_section& s, infernode_kv_pool* pool, uint32_t threads, Times* times) {
  size_t record_bytes = 0;
  Must(infernode_kv_section_record_bytes(&s, &record_bytes));
  const size_t records = b.blocks / s.pages_per_record, room = b.bytes + b.bytes / 64, elements = b.bytes / 2;
  static std::vector<float> errors;
  errors.resize(records * kHeads);
  const auto encode = [&](float* measured) {
    Must(infernode_kv_encode_paged(pool, INFERNODE_KV_SIMD, &s, b.in, elements, b.table.data(), records, b.codes, room, measured, nullptr));
  };
  Measure(&times->copy, [&] { Copy(b, threads); });
  Measure(&times->encode, [&] { encode(nullptr); });
  Measure(&times->decode, [&] {
    Must(infernode_kv_decode_paged(pool, INFERNODE_KV_SIMD, &s, b.codes, room, b.table.data(), records, b.back, elements, nullptr));
  });
  Measure(&times->measured, [&] { encode(errors.data()); });
}

/// Median over repeats of memcpy's time by the time of `work`.
double CpuShare(const std::vector<Time>& copy, const std::vector<Time>& work) {
  std::vector<double> shares;
  for (size_t i = 0; i < copy.size(); ++i) shares.push_back(copy[i].cpu / work[i].cpu);
  return Median(shares);
}

constexpr size_t kLeastUndisturbed = 3;

/// Wall times of the runs in which every thread had a core.
std::vector<double> Undisturbed(const std::vector<Time>& many, uint32_t threads) {
  std::vector<double> walls;
  for (const Time& time : many)
    if (time.cpu >= 0.9 * time.wall * threads) walls.push_back(time.wall);
  return walls;
}

bool EnoughOf(const Times& many, uint32_t threads) {
  for (const auto* times : {&many.copy, &many.encode, &many.decode})
    if (Undisturbed(*times, threads).size() < kLeastUndisturbed) return false;
  return true;
}

void PrintThreads(const Times& one, const Times& many, uint32_t threads) {
  const auto print = [&](const char* name, const std::vector<Time>& alone, const std::vector<Time>& together) {
    std::vector<double> cpu;
    for (const Time& time : alone) cpu.push_back(time.cpu);
    const std::vector<double> walls = Undisturbed(together, threads);
    if (walls.size() < kLeastUndisturbed) std::printf(",\"%sSpeedup\":null", name);
    else std::printf(",\"%sSpeedup\":%.2f", name, Median(cpu) / Median(walls));
  };
  print("memcpy", one.copy, many.copy);
  print("encode", one.encode, many.encode);
  print("decode", one.decode, many.decode);
}

void PrintFormat(const Options& o, const Buffers& b, const char* name, infernode_kv_pool* pool) {
  const infernode_kv_section section = SectionOf(name, o.nhd, b.blocks);
  size_t record_bytes = 0;
  Must(infernode_kv_section_record_bytes(&section, &record_bytes));
  Times one, many;
  for (int i = 0; i < o.repeats; ++i) {
    Pass(b, section, nullptr, 1, &one);
  }
  // On a busy machine most runs are disturbed: a few times as many are tried.
  for (int i = 0; pool && i < 4 * o.repeats && (i < o.repeats || !EnoughOf(many, o.threads)); ++i) Pass(b, section, pool, o.threads, &many);
  // Both sides of a copy cross memory: the least traffic of encoding is the input once and the record once.
  const double ratio = static_cast<double>(record_bytes) / static_cast<double>(2 * kBlockElements * section.pages_per_record);
  std::vector<double> copies;
  for (const Time& time : one.copy) copies.push_back(time.cpu);
  std::printf("{\"format\":\"%s\",\"bytesPerValue\":%.3f,\"memcpyGBps\":%.2f,\"limit\":%.2f,\"encode\":%.3f,\"decode\":%.3f,\"encodeWithErrors\":%.3f", name,
              2 * ratio, static_cast<double>(b.bytes) / Median(copies) * 1e-9, 2 / (1 + ratio), CpuShare(one.copy, one.encode), CpuShare(one.copy, one.decode),
              CpuShare(one.copy, one.measured));
  if (pool) PrintThreads(one, many, o.threads);
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
  for (size_t at = 0; at < o.formats.size();) {
    const size_t comma = std::min(o.formats.find(',', at), o.formats.size());
    std::printf(at == 0 ? "\n  " : ",\n  ");
    PrintFormat(o, b, o.formats.substr(at, comma - at).c_str(), pool);
    at = comma + 1;
  }
  std::printf("\n]}\n");
  infernode_kv_pool_destroy(pool);
  return 0;
}
