// The KV kernels on a real GPU: parity with the scalar reference, bandwidth beside a device-to-device copy, the cost of launches and of the whole
// chain. Each part is a process with a time limit; after each the report (one JSON, one Markdown file) is written anew, so that a part that hangs
// or dies costs its own results only. scripts/gpu-check builds and runs it; over the libcuda simulator it shows that the check itself
// works, and times nothing.
//
//   infernode-kv-gpu-check [--library libcuda.so.1] [--device 0] [--seed N] [--rounds 2] [--mib 1024] [--repeats 15] [--seconds 480]
//                          [--part-seconds N] [--part NAME] [--out DIRECTORY]
//
// `--exercise 1` has the measurements run once over the simulator too, small, and says only which of them could run. `--part parity` runs that
// part alone, in this process, and prints what it finds. Exit status 0; 1: a part failed; 2: a wrong option; 3: no usable GPU.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "kvquant/gpu_check.h"

namespace {

using namespace infernode;
using namespace infernode::kv;

constexpr const char* kFormats[] = {"int8_head", "int8_tok", "int8_chan", "e4m3_head", "e4m3_tok", "int4a_g64", "int4a_chan", "int8_tok_r", "int4a_g64_r", "raw"};

/// In the order of what a short time is best spent on.
std::vector<Part> AllParts() {
  std::vector<Part> parts{{"device", 90, false}, {"parity", 180, false}};
  for (const char* format : kFormats) parts.push_back({std::string("format ") + format, 60, true});
  for (const char* direction : {"encode", "decode"})
    for (const char* records : {"1", "2", "4", "8"}) parts.push_back({std::string("chain ") + direction + " " + records, 45, true});
  parts.push_back({"launch", 30, true});
  return parts;
}

GpuCheckOptions ReadOptions(int count, char** arguments) {
  GpuCheckOptions o;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = arguments[i], value = arguments[i + 1];
    const auto number = [&](long least, long most) { return std::clamp(std::strtol(value.c_str(), nullptr, 10), least, most); };
    if (name == "--library") o.library = value;
    else if (name == "--out") o.out = value;
    else if (name == "--device") o.device = static_cast<int>(number(0, 1023));
    else if (name == "--seed") o.seed = std::strtoull(value.c_str(), nullptr, 10);
    else if (name == "--rounds") o.rounds = static_cast<int>(number(1, 1000));
    else if (name == "--mib") o.mib = static_cast<size_t>(number(1, 16384));
    else if (name == "--repeats") o.repeats = static_cast<int>(number(1, 1001));
    else if (name == "--seconds") o.seconds = static_cast<int>(number(1, 86400));
    else if (name == "--part-seconds") o.part_seconds = static_cast<int>(number(1, 86400));
    else if (name == "--exercise") o.exercise = value == "1";
    else if (name == "--part") o.part = value;
    else std::fprintf(stderr, "unknown option %s\n", name.c_str()), std::exit(2);
  }
  return o;
}

void TellDevice(const DeviceSession& session) {
  const cuda::Context& context = *session.context();
  const auto version = [](int major, int minor) { return std::to_string(major) + "." + std::to_string(minor); };
  const int driver = context.driver().version(), capability = context.ComputeCapability();
  Tell("gpu", context.Name());
  Tell("uuid", context.Uuid());
  Tell("driverCuda", version(driver / 1000, driver % 1000 / 10));
  Tell("computeCapability", version(capability / 10, capability % 10));
  Tell("multiprocessors", session.Multiprocessors(), 0);
  Tell("peakGBps", context.PeakGBps(), 1);
  // Of the kernel that has two.
  Tell("image", session.Kernel(true, false, false).module.image);
}

/// The work of one process. Over a simulator a measurement is small, and what it tells goes nowhere.
int RunOne(const GpuCheckOptions& options) {
  GpuCheckOptions o = options;
  const std::shared_ptr<DeviceSession> session = DeviceSession::Open(o.library.c_str(), o.device);
  if (session->context()->Name().find("simulated") != std::string::npos) o.mib = 1, o.repeats = 1;
  GpuCheckRandom random(o.seed);
  const std::string kind = o.part.substr(0, o.part.find(' ')), what = o.part.substr(std::min(o.part.size(), kind.size() + 1));
  if (kind == "device") return TellDevice(*session), 0;
  if (kind == "parity") return CheckAllParity(*session, random, o.rounds) == 0 ? 0 : 1;
  if (kind == "format") return MeasureFormat(*session, random, o, what), 0;
  if (kind == "launch") return MeasureLaunch(*session), 0;
  if (kind == "chain") return MeasureChain(session, random, o, what[0] == 'e', static_cast<uint32_t>(std::clamp(std::atoi(what.c_str() + what.find(' ')), 1, 8))), 0;
  return std::fprintf(stderr, "unknown part %s\n", o.part.c_str()), 2;
}

int RunAll(const GpuCheckOptions& o, int count, char** arguments) {
  std::vector<Part> parts = AllParts();
  // Every process works on the input of one seed, which the report names.
  std::string option = "--seed", seed = std::to_string(o.seed);
  std::vector<char*> words(arguments, arguments + count);
  words.insert(words.end(), {option.data(), seed.data()});
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(o.seconds);
  std::vector<PartResult> results;
  bool failed = false;
  for (const Part& part : parts) {
    if (part.measures && IsSimulated(results) && !o.exercise) continue;
    const int left = static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(end - std::chrono::steady_clock::now()).count());
    PartResult result;
    result.part = part, result.reason = "no time left";
    if (left > 0) result = RunPart(part, std::min({part.limit_s, left, o.part_seconds}), static_cast<int>(words.size()), words.data());
    if (part.name == "device" && result.no_gpu) return 3;
    std::fprintf(stderr, "[%zu/%zu] %s: %s after %.1f s\n", results.size() + 1, parts.size(), part.name.c_str(), PartStateName(result.state), result.seconds);
    results.push_back(result);
    failed |= result.state != PartState::kDone;
    if (!WriteReport(o, results)) return 1;
    // Where the device does not even open, each other part would take its whole time to say so.
    if (part.name == "device" && result.state != PartState::kDone) break;
  }
  PrintReport(o, results);
  return failed ? 1 : 0;
}

}  // namespace

int main(int count, char** arguments) {
  const GpuCheckOptions o = ReadOptions(count, arguments);
  try {
    return o.part.empty() ? RunAll(o, count, arguments) : RunOne(o);
  } catch (const DriverUnavailable& error) {
    return std::fprintf(stderr, "infernode-kv-gpu-check: %s\n", error.what()), 3;
  } catch (const std::exception& error) {
    // A device that cannot be opened, or not run these kernels, is no usable GPU.
    return std::fprintf(stderr, "infernode-kv-gpu-check: %s\n", error.what()), o.part == "device" ? 3 : 1;
  }
}
