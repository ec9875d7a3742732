#include "probe/preflight.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "probe/gpu.h"
#include "probe/report.h"

namespace infernode::probe {
namespace {

/// The device did something wrong.
struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string DeviceJson(const Gpu& gpu) {
  const cuda::Context& c = *gpu.context();
  const int capability = c.ComputeCapability();
  return "{\"index\":" + std::to_string(gpu.index()) + ",\"uuid\":" + JsonString(c.Uuid()) + ",\"name\":" + JsonString(c.Name()) + ",\"computeCapability\":\"" +
         std::to_string(capability / 10) + "." + std::to_string(capability % 10) + "\",\"cudaVersion\":" + std::to_string(c.driver().version()) +
         ",\"totalBytes\":" + std::to_string(c.TotalBytes()) + ",\"freeBytes\":" + std::to_string(c.FreeBytes()) + "}";
}

/// What verifying kernels count into.
class MismatchCounter {
 public:
  explicit MismatchCounter(Gpu& gpu) : gpu_(gpu), memory_(gpu.context(), sizeof(Mismatches)) { Reset(); }
  cuda::DevicePtr address() const { return memory_.get(); }
  void Reset() {
    static constexpr Mismatches kNone{0, ~uint64_t{0}};
    gpu_.Upload(memory_.get(), &kNone, sizeof kNone);
  }
  /// Waits, and throws for anything that was counted.
  void Expect(const std::string& what, size_t word_bytes) {
    Mismatches seen{};
    gpu_.Download(&seen, memory_.get(), sizeof seen);
    gpu_.Wait();
    if (seen.count > 0) throw Wrong(what + ": " + std::to_string(seen.count) + " wrong words, the first at byte " + std::to_string((seen.first - 1) * word_bytes));
  }

