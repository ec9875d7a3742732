#include "cuda/cuda_abi.h"

#include <cstdio>

namespace infernode::cuda {

const char* ResultName(Result code) {
  switch (code) {
#define X(number, name) \
  case number:          \
    return #name;
#include "cuda/result_names.inc"
#undef X
    default:
      break;
  }
  thread_local char name[32];
  std::snprintf(name, sizeof name, "CUDA_ERROR_%d", code);
  return name;
}

bool IsSticky(Result code) {
  switch (code) {
    case 214:  // ECC uncorrectable
    case 220:  // NVLink uncorrectable
    case 226:  // contained memory error
    case 700:  // illegal address
    case 702:  // launch time-out
    case 710:  // assert
    case 714:  // hardware stack error
    case 715:  // illegal instruction
    case 716:  // misaligned address
    case 717:  // invalid address space
    case 718:  // invalid program counter
    case 719:  // launch failed
      return true;
    default:
      return false;
  }
}

}  // namespace infernode::cuda
