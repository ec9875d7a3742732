// Quantizes and dequantizes vectors on a GPU, or on the libcuda simulator, for `infernode kv vectors`: a process of its own, because
// CUDA never lives in the caller. A vector is a line "format dtype tokens heads dim hex"; its answer is a line "codes headers decoded nonfinite errors" in hex,
// codes in record order, an f32 error for each head, or "! why". `infernode-kv-vectors [LIBRARY [DEVICE]]`.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "kvquant/infernode_kv.h"

namespace {

std::string ToHex(const void* data, size_t bytes) {
  static const char digits[] = "0123456789abcdef";
  const auto* at = static_cast<const uint8_t*>(data);
  std::string hex(2 * bytes, '0');
  for (size_t i = 0; i < bytes; ++i) hex[2 * i] = digits[at[i] >> 4], hex[2 * i + 1] = digits[at[i] & 15];
  return hex.empty() ? "-" : hex;
}

bool FromHex(const std::string& hex, std::vector<uint16_t>& values) {
  if (hex.size() != 4 * values.size()) return false;
  auto* bytes = reinterpret_cast<uint8_t*>(values.data());
  for (size_t i = 0; i < hex.size() / 2; ++i) {
    char* end = nullptr;
    const char pair[] = {hex[2 * i], hex[2 * i + 1], 0};
    bytes[i] = static_cast<uint8_t>(std::strtoul(pair, &end, 16));
    if (*end) return false;
  }
  return true;
}

std::string Run(infernode_kv_cuda* cuda, const std::string& line) {
  std::istringstream words(line);
  std::string format, dtype, hex;
  infernode_kv_section s{};
  words >> format >> dtype >> s.page.tokens >> s.page.heads >> s.page.dim >> hex;
  s.page.dtype = dtype == "fp16" ? INFERNODE_KV_FP16 : INFERNODE_KV_BF16;
  s.page.token_stride = int64_t{s.page.heads} * s.page.dim, s.page.head_stride = s.page.dim;
  s.pages = s.pages_per_record = 1;
  size_t bytes = 0;
  infernode_kv_result result = infernode_kv_parse_format(format.c_str(), &s.format);
  if (result == INFERNODE_KV_OK) result = infernode_kv_section_record_bytes(&s, &bytes);
  if (result != INFERNODE_KV_OK) return std::string("! ") + infernode_kv_message(result);
  std::vector<uint16_t> values(size_t{s.page.tokens} * s.page.heads * s.page.dim), decoded(values.size(), 0xBEEF);
  if (!FromHex(hex, values)) return "! expected 2 bytes for each value of the shape, in hex";
  std::vector<uint8_t> record(bytes, 0xA5);
  const int32_t table[] = {0};
  char why[512] = "";
  std::vector<float> errors(s.page.heads);
  result = infernode_kv_cuda_encode_paged_errors(cuda, &s, values.data(), values.size(), table, 1, record.data(), bytes, errors.data(), nullptr, why, sizeof why);
  if (result == INFERNODE_KV_OK)
    result = infernode_kv_cuda_decode_paged(cuda, &s, record.data(), bytes, table, 1, decoded.data(), decoded.size(), nullptr, why, sizeof why);
  infernode_kv_record info;
  if (result != INFERNODE_KV_OK || infernode_kv_read_record(record.data(), bytes, 1, &info) != INFERNODE_KV_OK) return std::string("! ") + (why[0] ? why : "the record cannot be read back");
  std::vector<uint8_t> ordered(info.code_bytes);
  infernode_kv_record_order(&info.format, &info.shape, record.data() + INFERNODE_KV_RECORD_HEAD, info.code_bytes, ordered.data());
  return ToHex(ordered.data(), ordered.size()) + " " + ToHex(record.data() + info.header_offset, 4 * info.header_count) + " " + ToHex(decoded.data(), 2 * decoded.size()) + " " +
         std::to_string(info.nonfinite) + " " + ToHex(errors.data(), sizeof(float) * errors.size());
}

}  // namespace

int main(int count, char** arguments) {
  infernode_kv_cuda* cuda = nullptr;
  char why[512];
  if (infernode_kv_cuda_open(count > 1 ? arguments[1] : nullptr, count > 2 ? std::atoi(arguments[2]) : 0, &cuda, why, sizeof why) != INFERNODE_KV_OK) {
    std::fprintf(stderr, "%s\n", why);
    return 1;
  }
  std::cout << infernode_kv_cuda_device_name(cuda) << "\n";
  for (std::string line; std::getline(std::cin, line);) std::cout << Run(cuda, line) << "\n";
  infernode_kv_cuda_close(cuda);
  return 0;
}
