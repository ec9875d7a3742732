// The exported functions as an enum, so that rules of a scenario find theirs by index.
#pragma once

#include <string_view>

#include "nvml_sim/nvml_types.h"

namespace infernode::nvml_sim {

enum class Function : u32 {
#define X(name, since) name,
#include "nvml_sim/functions.inc"
#undef X
  kCount
};

constexpr size_t kFunctionCount = static_cast<size_t>(Function::kCount);

/// kCount when no function has that name.
Function FindFunction(std::string_view name);
/// The NVML API version (13.1 is 13010) that brought the function.
u32 SinceOf(Function function);

}  // namespace infernode::nvml_sim
