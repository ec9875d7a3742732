// The CUDA layer (native/cuda) over the simulated driver: what opens and what does not, ordering, capture rules, replay, and
// injected errors. `infernode-cuda-sim-test LIBRARY SCENARIO`; the scenario file is rewritten as the test goes. Prints what failed.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "cuda/embed_ptx.h"
#include "cuda/module.h"
#include "probe/kernel_abi.h"

INFERNODE_EMBED_PTX(cuda_sim_test_ptx, "probe/kernels.sm80.ptx");

namespace {

using namespace infernode::cuda;
namespace probe = infernode::probe;

int failures = 0;
std::string library, scenario;

void Expect(bool truth, const std::string& what) {
  if (truth) return;
  ++failures;
  std::printf("FAILED: %s\n", what.c_str());
}

void ExpectResult(Result result, Result expected, const std::string& what) {
  Expect(result == expected, what + ": expected " + ResultName(expected) + ", got " + ResultName(result));
}

/// What a step throws must be this result.
void ExpectThrows(Result expected, const std::string& what, const std::function<void()>& step) {
  try {
    step();
    Expect(false, what + ": nothing was thrown");
  } catch (const CudaError& error) {
    ExpectResult(error.code, expected, what + " (" + error.what() + ")");
  }
}

void Scenario(const std::string& lines) {
  // A new file each time: the driver looks at the inode.
  const std::string next = scenario + ".next";
  std::ofstream(next) << lines;
  std::rename(next.c_str(), scenario.c_str());
}

DriverStatus StatusOf(const std::string& path) {
  DriverStatus status;
  Driver::Open(path, &status);
  return status;
}

ContextRef OpenDevice(int index) {
  DriverStatus status;
  const auto driver = Driver::Open(library, &status);
  Expect(driver != nullptr, "the driver opens: " + status.reason);
  return Context::Retain(driver, index);
}

const PtxImage kImages[] = {{"sm80", 80, 11040, cuda_sim_test_ptx}};

struct Bench {
  explicit Bench(int device) : context(OpenDevice(device)), stream(NewStream(context)), module(LoadModule(context, kImages, 1)), counter(context, 8), host(context, 64) {}

  void Launch(const char* kernel, const void* params) {
    const Current current(*context);
    void* values[] = {const_cast<void*>(params)};
    INFERNODE_CUDA(context->driver(), cuLaunchKernel, FindKernel(module.module, kernel), 1, 1, 1, 32, 1, 1, 0, stream.get(), values, nullptr);
  }
  void Beat() {
    const probe::BeatParams params{counter.get()};
    Launch("infernode_probe_beat", &params);
  }
  void Zero() {
    const Current current(*context);
    INFERNODE_CUDA(context->driver(), cuMemsetD8Async, counter.get(), 0, 8, stream.get());
  }
  void CopyBack() {
    const Current current(*context);
    INFERNODE_CUDA(context->driver(), cuMemcpyDtoHAsync_v2, host.get(), counter.get(), 8, stream.get());
  }
  void Wait() {
    const Current current(*context);
    INFERNODE_CUDA(context->driver(), cuStreamSynchronize, stream.get());
  }
  void Replay(const GraphExec& exec) {
    const Current current(*context);
    INFERNODE_CUDA(context->driver(), cuGraphLaunch, exec.get(), stream.get());
  }

