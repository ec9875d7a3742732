#include "nvml/symbols.h"

#include <cstdio>
#include <iterator>

namespace infernode::nvml {

namespace {

constexpr const char* kCallNames[] = {
    "",
#define X(name, need, args) #name,
    INFERNODE_NVML_SYMBOLS(X)
#undef X
};

constexpr const char* kReturnNames[] = {
    "NVML_SUCCESS",
    "NVML_ERROR_UNINITIALIZED",
    "NVML_ERROR_INVALID_ARGUMENT",
    "NVML_ERROR_NOT_SUPPORTED",
    "NVML_ERROR_NO_PERMISSION",
    "NVML_ERROR_ALREADY_INITIALIZED",
    "NVML_ERROR_NOT_FOUND",
    "NVML_ERROR_INSUFFICIENT_SIZE",
    "NVML_ERROR_INSUFFICIENT_POWER",
    "NVML_ERROR_DRIVER_NOT_LOADED",
    "NVML_ERROR_TIMEOUT",
    "NVML_ERROR_IRQ_ISSUE",
    "NVML_ERROR_LIBRARY_NOT_FOUND",
    "NVML_ERROR_FUNCTION_NOT_FOUND",
    "NVML_ERROR_CORRUPTED_INFOROM",
    "NVML_ERROR_GPU_IS_LOST",
    "NVML_ERROR_RESET_REQUIRED",
    "NVML_ERROR_OPERATING_SYSTEM",
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH",
    "NVML_ERROR_IN_USE",
    "NVML_ERROR_MEMORY",
    "NVML_ERROR_NO_DATA",
    "NVML_ERROR_VGPU_ECC_NOT_SUPPORTED",
    "NVML_ERROR_INSUFFICIENT_RESOURCES",
    "NVML_ERROR_FREQ_NOT_SUPPORTED",
    "NVML_ERROR_ARGUMENT_VERSION_MISMATCH",
    "NVML_ERROR_DEPRECATED",
    "NVML_ERROR_NOT_READY",
    "NVML_ERROR_GPU_NOT_FOUND",
    "NVML_ERROR_INVALID_STATE",
    "NVML_ERROR_RESET_TYPE_NOT_SUPPORTED",
};

}  // namespace

const char* CallName(Call call) {
  const auto index = static_cast<size_t>(call);
  return index < std::size(kCallNames) ? kCallNames[index] : "";
}

const char* ReturnName(Return code) {
  if (code >= 0 && static_cast<size_t>(code) < std::size(kReturnNames)) return kReturnNames[code];
  if (code == kUnknown) return "NVML_ERROR_UNKNOWN";
  thread_local char name[32];
  std::snprintf(name, sizeof name, "NVML_ERROR_%d", code);
  return name;
}

}  // namespace infernode::nvml
