// A scenario: everything that scenario.json says, checked and ready to be read by many threads. Immutable once parsed; a new
// version of the file becomes a new Scenario (scenario_file.h).
#pragma once

#include <bitset>
#include <string>
#include <string_view>
#include <vector>

#include "nvml_sim/device_scenario.h"
#include "nvml_sim/function_table.h"

namespace infernode::nvml_sim {

constexpr u32 kMaxDevices = 64;
constexpr size_t kMaxRules = 1024;
constexpr size_t kMaxEvents = 4096;

/// A rule of `hangs`, `delays` or `returns`.
struct Rule {
  /// kCount stands for every function ("*").
  Function function = Function::kCount;
  /// Position of the device; -1 for any, and for calls that belong to none.
  int device = -1;
  u64 delay_us = 0;
  Return code = kSuccess;
  /// The rule applies that many times (per process); 0 is for ever.
  u64 times = 0;
  /// What tells the rule apart over new versions of the file, so that its count goes on.
  std::string identity;

  bool Matches(Function called, int on) const {
    return (function == called || function == Function::kCount) && (device < 0 || device == on);
  }
};

struct ScenarioEvent {
  u64 seq = 0;
  u32 device = 0;
  u64 type = 0;
  u64 data = 0;
  u32 gpu_instance = UINT32_MAX, compute_instance = UINT32_MAX;
  /// True for an event that happened without NVML telling (only the kernel log has it).
  bool dropped = false;
};

struct ExcludedDevice {
  std::string uuid, pciBusId;
};

struct Scenario {
  std::string driver_version = "580.65.06";
  /// Empty: `<api>.<driver version>`.
  std::string nvml_version;
  u32 branch = 580;
  u32 api_version = 13000;
  int cuda_version = 13000;
  u64 latency_us = 0;
  bool global_lock = false;
  bool drop_events = false;
  /// Events that one event set holds before it loses newer ones.
  u32 event_queue_length = 64;
  bool confidential_compute = false;
  bool confidential_ready = true;

  std::vector<DeviceScenario> devices;
  std::vector<ScenarioEvent> events;
  /// The highest sequence number ever given out, which outlives the events themselves.
  u64 newest_seq = 0;
  std::vector<Rule> hangs, delays, returns;
  /// Functions with at least one rule; the others skip the search.
  std::bitset<kFunctionCount> ruled;
  std::bitset<kFunctionCount> missing;
  /// Highest struct version that a function accepts; 0 for no limit beyond the driver's.
  std::array<u32, kFunctionCount> struct_versions{};
  std::vector<ExcludedDevice> excluded;
};

/// False with `error` when the text is no scenario. `warnings` names what was ignored: a misspelt setting must not stop the
/// rest from working, and must not pass in silence.
bool ParseScenario(std::string_view text, Scenario* scenario, std::vector<std::string>* warnings, std::string* error);

/// `0000:61:00.0` and `00000000:61:00.0` alike; false when it is neither.
bool ParsePciBusId(std::string_view text, u32* domain, u32* bus, u32* device);

}  // namespace infernode::nvml_sim
