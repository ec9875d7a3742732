// The CUDA kernels' own source, compiled for the CPU over cuda_emulation.h, against the scalar reference bit for bit: records, outcomes,
// decoded pages and the scratch that must come back zero. An emulation, not a GPU run: scripts/gpu-check is that.
// `infernode-kv-kernel-emulation-test [seed] [rounds]`; a seed of 0 takes the time. Prints the seed; returns 1 on a difference.
#include "test/cuda_emulation.h"
#include "kvquant/cuda/kernel_arguments.h"
#include "kvquant/cuda/kv_kernels.cu"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <string>
#include <vector>

namespace {

using namespace infernode::kv;

int failures = 0;
uint64_t state = 1;

uint32_t Next() {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return static_cast<uint32_t>(state >> 16);
}
uint32_t Below(uint32_t n) { return Next() % n; }

void Expect(bool truth, const std::string& what) {
  if (truth || ++failures > 20) return;
  std::printf("FAILED: %s\n", what.c_str());
}

/// Aligned to 64 from `offset` bytes on, as device memory is, or not.
struct Memory {
  Memory(size_t n, size_t offset = 0) : size(n), block(static_cast<uint8_t*>(std::aligned_alloc(64, (n + offset + 127) / 64 * 64))), data(block + offset) {}
  ~Memory() { std::free(block); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  /// What a kernel forgets to write must not look right.
  void Poison() { for (size_t i = 0; i < size; ++i) data[i] = static_cast<uint8_t>(Next()); }
  uint64_t Address() const { return reinterpret_cast<uint64_t>(data); }
  size_t size;
  uint8_t *block, *data;
};

/// A launch of two sections (keys and values) over one block table.
struct Launch {
  KernelParams p{};
  bool fp16;
  std::string name;
  std::vector<infernode_kv_section> sections;
  std::vector<int32_t> table;
  size_t cache_elements = 0;
};

const char* const kCodes[] = {"int8", "int4s", "int4a", "e4m3", "e5m2"};
const char* const kGroupings[] = {"head", "tok", "g8", "g16", "g32", "g64", "g24", "chan", "head_r", "tok_r", "g32_r", "chan_r"};

infernode_kv_format RandomFormat(std::string* name, uint32_t dim) {
  infernode_kv_format f{};
  std::string text;
  do text = Below(24) == 0 ? "raw" : std::string(kCodes[Below(5)]) + "_" + kGroupings[Below(12)];
  while (infernode_kv_parse_format(text.c_str(), &f) != INFERNODE_KV_OK || (f.rotate && (dim & (dim - 1)) != 0));
  if ((f.code == INFERNODE_KV_E4M3 || f.code == INFERNODE_KV_E5M2) && Below(6) == 0) f.static_scale = 0.03125f, text += "(static)";
  *name += text + " ";
  return f;
}

Launch RandomLaunch() {
  static const uint32_t dims[] = {128, 64, 256, 8, 16, 32, 96, 80, 24, 5, 1, 2, 48, 512};
  Launch l;
  const uint32_t dim = dims[Below(Below(2) ? 4 : 14)], page_tokens = Below(3) ? 16 : 1 + Below(9), pages_per_record = 1 + Below(8), heads = 1 + Below(5);
  l.fp16 = Below(2);
  const bool nhd = Below(2);
  const int64_t padding = Below(4) == 0 ? 1 + Below(9) : 0;
  const infernode_kv_shape page{l.fp16 ? INFERNODE_KV_FP16 : INFERNODE_KV_BF16, page_tokens, heads, dim, (nhd ? int64_t{heads} * dim : dim) + (nhd ? padding : 0), nhd ? dim : int64_t{page_tokens} * dim};
  const int64_t extent = (page_tokens - 1) * page.token_stride + (heads - 1) * page.head_stride + dim;
  const uint32_t records = 1 + Below(3), pages = records * pages_per_record + Below(4);
  l.name = std::to_string(page_tokens) + "x" + std::to_string(heads) + "x" + std::to_string(dim) + (nhd ? " nhd" : " hnd") + (l.fp16 ? " fp16 " : " bf16 ") + std::to_string(pages_per_record) + " pages ";
  const int64_t page_stride = extent + (Below(2) ? 8 * Below(3) : Below(3));
  for (int i = 0; i < 2; ++i) l.sections.push_back({RandomFormat(&l.name, dim), page, page_stride, pages, pages_per_record});
  for (uint32_t i = 0; i < pages; ++i) l.table.push_back(static_cast<int32_t>(i));
  for (uint32_t i = pages; i > 1; --i) std::swap(l.table[i - 1], l.table[Below(i)]);
  l.table.resize(records * pages_per_record);
  if (Below(4) == 0) l.table[Below(records) * pages_per_record] = kNoPage;
  if (Below(8) == 0) l.table[Below(static_cast<uint32_t>(l.table.size()))] = static_cast<int32_t>(pages + Below(3));
  l.cache_elements = static_cast<size_t>((pages - 1) * page_stride + extent);
  l.p = KernelParamsOf(l.sections[0], 2, records);
  return l;
}

uint16_t RandomValue(bool fp16, uint32_t kind) {
  if (kind == 0) return static_cast<uint16_t>(Next());
  const uint32_t sign = Next() & 0x8000;
  if (kind == 1) return static_cast<uint16_t>(sign);
  return static_cast<uint16_t>((fp16 ? 0x3000 + Below(0x1800) : 0x3D80 + Below(0x300)) | sign);
}

/// Mostly ordinary; with some rows of zeros and, in some launches, anything at all in some places.
void FillCache(const Launch& l, uint16_t* cache) {
  const bool hostile = Below(3) == 0;
  for (size_t at = 0; at < l.cache_elements;) {
    const uint32_t kind = Below(12) == 0 ? 1 : 2, n = 1 + Below(300);
    for (uint32_t i = 0; i < n && at < l.cache_elements; ++i) cache[at++] = RandomValue(l.fp16, hostile && Below(64) == 0 ? 0 : kind);
  }
}

/// Fibres by threads or by whole warps, from either end or shuffled.
void DrawOrder(uint32_t blocks) {
  emulation::Order& order = emulation::machine.order;
  const uint32_t fibres = blocks * emulation::kThreads, together = Below(2) ? 32 : 1;
  const bool shuffled = Below(2), reversed = Below(2);
  order.greedy = Below(2), order.newest_first = Below(2);
  for (uint32_t i = 0; i < fibres; ++i) order.fibres[i] = reversed ? fibres - 1 - i : i;
  if (!shuffled) return;
  for (uint32_t i = fibres / together; i > 1; --i) {
    const uint32_t other = Below(i);
    if (other != i - 1) std::swap_ranges(order.fibres + (i - 1) * together, order.fibres + i * together, order.fibres + other * together);
  }
}

void RunEmulated(const Launch& l, bool encode, const KernelParams& p) {
  const bool rotates = Below(4) ? l.sections[0].format.rotate : Below(2);
  static bool fp16, r, e;
  fp16 = l.fp16, r = rotates, e = encode;
  const uint32_t blocks = 1 + Below(emulation::kMostBlocks);
  DrawOrder(blocks);
  emulation::RunGrid(
      [](const void* argument) {
        const auto& params = *static_cast<const KernelParams*>(argument);
        if (e) return r ? infernode_kv_encode_r(params) : fp16 ? infernode_kv_encode_fp16(params) : infernode_kv_encode_bf16(params);
        return r ? infernode_kv_decode_r(params) : fp16 ? infernode_kv_decode_fp16(params) : infernode_kv_decode_bf16(params);
      },
      &p, blocks, static_cast<uint8_t>(Next()));
}

/// Everything that a launch reads and writes, once for each side.
struct Side {
  Side(const Launch& l, size_t offset) : cache{{2 * l.cache_elements, offset}, {2 * l.cache_elements, offset}}, records{{Bytes(l, 0) * l.p.records}, {Bytes(l, 1) * l.p.records}}, outcomes(2 * l.p.records * sizeof(KernelOutcome)), states(2 * l.p.records), differences(2 * l.p.records * l.p.heads), p(l.p) {
    for (int i = 0; i < 2; ++i) sections[i] = KernelSectionOf(l.sections[i].format, cache[i].Address(), records[i].Address(), Bytes(l, i));
    p.sections = reinterpret_cast<uint64_t>(sections), p.table = reinterpret_cast<uint64_t>(l.table.data()), p.states = reinterpret_cast<uint64_t>(states.data()), p.outcomes = outcomes.Address();
  }
  static size_t Bytes(const Launch& l, int i) {
    size_t bytes = 0;
    Expect(infernode_kv_section_record_bytes(&l.sections[i], &bytes) == INFERNODE_KV_OK, l.name + "is not accepted");
    return bytes;
  }
  Memory cache[2], records[2], outcomes;
  std::vector<KernelRecordState> states;
  std::vector<KernelDifference> differences;
  KernelSection sections[2];
  KernelParams p;
};

bool Equal(const Memory& a, const Memory& b) { return std::memcmp(a.data, b.data, a.size) == 0; }

void ExpectSame(const Launch& l, const Side& emulated, const Side& reference, const char* what) {
  for (int i = 0; i < 2; ++i) {
    Expect(Equal(emulated.records[i], reference.records[i]), l.name + what + " records of section " + std::to_string(i));
    Expect(Equal(emulated.cache[i], reference.cache[i]), l.name + what + " pages of section " + std::to_string(i));
  }
  Expect(Equal(emulated.outcomes, reference.outcomes), l.name + what + " outcomes");
  for (const KernelRecordState& s : emulated.states) Expect(s.sum == 0 && s.nonfinite == 0 && s.heads_done == 0, l.name + what + " states");
}

void CopyTo(const Memory& from, Memory& to) { std::memcpy(to.data, from.data, from.size); }

/// Sums of squares in another order: equal to a millionth of a millionth, or both not finite.
bool Near(double a, double b) { return std::isfinite(a) ? std::fabs(a - b) <= 1e-12 * std::fabs(b) : !std::isfinite(b); }

/// Compares what was encoded with the pages, and changes neither.
void TestErrors(const Launch& l, Side& emulated, Side& reference) {
  for (Side* side : {&emulated, &reference}) side->p.errors = reinterpret_cast<uint64_t>(side->differences.data());
  RunEmulated(l, false, emulated.p);
  Expect(RunKernelOnHost(KernelName(false, l.fp16, false), &reference.p, sizeof reference.p), l.name + "on the host");
  ExpectSame(l, emulated, reference, "errors:");
  for (size_t i = 0; i < emulated.differences.size(); ++i) {
    const KernelDifference &made = emulated.differences[i], &expected = reference.differences[i];
    Expect(Near(made.energy, expected.energy) && Near(made.error, expected.error), l.name + "errors: head " + std::to_string(i));
  }
  emulated.p.errors = reference.p.errors = 0;
}

void TestLaunch() {
  const Launch l = RandomLaunch();
  const size_t offset = Below(4) == 0 ? 2 * Below(32) : 0;
  Side emulated(l, offset), reference(l, offset);
  for (int i = 0; i < 2; ++i) {
    FillCache(l, reinterpret_cast<uint16_t*>(reference.cache[i].data)), CopyTo(reference.cache[i], emulated.cache[i]);
    reference.records[i].Poison(), CopyTo(reference.records[i], emulated.records[i]);
  }
  reference.outcomes.Poison();
  RunEmulated(l, true, emulated.p);
  Expect(RunKernelOnHost(KernelName(true, l.fp16, false), &reference.p, sizeof reference.p), l.name + "on the host");
  ExpectSame(l, emulated, reference, "encode:");
  TestErrors(l, emulated, reference);
  // Then back, of what the encoder made, of codes that none makes, or of records with an error somewhere.
  for (int i = 0; i < 2; ++i) {
    reference.cache[i].Poison(), CopyTo(reference.cache[i], emulated.cache[i]);
    if (Below(3) == 0) reference.records[i].data[Below(static_cast<uint32_t>(reference.records[i].size))] ^= static_cast<uint8_t>(1u << Below(8));
    CopyTo(reference.records[i], emulated.records[i]);
  }
  RunEmulated(l, false, emulated.p);
  Expect(RunKernelOnHost(KernelName(false, l.fp16, true), &reference.p, sizeof reference.p), l.name + "on the host");
  // Pages of a refused record are unspecified.
  const auto* outcomes = reinterpret_cast<const KernelOutcome*>(reference.outcomes.data);
  for (uint32_t i = 0; i < 2; ++i)
    for (uint32_t r = 0; r < l.p.records; ++r)
      if (outcomes[i * l.p.records + r].result == INFERNODE_KV_BAD_RECORD || outcomes[i * l.p.records + r].result == INFERNODE_KV_BAD_CHECKSUM) CopyTo(emulated.cache[i], reference.cache[i]);
  ExpectSame(l, emulated, reference, "decode:");
}

}  // namespace

int main(int count, char** arguments) {
  uint64_t seed = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 0;
  const int rounds = count > 2 ? std::atoi(arguments[2]) : 100;
  if (seed == 0) seed = static_cast<uint64_t>(std::time(nullptr));
  for (int round = 0; round < rounds; ++round) {
    state = (seed * 1000003 + static_cast<uint64_t>(round)) * 0x9E3779B97F4A7C15u | 1;
    const int before = failures;
    TestLaunch();
    if (failures != before) std::printf("in round %d of seed %llu\n", round, static_cast<unsigned long long>(seed));
  }
  std::printf("emulated kernels: seed %llu, %d rounds, %d failures\n", static_cast<unsigned long long>(seed), rounds, failures);
  return failures == 0 ? 0 : 1;
}