 private:
  Gpu& gpu_;
  cuda::DeviceMemory memory_;
};

void TestMemory(Gpu& gpu, const PreflightOptions& options, Report& report) {
  const size_t bytes = std::min(options.memory_bytes, gpu.context()->FreeBytes() / 2) / 8 * 8;
  if (bytes == 0) return report.Skip("no free memory");
  const cuda::DeviceMemory memory(gpu.context(), bytes);
  MismatchCounter mismatches(gpu);
  report.Add("bytes", static_cast<double>(bytes));
  for (const uint64_t seed : {kZeros, kOnes, uint64_t{0x5A5A5A5A5A5A5A5A}, uint64_t{0x0123456789ABCDEF}}) {
    const PatternParams params{memory.get(), bytes / 8, seed, mismatches.address()};
    gpu.Launch("infernode_probe_fill", params, params.words);
    gpu.Launch("infernode_probe_verify", params, params.words);
    mismatches.Expect("memory pattern", 8);
  }
}

uint16_t Bf16(int small) {
  const auto value = static_cast<float>(small);
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>(bits >> 16);
}

/// Entries of -8 to 8: exact in bf16, and sums of 256 products exact in f32.
int EntryOf(uint32_t row, uint32_t column, uint32_t salt) { return static_cast<int>((row * 7 + column * 3 + salt) % 17) - 8; }

void TestMatrix(Gpu& gpu, Report& report) {
  constexpr uint32_t n = 256, rounds = 16;
  std::vector<uint16_t> a(n * n), b(n * n);
  std::vector<float> expected(n * n);
  for (uint32_t i = 0; i < n * n; ++i) a[i] = Bf16(EntryOf(i / n, i % n, 1)), b[i] = Bf16(EntryOf(i / n, i % n, 5));
  for (uint32_t i = 0; i < n; ++i)
    for (uint32_t k = 0; k < n; ++k)
      for (uint32_t j = 0; j < n; ++j) expected[i * n + j] += static_cast<float>(EntryOf(i, k, 1) * EntryOf(k, j, 5));
  const cuda::DeviceMemory da(gpu.context(), 2 * n * n), db(gpu.context(), 2 * n * n), c(gpu.context(), 4 * n * n), right(gpu.context(), 4 * n * n);
  gpu.Upload(da.get(), a.data(), da.bytes());
  gpu.Upload(db.get(), b.data(), db.bytes());
  gpu.Upload(right.get(), expected.data(), right.bytes());
  MismatchCounter mismatches(gpu);
  for (uint32_t round = 0; round < rounds; ++round) {
    gpu.LaunchMatrix({c.get(), da.get(), db.get(), n, 0});
    gpu.Launch("infernode_probe_compare", CompareParams{c.get(), right.get(), n * n, mismatches.address()}, n * n);
  }
  mismatches.Expect("matrix product", 4);
  report.Add("products", rounds);
}

/// Bytes per second of what `issue` puts into the stream.
template <class Issue>
double RateOf(Gpu& gpu, size_t bytes, Issue issue) {
  const cuda::Event start = cuda::NewEvent(gpu.context(), true), end = cuda::NewEvent(gpu.context(), true);
  const cuda::Current current(*gpu.context());
  const cuda::Driver& driver = gpu.context()->driver();
  INFERNODE_CUDA(driver, cuEventRecord, start.get(), gpu.stream().get());
  issue();
  INFERNODE_CUDA(driver, cuEventRecord, end.get(), gpu.stream().get());
  INFERNODE_CUDA(driver, cuEventSynchronize, end.get());
  float ms = 0;
  INFERNODE_CUDA(driver, cuEventElapsedTime, &ms, start.get(), end.get());
  return static_cast<double>(bytes) / (std::max(ms, 1e-6f) / 1000);
}

void TestCopies(Gpu& gpu, const PreflightOptions& options, Report& report) {
  const size_t bytes = std::min(options.copy_bytes, gpu.context()->FreeBytes() / 2) / 8 * 8;
  if (bytes == 0) return report.Skip("no free memory");
  const cuda::PinnedMemory out(gpu.context(), bytes), back(gpu.context(), bytes);
  const cuda::DeviceMemory memory(gpu.context(), bytes);
  for (size_t i = 0; i < bytes / 8; ++i) out.as<uint64_t>()[i] = PatternWord(0xC0FFEE, i);
  std::memset(back.get(), 0, bytes);
  report.Add("hostToDeviceBytesPerSecond", RateOf(gpu, bytes, [&] { gpu.Upload(memory.get(), out.get(), bytes); }));
  report.Add("deviceToHostBytesPerSecond", RateOf(gpu, bytes, [&] { gpu.Download(back.get(), memory.get(), bytes); }));
  if (std::memcmp(out.get(), back.get(), bytes) != 0) throw Wrong("copy: what came back is not what was sent");
}

void TestGraph(Gpu& gpu, Report& report) {
  Beat beat(gpu);
  std::vector<double> us(50);
  for (double& one : us) one = beat.Once();
  std::nth_element(us.begin(), us.begin() + 25, us.end());
  report.Add("replays", 50);
  report.Add("medianReplaySeconds", us[25] / 1e6);
}

int Examine(const PreflightOptions& options, Report& report) {
  report.Begin("context");
  Gpu gpu(options.library, options.device);
  report.Describe(DeviceJson(gpu), gpu.image());
  report.Begin("memory");
  TestMemory(gpu, options, report);
  report.Begin("matrix");
  TestMatrix(gpu, report);
  report.Begin("copy");
  TestCopies(gpu, options, report);
  report.Begin("graph");
  TestGraph(gpu, report);
  return report.Conclude("pass", "", "") ? 0 : 1;
}

/// Too little memory, and a driver or device that cannot run the kernels, are no sign of a sick device.
bool SaysNothing(cuda::Result code) { return code == cuda::kOutOfMemory || code == cuda::kUnsupportedPtxVersion || code == cuda::kNoBinaryForGpu; }

}  // namespace

int RunPreflight(const PreflightOptions& options) {
  // Never destroyed: the time limit's thread speaks through it while the process ends.
  static auto& report = *new Report;
  std::thread([limit = options.time_limit_ms] {
    std::this_thread::sleep_for(std::chrono::milliseconds(limit));
    if (report.Conclude("fail", "INFERNODE_TIMEOUT", "not done after " + std::to_string(limit) + " ms")) _exit(1);
  }).detach();
  try {
    return Examine(options, report);
  } catch (const Unavailable& error) {
    report.Conclude("unavailable", error.state, error.what());
    return 2;
  } catch (const cuda::CudaError& error) {
    const bool nothing = SaysNothing(error.code);
    report.Conclude(nothing ? "unavailable" : "fail", cuda::ResultName(error.code), error.what());
    return nothing ? 2 : 1;
  } catch (const std::exception& error) {
    report.Conclude("fail", "INFERNODE_WRONG_ANSWER", error.what());
    return 1;
  }
}

}  // namespace infernode::probe
