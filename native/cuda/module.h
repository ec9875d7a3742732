// Kernels as PTX: two images of the same source, committed and generated (scripts/generate-ptx). The driver compiles the one
// that fits its device, once, into its cache.
#pragma once

#include <string>

#include "cuda/handles.h"

namespace infernode::cuda {

/// PTX text that ends with a zero byte, as `.incbin` embeds it.
struct PtxImage {
  const char* name;        ///< `sm80`
  int compute_capability;  ///< lowest device, 80 for 8.0
  int cuda_version;        ///< lowest driver, from its `.version` line: 11040 for PTX 7.4, 12010 for 8.1
  const char* text;
};

struct LoadedModule {
  Module module;
  const char* image;
};

/// The image to load: the one for the newest device that both device and driver take. Throws CudaError
/// (CUDA_ERROR_NO_BINARY_FOR_GPU, CUDA_ERROR_UNSUPPORTED_PTX_VERSION) that says which device or driver is needed.
const PtxImage& ChooseImage(const PtxImage* images, size_t count, int compute_capability, int driver_version);

/// Compiles and loads. A compiler's complaint is part of what is thrown.
LoadedModule LoadModule(const ContextRef& context, const PtxImage* images, size_t count);

/// A kernel by its entry name.
CUfunction FindKernel(const Module& module, const char* entry);

/// A service without HOME would compile again at each start: gives the driver's cache a place in `directory` unless the
/// operator has. Call it before the first context.
void KeepCompiledKernelsIn(const std::string& directory);

}  // namespace infernode::cuda
