// Fuzz target of the record parser: any bytes may be given to infernode_kv_read_record, and what it lets through must be decodable.
// With clang: `clang++ -fsanitize=fuzzer,address,undefined -DINFERNODE_LIBFUZZER`, beside the library's sources. Without it this is a driver of
// its own: `infernode-kv-record-fuzz [seed] [inputs] [files...]` mutates a corpus of good records (and the files). Meant for a build with
// sanitizers; prints how many inputs got how far, and returns 1 when the parser lets a record through that then cannot be decoded.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "kvquant/infernode_kv.h"

namespace {

/// A head may ask for a gigabyte; what is decoded here is bounded.
constexpr uint64_t kMostElements = 1u << 16;

struct Counts {
  uint64_t heads = 0, whole = 0, broken = 0;
} counts;

/// Decodes by both paths, and compares them; false when a record that was let through is refused now.
bool Decodes(const uint8_t* record, const infernode_kv_record& info) {
  const infernode_kv_shape& s = info.shape;
  const uint64_t elements = uint64_t{s.tokens} * s.heads * s.dim;
  if (elements > kMostElements) return true;
  const infernode_kv_section section{info.format, s, static_cast<int64_t>(elements), 1, 1};
  const int32_t table[] = {0};
  std::vector<uint16_t> out[2];
  for (int path = 0; path < 2; ++path) {
    out[path].resize(elements);
    const auto result = infernode_kv_decode_paged(nullptr, static_cast<infernode_kv_path>(path), &section, record, INFERNODE_KV_RECORD_HEAD + info.payload_bytes, table, 1,
                                                  out[path].data(), elements, nullptr);
    if (result != INFERNODE_KV_OK) return false;
  }
  return out[0] == out[1];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Exactly as many bytes on the heap, so that a step past the end is found.
  const std::unique_ptr<uint8_t[]> bytes(new uint8_t[size]);
  if (size) std::memcpy(bytes.get(), data, size);
  infernode_kv_record info;
  if (infernode_kv_read_record(bytes.get(), size, 0, &info) != INFERNODE_KV_OK) return 0;
  ++counts.heads;
  char name[32];
  if (infernode_kv_format_name(&info.format, name, sizeof name) != INFERNODE_KV_OK) ++counts.broken;
  if (infernode_kv_read_record(bytes.get(), size, 1, &info) != INFERNODE_KV_OK) return 0;
  ++counts.whole;
  if (!Decodes(bytes.get(), info)) ++counts.broken;
  return 0;
}

#ifndef INFERNODE_LIBFUZZER
namespace {

using Input = std::vector<uint8_t>;

uint64_t state;
uint32_t Next() {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return static_cast<uint32_t>(state >> 16);
}
uint32_t Below(size_t n) { return Next() % static_cast<uint32_t>(n); }

Input GoodRecord(const char* format, infernode_kv_dtype dtype, uint32_t tokens, uint32_t heads, uint32_t dim) {
  infernode_kv_section s{};
  infernode_kv_parse_format(format, &s.format);
  s.page = {dtype, tokens, heads, dim, int64_t{heads} * dim, dim};
  s.page_stride = int64_t{tokens} * heads * dim, s.pages = 1, s.pages_per_record = 1;
  std::vector<uint16_t> cache(static_cast<size_t>(s.page_stride));
  for (uint16_t& v : cache) v = static_cast<uint16_t>(Next());
  size_t bytes = 0;
  infernode_kv_section_record_bytes(&s, &bytes);
  Input record(bytes);
  const int32_t table[] = {0};
  infernode_kv_encode_paged(nullptr, INFERNODE_KV_SIMD, &s, cache.data(), cache.size(), table, 1, record.data(), bytes, nullptr, nullptr);
  return record;
}

/// Makes the checksums right again, so that what they guard is reached: of the payload as far as there is one, then of the head.
void Reseal(Input* input) {
  if (input->size() < INFERNODE_KV_RECORD_HEAD) return;
  const uint64_t payload = infernode_kv_checksum(input->data() + INFERNODE_KV_RECORD_HEAD, input->size() - INFERNODE_KV_RECORD_HEAD);
  std::memcpy(input->data() + 48, &payload, 8);
  std::memset(input->data() + 56, 0, 8);
  const uint64_t head = infernode_kv_checksum(input->data(), INFERNODE_KV_RECORD_HEAD);
  std::memcpy(input->data() + 56, &head, 8);
}

void Mutate(Input* input, const std::vector<Input>& corpus) {
  static const uint32_t edges[] = {0, 1, 2, 3, 7, 31, 64, 127, 255, 0x7FFF, 0xFFFF, 1u << 16, 1u << 30, 0x7FFFFFFF, 0x80000000u, 0xFFFFFFFFu, 0x7F800000, 0x7FC00000};
  switch (Below(6)) {
    case 0: (*input)[Below(input->size())] ^= static_cast<uint8_t>(1u << Below(8)); break;
    case 1: (*input)[Below(input->size())] = static_cast<uint8_t>(Next()); break;
    case 2: {  // a field of the head takes a number at an edge
      const uint32_t edge = edges[Below(std::size(edges))], at = 4 * Below(INFERNODE_KV_RECORD_HEAD / 4);
      if (at + 4 <= input->size()) std::memcpy(input->data() + at, &edge, 4);
      break;
    }
    case 3: (*input)[8 + Below(4)] = static_cast<uint8_t>(Below(8)); break;  // code, grouping, dtype, rotation
    case 4: input->resize(1 + Below(2 * input->size())); break;
    default: {  // the head of one, the payload of another
      const Input& other = corpus[Below(corpus.size())];
      std::memcpy(input->data(), other.data(), std::min<size_t>(INFERNODE_KV_RECORD_HEAD, std::min(input->size(), other.size())));
    }
  }
  if (input->size() < 12) input->resize(12);
}

}  // namespace

int main(int count, char** arguments) {
  const uint64_t seed = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1;
  const uint64_t inputs = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 100000;
  state = seed * 0x9E3779B97F4A7C15u | 1;
  std::vector<Input> corpus;
  for (const char* format : {"int8_head", "int8_chan", "int4s_tok", "int4a_g64", "int4a_g24", "e4m3_tok", "e5m2_head", "int8_tok_r", "raw"})
    for (const uint32_t dim : {1u, 32u, 64u, 96u})
      if (dim != 96 || !std::strstr(format, "_r")) corpus.push_back(GoodRecord(format, dim == 64 ? INFERNODE_KV_FP16 : INFERNODE_KV_BF16, 1 + Below(5), 1 + Below(3), dim));
  for (int i = 3; i < count; ++i) {
    std::ifstream file(arguments[i], std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    if (corpus.back().size() < 12) corpus.back().resize(12);
  }
  for (const Input& input : corpus) LLVMFuzzerTestOneInput(input.data(), input.size());
  for (uint64_t i = 0; i < inputs; ++i) {
    Input input = corpus[Below(corpus.size())];
    for (uint32_t n = 1 + Below(4); n > 0; --n) Mutate(&input, corpus);
    if (Below(4)) Reseal(&input);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("record fuzz: seed %llu, %llu inputs, %llu with a good head, %llu verified, %llu broken\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(inputs), static_cast<unsigned long long>(counts.heads), static_cast<unsigned long long>(counts.whole),
              static_cast<unsigned long long>(counts.broken));
  return counts.broken == 0 && counts.whole > 0 ? 0 : 1;
}
#endif
