#include "probe/gpu.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "cuda/embed_ptx.h"

INFERNODE_EMBED_PTX(infernode_probe_ptx_sm80, "probe/kernels.sm80.ptx");

namespace infernode::probe {
namespace {

const cuda::PtxImage kImages[] = {{"sm80", 80, 11040, infernode_probe_ptx_sm80}};

std::shared_ptr<cuda::Driver> OpenDriver(const std::string& library, int* devices) {
  cuda::DriverStatus status;
  auto driver = cuda::Driver::Open(library, &status);
  if (!driver) throw Unavailable(cuda::DriverStateName(status.state), status.reason);
  *devices = status.device_count;
  return driver;
}

bool HasUuid(const std::shared_ptr<cuda::Driver>& driver, int index, const std::string& uuid) {
  cuda::Device device = 0;
  INFERNODE_CUDA(*driver, cuDeviceGet, &device, index);
  return cuda::UuidOf(*driver, device) == uuid;
}

/// The driver's order is not NVML's, so a UUID is looked for.
int FindDevice(const std::shared_ptr<cuda::Driver>& driver, int devices, const std::string& wanted) {
  if (wanted.compare(0, 4, "GPU-") != 0) {
    const int index = std::atoi(wanted.c_str());
    if (index >= 0 && index < devices) return index;
    throw Unavailable("no-device", "the driver lists " + std::to_string(devices) + " devices, none with index " + wanted);
  }
  for (int i = 0; i < devices; ++i)
    if (HasUuid(driver, i, wanted)) return i;
  throw Unavailable("no-device", "the driver lists no device " + wanted);
}

}  // namespace

Gpu::Gpu(const std::string& library, const std::string& device) {
  int devices = 0;
  const auto driver = OpenDriver(library, &devices);
  index_ = FindDevice(driver, devices, device);
  context_ = cuda::Context::Retain(driver, index_);
  module_ = cuda::LoadModule(context_, kImages, 1);
  stream_ = cuda::NewStream(context_);
}

unsigned Gpu::Blocks(uint64_t words) const {
  const auto most = static_cast<uint64_t>(8 * context_->Attribute(cuda::kAttributeMultiprocessorCount));
  return static_cast<unsigned>(std::clamp<uint64_t>(words / 4096, 1, most));
}

void Gpu::LaunchRaw(const char* kernel, void* params, unsigned blocks, unsigned threads) {
  const cuda::CUfunction function = cuda::FindKernel(module_.module, kernel);
  const cuda::Current current(*context_);
  void* values[] = {params};
  INFERNODE_CUDA(context_->driver(), cuLaunchKernel, function, blocks, 1, 1, threads, 1, 1, 0, stream_.get(), values, nullptr);
}

void Gpu::LaunchMatrix(const MatrixParams& params) {
  const unsigned tiles = params.n / kTile, warps = kMatrixThreads / 32;
  LaunchRaw("infernode_probe_matrix", const_cast<MatrixParams*>(&params), (tiles * tiles + warps - 1) / warps, kMatrixThreads);
}

void Gpu::Upload(cuda::DevicePtr to, const void* from, size_t bytes) {
  const cuda::Current current(*context_);
  INFERNODE_CUDA(context_->driver(), cuMemcpyHtoDAsync_v2, to, from, bytes, stream_.get());
}

void Gpu::Download(void* to, cuda::DevicePtr from, size_t bytes) {
  const cuda::Current current(*context_);
  INFERNODE_CUDA(context_->driver(), cuMemcpyDtoHAsync_v2, to, from, bytes, stream_.get());
}

void Gpu::Wait() {
  const cuda::Current current(*context_);
  INFERNODE_CUDA(context_->driver(), cuStreamSynchronize, stream_.get());
}

Beat::Beat(Gpu& gpu) : gpu_(gpu), counter_(gpu.context(), sizeof(uint64_t)), seen_(gpu.context(), sizeof(uint64_t)) {
  const BeatParams params{counter_.get()};
  const uint64_t zero = 0;
  const auto issue = [&] {
    gpu_.Launch("infernode_probe_beat", params);
    gpu_.Download(seen_.get(), counter_.get(), sizeof(uint64_t));
  };
  // Warm-up: a kernel that is loaded at its first launch must not be loaded inside the capture.
  gpu_.Upload(counter_.get(), &zero, sizeof zero);
  issue();
  gpu_.Upload(counter_.get(), &zero, sizeof zero);
  gpu_.Wait();
  exec_ = cuda::Instantiate(gpu_.context(), cuda::Capture(gpu_.context(), gpu_.stream(), issue), gpu_.stream());
}

double Beat::Once() {
  const auto start = std::chrono::steady_clock::now();
  {
    const cuda::Current current(*gpu_.context());
    INFERNODE_CUDA(gpu_.context()->driver(), cuGraphLaunch, exec_.get(), gpu_.stream().get());
  }
  gpu_.Wait();
  const double us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  const uint64_t seen = *seen_.as<uint64_t>();
  if (seen != ++beats_) throw std::runtime_error("the device counted " + std::to_string(seen) + " beats of " + std::to_string(beats_));
  return us;
}

}  // namespace infernode::probe
