#include "cuda/module.h"

#include <cstdint>
#include <cstdlib>

namespace infernode::cuda {
namespace {

constexpr size_t kLogBytes = 8192;

}  // namespace

const PtxImage& ChooseImage(const PtxImage* images, size_t count, int compute_capability, int driver_version) {
  const PtxImage *best = nullptr, *oldest = nullptr;
  for (size_t i = 0; i < count; ++i) {
    const PtxImage& image = images[i];
    if (image.compute_capability > compute_capability) continue;
    if (!oldest || image.cuda_version < oldest->cuda_version) oldest = &image;
    if (image.cuda_version <= driver_version && (!best || image.compute_capability > best->compute_capability)) best = &image;
  }
  if (best) return *best;
  if (!oldest)
    throw CudaError("cuModuleLoadDataEx", kNoBinaryForGpu,
                    "the device has compute capability " + std::to_string(compute_capability / 10) + "." + std::to_string(compute_capability % 10) +
                        ", needed is 8.0 or newer");
  throw CudaError("cuModuleLoadDataEx", kUnsupportedPtxVersion, "the kernels need " + DriverNeeded(oldest->cuda_version));
}

LoadedModule LoadModule(const ContextRef& context, const PtxImage* images, size_t count) {
  const PtxImage& image = ChooseImage(images, count, context->ComputeCapability(), context->driver().version());
  const Current current(*context);
  char errors[kLogBytes] = "";
  int options[] = {kJitErrorLogBuffer, kJitErrorLogBufferBytes};
  void* values[] = {errors, reinterpret_cast<void*>(uintptr_t{sizeof errors})};
  CUmodule module = nullptr;
  const Result result = context->cu().cuModuleLoadDataEx(&module, image.text, 2, options, values);
  errors[kLogBytes - 1] = '\0';
  if (result != kSuccess) {
    const std::string needed = result == kUnsupportedPtxVersion ? "; the kernels need " + DriverNeeded(image.cuda_version) : "";
    throw CudaError("cuModuleLoadDataEx", result, std::string("image ") + image.name + needed + (errors[0] ? std::string(": ") + errors : ""));
  }
  return {Module(context, module), image.name};
}

CUfunction FindKernel(const Module& module, const char* entry) {
  const Current current(module.context());
  CUfunction function = nullptr;
  Check("cuModuleGetFunction", module.context().cu().cuModuleGetFunction(&function, module.get(), entry), entry);
  return function;
}

void KeepCompiledKernelsIn(const std::string& directory) { setenv("CUDA_CACHE_PATH", directory.c_str(), 0); }

}  // namespace infernode::cuda
