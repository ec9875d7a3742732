// `psum64`, the checksum of a record's payload: a sum of products of 64-bit words with their position, so that SIMD lanes,
// threads and CUDA blocks may add their parts in any order. It finds accidents (flipped, lost, swapped words), not forgers.
//
//   S = sum over words w[i], i from 0:  lo32(w[i] ^ k[i]) * hi32(w[i] ^ k[i]) + w[i],   k[i] = (i + 1) * 0x9E3779B97F4A7C15
//   psum64 = mix(S + words * 0xC2B2AE3D27D4EB4F),   mix(h): h ^= h >> 33, h *= 0xFF51AFD7ED558CCD, h ^= h >> 33      (all mod 2^64)
//
// Words are little-endian; a payload is always padded with zeros to whole 64-byte lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace infernode::kv {

static constexpr uint64_t kChecksumStep = 0x9E3779B97F4A7C15u;

/// What word `index` adds to the sum.
static constexpr uint64_t ChecksumTerm(uint64_t word, uint64_t index) {
  const uint64_t x = word ^ ((index + 1) * kChecksumStep);
  return (x & 0xFFFFFFFFu) * (x >> 32) + word;
}

/// The part of words [first, first + bytes / 8): the obvious form that the vector forms are pinned to.
static inline uint64_t ChecksumPart(const uint8_t* from, size_t bytes, uint64_t first) {
  uint64_t sum = 0;
  for (size_t at = 0; at < bytes; at += 8) {
    uint64_t word;
    std::memcpy(&word, from + at, 8);
    sum += ChecksumTerm(word, first++);
  }
  return sum;
}

static constexpr uint64_t FinishChecksum(uint64_t sum, uint64_t words) {
  uint64_t h = sum + words * 0xC2B2AE3D27D4EB4Fu;
  h ^= h >> 33;
  h *= 0xFF51AFD7ED558CCDu;
  return h ^ h >> 33;
}

}  // namespace infernode::kv
