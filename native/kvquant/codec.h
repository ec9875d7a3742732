// One head of one record by either path: where the fast kernels and the reference meet.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kvquant/infernode_kv.h"
#include "kvquant/simd.h"

namespace infernode::kv {

/// Working memory of one thread, kept from call to call.
class Scratch {
 public:
  /// The calling thread's, large enough for one head of `s` in format `f` and `pages` pages; null without memory.
  static Scratch* For(const infernode_kv_format& f, const infernode_kv_shape& s, uint32_t pages);
  /// Gives memory of unusually large blocks back; call it when the work is done.
  void Trim();

  uint16_t* rows = nullptr;       ///< [tokens][dim] of one head
  float* floats = nullptr;        ///< 2 x [tokens][dim], for the reference
  uint8_t* codes = nullptr;       ///< of one head, aligned to 64
  uint32_t* headers = nullptr;    ///< of all heads, aligned to 64
  const uint16_t** pages = nullptr;       ///< of one record
  const uint16_t** next_pages = nullptr;  ///< of the record after it

  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();

 private:
  bool Reserve(size_t bytes);
  uint8_t* memory_ = nullptr;
  size_t size_ = 0;
};

/// `s` is the record's shape. `next`, which may be null, is fetched meanwhile. Adds to `nonfinite`.
void EncodeRecordHead(bool simd, const infernode_kv_format& f, const infernode_kv_shape& s, const HeadInput& in, const HeadInput* next,
                      Scratch& scratch, uint8_t* codes, uint32_t* headers, uint64_t* nonfinite);

void DecodeRecordHead(bool simd, const infernode_kv_format& f, const infernode_kv_shape& s, const uint8_t* codes, const uint32_t* headers,
                      Scratch& scratch, const HeadOutput& out, bool stream);

/// sqrt(error / energy) of sums of squares; 1 where it is not finite.
float RelativeError(double energy, double error);

/// RelativeError of a decoder's output for one head.
float HeadError(bool simd, const infernode_kv_format& f, const infernode_kv_shape& s, const HeadInput& in, const uint8_t* codes,
                const uint32_t* headers, Scratch& scratch);

}  // namespace infernode::kv
