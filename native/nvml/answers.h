// How answers of the driver are kept in a row.
#pragma once

#include <cstring>
#include <limits>

#include "nvml/nvml_abi.h"

namespace infernode::nvml {

/// A column that the part has, and that could not be read this time; NaN is "it has none".
constexpr double kFailed = std::numeric_limits<double>::infinity();

/// Codes that say "this part or driver has no such thing", now and until the driver changes.
inline bool IsUnsupported(Return result) {
  return result == kNotSupported || result == kFunctionNotFound || result == kVgpuEccNotSupported || result == kFreqNotSupported ||
         result == kArgumentVersionMismatch || result == kDeprecated;
}

inline void Copy(char* to, size_t size, const char* from) {
  const size_t length = strnlen(from, size - 1);
  std::memcpy(to, from, length);
  to[length] = '\0';
}

}  // namespace infernode::nvml
