// The probe kernels' work on the host: what the libcuda simulator runs.
#include <cstring>

#include "probe/kernel_abi.h"

namespace infernode::probe {
namespace {

template <class T>
T* At(uint64_t address) {
  return reinterpret_cast<T*>(static_cast<uintptr_t>(address));
}

template <class T>
bool Read(const void* params, size_t bytes, T* out) {
  if (bytes != sizeof *out) return false;
  std::memcpy(out, params, bytes);
  return true;
}

void Report(uint64_t mismatches, uint64_t index) {
  auto* m = At<Mismatches>(mismatches);
  ++m->count;
  if (index + 1 < m->first) m->first = index + 1;
}

float FromBf16(uint16_t bits) {
  const uint32_t wide = uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

void Multiply(const MatrixParams& p) {
  const auto *a = At<const uint16_t>(p.a), *b = At<const uint16_t>(p.b);
  auto* c = At<float>(p.c);
  std::memset(c, 0, size_t{4} * p.n * p.n);
  for (size_t i = 0; i < p.n; ++i)
    for (size_t k = 0; k < p.n; ++k) {
      const float x = FromBf16(a[i * p.n + k]);
      for (size_t j = 0; j < p.n; ++j) c[i * p.n + j] += x * FromBf16(b[k * p.n + j]);
    }
}

}  // namespace

bool RunKernelOnHost(const char* name, const void* params, size_t bytes) {
  const auto is = [name](const char* kernel) { return std::strcmp(name, kernel) == 0; };
  PatternParams pattern;
  MatrixParams matrix;
  CompareParams compare;
  BeatParams beat;
  if (is("infernode_probe_fill") && Read(params, bytes, &pattern)) {
    for (uint64_t i = 0; i < pattern.words; ++i) At<uint64_t>(pattern.memory)[i] = PatternWord(pattern.seed, i);
  } else if (is("infernode_probe_verify") && Read(params, bytes, &pattern)) {
    for (uint64_t i = 0; i < pattern.words; ++i)
      if (At<uint64_t>(pattern.memory)[i] != PatternWord(pattern.seed, i)) Report(pattern.mismatches, i);
  } else if (is("infernode_probe_matrix") && Read(params, bytes, &matrix)) {
    Multiply(matrix);
  } else if (is("infernode_probe_compare") && Read(params, bytes, &compare)) {
    for (uint64_t i = 0; i < compare.words; ++i)
      if (At<uint32_t>(compare.actual)[i] != At<uint32_t>(compare.expected)[i]) Report(compare.mismatches, i);
  } else if (is("infernode_probe_beat") && Read(params, bytes, &beat)) {
    ++*At<uint64_t>(beat.counter);
  } else {
    return false;
  }
  return true;
}

}  // namespace infernode::probe