  ContextRef context;
  Stream stream;
  LoadedModule module;
  DeviceMemory counter;
  PinnedMemory host;
};

void OpeningSaysWhatIsMissing() {
  Expect(StatusOf("/nowhere/libcuda.so.1").state == DriverState::kLibraryAbsent, "an absent file");
  Expect(StatusOf("libcuda-that-nobody-has.so.1").state == DriverState::kLibraryAbsent, "an absent name");
  Expect(StatusOf(scenario).state == DriverState::kLibraryUnusable, "a file that is no library");
  // Any library that is not libcuda: it opens, and lacks everything.
  const DriverStatus foreign = StatusOf("libm.so.6");
  Expect(foreign.state == DriverState::kLibraryUnusable && foreign.reason.find("lacks cuInit") != std::string::npos, "absent symbols: " + foreign.reason);
  Scenario("driver 11020\n");
  const DriverStatus old = StatusOf(library);
  Expect(old.state == DriverState::kDriverTooOld && old.reason.find("driver 470 or newer") != std::string::npos, "an old driver: " + old.reason);
  Scenario("devices 0\n");
  Expect(StatusOf(library).state == DriverState::kNoDevice, "no device");
  Scenario("fail cuInit CUDA_ERROR_SYSTEM_DRIVER_MISMATCH\n");
  const DriverStatus failed = StatusOf(library);
  Expect(failed.state == DriverState::kInitFailed && failed.reason == "cuInit answered CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "failed init: " + failed.reason);
  Scenario("driver 12020\ndevices 6\nuuid GPU-01234567-89ab-cdef-0123-456789abcdef\n");
  Expect(StatusOf(library).state == DriverState::kOk, "a good driver");
  Expect(OpenDevice(0)->Uuid() == "GPU-01234567-89ab-cdef-0123-456789abcdef", "the UUID of the scenario");
}

void ImagesAreChosenByDeviceAndDriver() {
  const PtxImage images[] = {{"sm80", 80, 11040, ""}, {"sm89", 89, 12010, ""}};
  Expect(ChooseImage(images, 2, 80, 12020).name == std::string("sm80"), "Ampere");
  Expect(ChooseImage(images, 2, 90, 12020).name == std::string("sm89"), "Hopper");
  Expect(ChooseImage(images, 2, 90, 11080).name == std::string("sm80"), "Hopper under an older driver");
  ExpectThrows(kNoBinaryForGpu, "Turing", [&] { ChooseImage(images, 2, 75, 13000); });
  ExpectThrows(kUnsupportedPtxVersion, "a driver older than any image", [&] { ChooseImage(images, 2, 80, 11020); });
  const ContextRef context = OpenDevice(0);
  const PtxImage tooNew[] = {{"new", 80, 11040, ".version 9.0\n.target sm_80\n"}}, garbage[] = {{"garbage", 80, 11040, "hello"}};
  ExpectThrows(kUnsupportedPtxVersion, "PTX 9.0 on 12.2", [&] { LoadModule(context, tooNew, 1); });
  try {
    LoadModule(context, garbage, 1);
  } catch (const CudaError& error) {
    Expect(std::string(error.what()).find("no .version") != std::string::npos, std::string("the compiler's log is in the error: ") + error.what());
  }
}

void WorkIsAsynchronousAndInOrder() {
  Bench bench(0);
  const Current current(*bench.context);
  const Symbols& cu = bench.context->cu();
  bench.Zero();
  for (int i = 0; i < 100; ++i) bench.Beat();
  bench.CopyBack();
  bench.Wait();
  Expect(*bench.host.as<uint64_t>() == 100, "100 launches count to 100");
  Scenario("driver 12020\ndevices 6\nhang launch:infernode_probe_beat\n");
  bench.Beat();
  ExpectResult(cu.cuStreamQuery(bench.stream.get()), kNotReady, "a launch returns before its kernel has run");
  Scenario("driver 12020\ndevices 6\n");
  bench.Wait();
  Stream other = NewStream(bench.context);
  Event event = NewEvent(bench.context, true);
  bench.Beat();
  ExpectResult(cu.cuEventRecord(event.get(), bench.stream.get()), kSuccess, "record");
  ExpectResult(cu.cuStreamWaitEvent(other.get(), event.get(), 0), kSuccess, "another stream waits");
  ExpectResult(cu.cuMemcpyDtoHAsync_v2(bench.host.get(), bench.counter.get(), 8, other.get()), kSuccess, "and copies");
  ExpectResult(cu.cuStreamSynchronize(other.get()), kSuccess, "synchronize");
  Expect(*bench.host.as<uint64_t>() == 102, "the copy saw the launch before the event");
}

void RangesAndHandlesAreChecked() {
  Bench bench(0);
  const Current current(*bench.context);
  const Symbols& cu = bench.context->cu();
  ExpectResult(cu.cuMemcpyDtoHAsync_v2(bench.host.get(), bench.counter.get(), 9, bench.stream.get()), kInvalidValue, "a copy past the end");
  ExpectResult(cu.cuMemcpyDtoHAsync_v2(bench.host.get(), bench.counter.get() + 4, 8, bench.stream.get()), kInvalidValue, "a copy over the end");
  ExpectResult(cu.cuMemFree_v2(bench.counter.get() + 1), kInvalidValue, "freeing the middle");
  ExpectResult(cu.cuGraphLaunch(reinterpret_cast<CUgraphExec>(&bench), bench.stream.get()), kInvalidHandle, "a handle that is none");
  ExpectResult(cu.cuLaunchKernel(FindKernel(bench.module.module, "infernode_probe_beat"), 0, 1, 1, 32, 1, 1, 0, bench.stream.get(), nullptr, nullptr), kInvalidValue,
               "an empty grid");
  ExpectThrows(kNotFound, "an unknown kernel", [&] { FindKernel(bench.module.module, "no_such_kernel"); });
  ExpectThrows(kOutOfMemory, "more than the device has", [&] { DeviceMemory(bench.context, size_t{1} << 40); });
  const size_t before = bench.context->FreeBytes();
  { const DeviceMemory some(bench.context, 1 << 20); Expect(bench.context->FreeBytes() == before - (1 << 20), "allocations are accounted"); }
  Expect(bench.context->FreeBytes() == before, "and given back");
}

void CaptureRecordsAndReplays() {
  Bench bench(0);
  bench.Zero();
  bench.Wait();
  const Graph graph = Capture(bench.context, bench.stream, [&] { bench.Beat(); bench.Beat(); bench.CopyBack(); });
  *bench.host.as<uint64_t>() = 7;
  bench.Wait();
  Expect(*bench.host.as<uint64_t>() == 7, "a capture runs nothing");
  const GraphExec exec = Instantiate(bench.context, graph, bench.stream);
  for (int i = 0; i < 3; ++i) bench.Replay(exec);
  bench.Wait();
  Expect(*bench.host.as<uint64_t>() == 6, "three replays of two beats");
  const Current current(*bench.context);
  const Symbols& cu = bench.context->cu();
  GraphExecUpdateResult info;
  const Graph same = Capture(bench.context, bench.stream, [&] { bench.Beat(); bench.Beat(); bench.CopyBack(); });
  ExpectResult(cu.cuGraphExecUpdate_v2(exec.get(), same.get(), &info), kSuccess, "an update of the same shape");
  const Graph shorter = Capture(bench.context, bench.stream, [&] { bench.Beat(); });
  ExpectResult(cu.cuGraphExecUpdate_v2(exec.get(), shorter.get(), &info), kGraphExecUpdateFailure, "an update of another shape");
}

/// One illegal call during a capture: it fails, and the capture ends as invalidated.
void Illegal(Bench& bench, const std::string& what, Result expected, const std::function<Result(const Symbols&)>& call) {
  const Current current(*bench.context);
  const Symbols& cu = bench.context->cu();
  CUgraph graph = nullptr;
  ExpectResult(cu.cuStreamBeginCapture_v2(bench.stream.get(), kCaptureGlobal), kSuccess, "begin");
  ExpectResult(call(cu), expected, what + " during a capture");
  ExpectResult(cu.cuStreamEndCapture(bench.stream.get(), &graph), kStreamCaptureInvalidated, what + ": the end of the capture");
  Expect(graph == nullptr, what + ": no graph");
}

void CaptureForbidsWhatTheDriverForbids() {
  Bench bench(0);
  DevicePtr memory = 0;
  void* host = nullptr;
  const Event event = NewEvent(bench.context, false);
  Illegal(bench, "cuMemAlloc_v2", kStreamCaptureUnsupported, [&](const Symbols& cu) { return cu.cuMemAlloc_v2(&memory, 8); });
  Illegal(bench, "cuMemHostAlloc", kStreamCaptureUnsupported, [&](const Symbols& cu) { return cu.cuMemHostAlloc(&host, 8, 0); });
  Illegal(bench, "cuStreamSynchronize", kStreamCaptureUnsupported, [&](const Symbols& cu) { return cu.cuStreamSynchronize(bench.stream.get()); });
  Illegal(bench, "cuStreamQuery", kStreamCaptureUnsupported, [&](const Symbols& cu) { return cu.cuStreamQuery(bench.stream.get()); });
  Illegal(bench, "cuCtxSynchronize", kStreamCaptureUnsupported, [&](const Symbols& cu) { return cu.cuCtxSynchronize(); });
  Illegal(bench, "cuEventSynchronize", kCapturedEvent, [&](const Symbols& cu) { cu.cuEventRecord(event.get(), bench.stream.get()); return cu.cuEventSynchronize(event.get()); });
  const Current current(*bench.context);
  const Symbols& cu = bench.context->cu();
  CUgraph graph = nullptr;
  ExpectResult(cu.cuStreamEndCapture(bench.stream.get(), &graph), kIllegalState, "the end of no capture");
  ExpectResult(cu.cuStreamBeginCapture_v2(nullptr, kCaptureGlobal), kStreamCaptureUnsupported, "capturing the legacy stream");
  ExpectResult(cu.cuStreamBeginCapture_v2(bench.stream.get(), kCaptureThreadLocal), kSuccess, "begin");
  ExpectResult(cu.cuStreamBeginCapture_v2(bench.stream.get(), kCaptureThreadLocal), kIllegalState, "begin again");
  std::thread([&] {
    const Current here(*bench.context);
    DevicePtr other = 0;
    CUgraph none = nullptr;
    ExpectResult(cu.cuMemAlloc_v2(&other, 8), kSuccess, "another thread may allocate beside a thread-local capture");
    ExpectResult(cu.cuMemFree_v2(other), kSuccess, "and free");
    ExpectResult(cu.cuStreamEndCapture(bench.stream.get(), &none), kStreamCaptureWrongThread, "another thread may not end it");
  }).join();
  const Stream fork = NewStream(bench.context);
  ExpectResult(cu.cuEventRecord(event.get(), bench.stream.get()), kSuccess, "record");
  ExpectResult(cu.cuStreamWaitEvent(fork.get(), event.get(), 0), kSuccess, "fork");
  ExpectResult(cu.cuStreamEndCapture(bench.stream.get(), &graph), kStreamCaptureUnjoined, "a fork that does not come back");
}

void MemoryThatIsGoneIsAnIllegalAddress() {
  Bench bench(1);
  PinnedMemory gone(bench.context, 8);
  const Current current(*bench.context);
  const Graph graph = Capture(bench.context, bench.stream, [&] {
    INFERNODE_CUDA(bench.context->driver(), cuMemcpyDtoHAsync_v2, gone.get(), bench.counter.get(), 8, bench.stream.get());
  });
  const GraphExec exec = Instantiate(bench.context, graph, bench.stream);
  gone.Release();
  bench.Replay(exec);
  ExpectThrows(kIllegalAddress, "replay after the memory was freed", [&] { bench.Wait(); });
}

void InjectedErrorsAreSticky() {
  struct Case {
    const char* line;
    Result result;
  };
  // One device each: a context that has failed stays so until the process ends.
  const Case cases[] = {{"fail launch:infernode_probe_beat CUDA_ERROR_ILLEGAL_ADDRESS device 2\n", kIllegalAddress},
                        {"fail launch:infernode_probe_beat CUDA_ERROR_ECC_UNCORRECTABLE device 3\n", kEccUncorrectable},
                        {"fail launch:infernode_probe_beat CUDA_ERROR_LAUNCH_TIMEOUT after 1 device 4\n", kLaunchTimeout}};
  int device = 2;
  for (const Case& c : cases) {
    Scenario("driver 12020\ndevices 6\n");
    Bench bench(device++);
    Scenario(std::string("driver 12020\ndevices 6\n") + c.line);
    ExpectThrows(c.result, c.line, [&] { bench.Beat(); bench.Beat(); bench.Wait(); });
    Scenario("driver 12020\ndevices 6\n");
    ExpectThrows(c.result, std::string("still after ") + c.line, [&] { bench.Zero(); });
  }
  Bench healthy(0);
  healthy.Beat();
  healthy.Wait();
  Scenario("driver 12020\ndevices 6\nfail cuMemAlloc_v2 CUDA_ERROR_OUT_OF_MEMORY after 1\n");
  const DeviceMemory first(healthy.context, 8);
  ExpectThrows(kOutOfMemory, "out of memory", [&] { DeviceMemory(healthy.context, 8); });
  Scenario("driver 12020\ndevices 6\n");
  const DeviceMemory second(healthy.context, 8);
  Expect(second.bytes() == 8, "an error that is not sticky passes");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::printf("usage: infernode-cuda-sim-test LIBRARY SCENARIO\n"), 2;
  library = argv[1];
  scenario = argv[2];
  Scenario("driver 12020\ndevices 6\n");
  setenv("INFERNODE_CUDA_SIM", scenario.c_str(), 1);
  OpeningSaysWhatIsMissing();
  ImagesAreChosenByDeviceAndDriver();
  WorkIsAsynchronousAndInOrder();
  RangesAndHandlesAreChecked();
  CaptureRecordsAndReplays();
  CaptureForbidsWhatTheDriverForbids();
  MemoryThatIsGoneIsAnIllegalAddress();
  InjectedErrorsAreSticky();
  std::printf("%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
