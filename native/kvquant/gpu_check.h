// The two halves of kv_gpu_check.cc: bits (gpu_parity.cc) and times (gpu_figures.cc), and the sections that both work on.
#pragma once

#include <ctime>
#include <string>
#include <vector>

#include "kvquant/cuda/device_batch.h"

namespace infernode::kv {

struct GpuCheckOptions {
  std::string library = "libcuda.so.1", out = ".";
  int device = 0, rounds = 2, repeats = 15;
  size_t mib = 1024;
  uint64_t seed = static_cast<uint64_t>(std::time(nullptr));
  bool parity_only = false, exercise = false;
};

/// Pseudo-random numbers of one seed; a failure is found again by it.
class GpuCheckRandom {
 public:
  explicit GpuCheckRandom(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u | 1) {}
  uint32_t operator()();

 private:
  uint64_t state_;
};

/// Pages of 16 tokens; `nhd`: heads within a token, else tokens within a head.
infernode_kv_section SectionOf(const std::string& format, infernode_kv_dtype dtype, bool nhd, uint32_t dim, uint32_t heads, uint32_t pages, uint32_t per_record);
/// Every page once, in any order.
std::vector<int32_t> ShuffledTable(GpuCheckRandom& random, uint32_t pages);

struct Parity {
  int cases = 0;
  std::vector<std::string> failures;
};

/// Every code and grouping, both types, fresh values against the scalar reference. A case that throws is a failure of its own.
Parity CheckAllParity(const DeviceSession& session, GpuCheckRandom& random, int rounds);

struct Row {
  std::string format;
  double budget, bits, encode, decode, encode_few;  // shares of the copy
};

/// Microseconds from a block table on the host to records on the host, 80 layers x K and V, and the part of it that the calling thread
/// spends before it waits.
struct Chain {
  uint32_t records;
  double per_layer, per_layer_cpu, batched, graph;
};

constexpr uint32_t kChainSections = 160;

struct Figures {
  double copy_gb_per_s = 0, launch_us = 0;
  std::vector<Row> rows;
  std::vector<Chain> chains;
  /// Parts that could not be measured, and why; the others stand.
  std::vector<std::string> missing;
};

Figures MeasureAll(const DeviceSession& session, GpuCheckRandom& random, const GpuCheckOptions& options);

}  // namespace infernode::kv
