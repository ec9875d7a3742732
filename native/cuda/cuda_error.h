// What a failed driver call becomes inside infernode: the call, the enum's name, and what was being done.
#pragma once

#include <stdexcept>
#include <string>

#include "cuda/cuda_abi.h"

namespace infernode::cuda {

struct CudaError : std::runtime_error {
  CudaError(const char* failed_call, Result result, const std::string& detail = "")
      : std::runtime_error(std::string(failed_call) + " answered " + ResultName(result) + (detail.empty() ? "" : ": " + detail)),
        call(failed_call),
        code(result) {}
  const char* call;
  Result code;
};

}  // namespace infernode::cuda
