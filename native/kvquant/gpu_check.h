// The parts of kv_gpu_check.cc: bits (gpu_parity.cc) and times (gpu_figures.cc, gpu_chains.cc), each made in a process of its own (gpu_processes.cc) and put
// together in one report (gpu_report.cc).
#pragma once

#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "kvquant/cuda/device_session.h"

namespace infernode::kv {

struct GpuCheckOptions {
  std::string library = "libcuda.so.1", out = ".";
  int device = 0, rounds = 2, repeats = 15;
  size_t mib = 1024;
  uint64_t seed = static_cast<uint64_t>(std::time(nullptr));
  bool exercise = false;
  /// Of all parts together; each has a limit of its own too, which `part_seconds` can lower.
  int seconds = 480, part_seconds = 3600;
  /// The one part that this process is for; empty in the process that reports.
  std::string part;
};

struct Part {
  std::string name;
  int limit_s;
  bool measures;  ///< times, which a simulator has none of
};

enum class PartState { kDone, kFailed, kTimedOut, kDied, kSkipped };
/// `done`, `failed`, `timed-out`, `died`, `skipped`.
const char* PartStateName(PartState state);

struct PartResult {
  Part part;
  PartState state = PartState::kSkipped;
  double seconds = 0;
  std::string reason;
  /// What it told, in order: a name and a literal as JSON has it. Whatever becomes of the part, what it told stands.
  std::vector<std::pair<std::string, std::string>> values;
  bool no_gpu = false;

  /// Null when it did not tell.
  const std::string* Value(const std::string& name) const;
  double Number(const std::string& name) const;
};

/// Runs the part in a process of its own, which is killed after `limit_s`.
PartResult RunPart(const Part& part, int limit_s, int argument_count, char** arguments);

/// Writes the two files anew. False when they cannot be written.
bool WriteReport(const GpuCheckOptions& options, const std::vector<PartResult>& results);
/// The Markdown on standard output.
void PrintReport(const GpuCheckOptions& options, const std::vector<PartResult>& results);
bool IsSimulated(const std::vector<PartResult>& results);

// In the process of a part:

/// One value of a report, on standard output as soon as it is known.
void Tell(const char* name, double value, int decimals);
void Tell(const char* name, const std::string& text);

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

/// bf16 around 1, of both signs.
std::vector<uint16_t> RandomValues(GpuCheckRandom& random, size_t count);
double Median(std::vector<double> values);

/// Every code and grouping, both types, fresh values, poisoned output, against the scalar reference. Tells `cases` and `failures` as they come,
/// and gives the failures; a case that throws is one.
size_t CheckAllParity(const DeviceSession& session, GpuCheckRandom& random, int rounds);

/// 80 layers x K and V.
constexpr uint32_t kChainSections = 160;

/// Each throws where the bits are wrong: a time of wrong work is none.
void MeasureFormat(const DeviceSession& session, GpuCheckRandom& random, const GpuCheckOptions& options, const std::string& format);
void MeasureLaunch(const DeviceSession& session);
void MeasureChain(std::shared_ptr<DeviceSession> session, GpuCheckRandom& random, const GpuCheckOptions& options, bool encode, uint32_t records);

}  // namespace infernode::kv
