// Parity of the KV kernels on a device with the scalar reference, bit for bit.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "kvquant/cuda/device_batch.h"
#include "kvquant/gpu_check.h"

namespace infernode::kv {

uint32_t GpuCheckRandom::operator()() {
  state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
  return static_cast<uint32_t>(state_ >> 16);
}

infernode_kv_section SectionOf(const std::string& format, infernode_kv_dtype dtype, bool nhd, uint32_t dim, uint32_t heads, uint32_t pages, uint32_t per_record) {
  infernode_kv_section s{};
  infernode_kv_parse_format(format.c_str(), &s.format);
  s.page = {dtype, 16, heads, dim, nhd ? int64_t{heads} * dim : dim, nhd ? dim : int64_t{16} * dim};
  s.page_stride = int64_t{16} * heads * dim, s.pages = pages, s.pages_per_record = per_record;
  return s;
}

std::vector<int32_t> ShuffledTable(GpuCheckRandom& random, uint32_t pages) {
  std::vector<int32_t> table(pages);
  for (uint32_t i = 0; i < pages; ++i) table[i] = static_cast<int32_t>(i);
  for (uint32_t i = pages; i > 1; --i) std::swap(table[i - 1], table[random() % i]);
  return table;
}

namespace {

constexpr int kMostThrown = 3;

struct Parity {
  int cases = 0;
  size_t failures = 0;

  void Fail(const std::string& what) { ++failures, std::fprintf(stderr, "%s\n", what.c_str()); }
};

/// Fresh values, one in 50 cases' elements anything at all; poisoned output on both sides.
void CheckParity(const DeviceSession& session, const infernode_kv_section& s, const std::string& name, bool hostile, GpuCheckRandom& random, Parity& parity) {
  ++parity.cases;
  const uint32_t records = s.pages / s.pages_per_record;
  const size_t elements = static_cast<size_t>(s.page_stride) * s.pages;
  size_t record_bytes = 0;
  infernode_kv_section_record_bytes(&s, &record_bytes);
  const std::vector<int32_t> table = ShuffledTable(random, s.pages);
  std::vector<uint16_t> cache(elements), decoded(elements, 0xBEEF), expected(elements, 0xBEEF);
  const bool fp16 = s.page.dtype == INFERNODE_KV_FP16;
  for (uint16_t& v : cache) v = hostile && random() % 50 == 0 ? static_cast<uint16_t>(random()) : static_cast<uint16_t>(((fp16 ? 0x3000 : 0x3E00) + random() % (fp16 ? 0x1800 : 0x280)) | (random() & 0x8000));
  std::vector<uint8_t> made(records * record_bytes), reference(records * record_bytes, 0x5A);
  DeviceBatch batch(session, s, elements, table.data(), records);
  session.Upload(batch.cache(), cache.data(), 2 * elements);
  session.Fill(batch.records(), 0xA5);
  batch.Launch(true, 1 + random() % (2 * session.Multiprocessors()));
  session.Download(made.data(), batch.records(), made.size());
  const auto encoded = batch.Outcomes();
  const std::vector<float> errors = batch.Errors();
  std::vector<float> expected_errors(errors.size());
  infernode_kv_outcome outcome;
  infernode_kv_encode_paged(nullptr, INFERNODE_KV_SCALAR, &s, cache.data(), elements, table.data(), records, reference.data(), reference.size(), expected_errors.data(), &outcome);
  session.Upload(batch.cache(), decoded.data(), 2 * elements);
  batch.Launch(false);
  session.Download(decoded.data(), batch.cache(), 2 * elements);
  const auto read = batch.Outcomes();
  infernode_kv_decode_paged(nullptr, INFERNODE_KV_SCALAR, &s, reference.data(), reference.size(), table.data(), records, expected.data(), elements, nullptr);
  uint64_t nonfinite = 0;
  bool ok = true;
  for (const auto& one : encoded) nonfinite += one.nonfinite, ok &= one.result == INFERNODE_KV_OK;
  for (const auto& one : read) ok &= one.result == INFERNODE_KV_OK;
  if (made != reference) parity.Fail(name + ": records differ");
  else if (decoded != expected) parity.Fail(name + ": decoded values differ");
  // Here squares are summed in f64, by the processor's vectors in f32: to five digits, and not where values are hostile.
  else if (!hostile && !std::equal(errors.begin(), errors.end(), expected_errors.begin(), [](float a, float b) { return std::fabs(a - b) <= 1e-4f * b; })) parity.Fail(name + ": measured errors differ");
  else if (!ok || nonfinite != outcome.nonfinite) parity.Fail(name + ": outcomes differ");
}

/// One shape of many; 1 when it threw.
int CheckOne(const DeviceSession& session, const std::string& format, infernode_kv_dtype dtype, bool usual, GpuCheckRandom& random, Parity& parity) {
  static const uint32_t dims[] = {128, 64, 256, 96, 5};
  const bool rotates = format.find("_r") != std::string::npos, nhd = random() % 2, hostile = random() % 2;
  const uint32_t dim = usual ? 128 : dims[random() % (rotates ? 3 : 5)], per_record = random() % 2 ? 8 : 1, heads = 1 + random() % 4;
  const std::string name = format + (dtype ? " fp16" : " bf16") + (nhd ? " nhd " : " hnd ") + std::to_string(per_record) + "x16x" + std::to_string(heads) + "x" + std::to_string(dim);
  try {
    CheckParity(session, SectionOf(format, dtype, nhd, dim, heads, 2 * per_record, per_record), name, hostile, random, parity);
    return 0;
  } catch (const std::exception& error) {
    parity.Fail(name + ": " + error.what());
    return 1;
  }
}

}  // namespace

void Tell(const char* name, double value, int decimals) {
  std::printf("%s %.*f\n", name, decimals, value);
  std::fflush(stdout);
}

void Tell(const char* name, const std::string& text) {
  std::printf("%s \"%s\"\n", name, text.c_str());
  std::fflush(stdout);
}

size_t CheckAllParity(const DeviceSession& session, GpuCheckRandom& random, int rounds) {
  Parity parity;
  int thrown = 0;
  for (int round = 0; round < rounds; ++round)
    for (const char* code : {"int8", "int4s", "int4a", "e4m3", "e5m2"})
      for (const char* grouping : {"head", "tok", "g32", "g64", "g24", "chan", "head_r", "tok_r", "g64_r", "chan_r"})
        for (const infernode_kv_dtype dtype : {INFERNODE_KV_BF16, INFERNODE_KV_FP16}) {
          thrown += CheckOne(session, std::string(code) + "_" + grouping, dtype, round == 0, random, parity);
          Tell("cases", parity.cases, 0);
          Tell("failures", static_cast<double>(parity.failures), 0);
          // What a device cannot do twice, it cannot do a thousand times: after a sticky error every call fails.
          if (thrown == kMostThrown) return parity.failures;
        }
  return parity.failures;
}

}  // namespace infernode::kv
