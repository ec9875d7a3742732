// Holds cuda_abi.h and symbols.h against the real cuda.h. Compiled, never linked, where a toolkit is at hand (CMake finds it).
#include <cuda.h>
#include <cudaTypedefs.h>

#include <type_traits>

#include "cuda/symbols.h"

namespace c = infernode::cuda;

#define X(number, name) static_assert(static_cast<int>(::name) == number, #name);
#include "cuda/result_names.inc"
#undef X

static_assert(sizeof(c::DevicePtr) == sizeof(CUdeviceptr) && sizeof(c::Uuid) == sizeof(CUuuid) && sizeof(c::Device) == sizeof(CUdevice));
static_assert(sizeof(c::GraphExecUpdateResult) == sizeof(CUgraphExecUpdateResultInfo));
static_assert(offsetof(c::GraphExecUpdateResult, error_node) == offsetof(CUgraphExecUpdateResultInfo, errorNode));
static_assert(c::kAttributeMemoryClockKhz == CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE && c::kAttributeMemoryBusBits == CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH);
static_assert(c::kAttributeMultiprocessorCount == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT &&
              c::kAttributeComputeCapabilityMajor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR &&
              c::kAttributeComputeCapabilityMinor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR &&
              c::kAttributeMaxSharedMemoryPerBlockOptin == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
static_assert(c::kPointerMemoryType == CU_POINTER_ATTRIBUTE_MEMORY_TYPE && c::kMemoryHost == CU_MEMORYTYPE_HOST && c::kMemoryDevice == CU_MEMORYTYPE_DEVICE);
static_assert(c::kFunctionMaxDynamicSharedBytes == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
static_assert(c::kStreamNonBlocking == CU_STREAM_NON_BLOCKING && c::kEventDisableTiming == CU_EVENT_DISABLE_TIMING && c::kEventDefault == CU_EVENT_DEFAULT &&
              c::kHostAllocPortable == CU_MEMHOSTALLOC_PORTABLE);
static_assert(c::kCaptureGlobal == CU_STREAM_CAPTURE_MODE_GLOBAL && c::kCaptureThreadLocal == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL &&
              c::kCaptureRelaxed == CU_STREAM_CAPTURE_MODE_RELAXED);
static_assert(c::kCaptureStatusNone == CU_STREAM_CAPTURE_STATUS_NONE && c::kCaptureStatusActive == CU_STREAM_CAPTURE_STATUS_ACTIVE &&
              c::kCaptureStatusInvalidated == CU_STREAM_CAPTURE_STATUS_INVALIDATED);
static_assert(c::kJitInfoLogBuffer == CU_JIT_INFO_LOG_BUFFER && c::kJitInfoLogBufferBytes == CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES &&
              c::kJitErrorLogBuffer == CU_JIT_ERROR_LOG_BUFFER && c::kJitErrorLogBufferBytes == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);

namespace {

// A function has the same number of parameters, each of the same size and kind (handles are opaque pointers on both sides).
template <class A, class B>
constexpr bool kAlike = sizeof(A) == sizeof(B) && std::is_pointer_v<A> == std::is_pointer_v<B> && std::is_floating_point_v<A> == std::is_floating_point_v<B>;
template <class A, class B>
constexpr bool kSameCall = false;
template <class R, class S, class... A, class... B>
constexpr bool kSameCall<R (*)(A...), S (*)(B...)> = [] {
  if constexpr (sizeof...(A) == sizeof...(B)) return (kAlike<A, B> && ... && true);
  else return false;
}();

}  // namespace

// The names without suffix are macros of cuda.h; the typedefs below are those of the exact symbols.
#define SAME(symbol, type) static_assert(kSameCall<decltype(c::Symbols::symbol), type>, #symbol)
SAME(cuInit, PFN_cuInit_v2000);
SAME(cuDriverGetVersion, PFN_cuDriverGetVersion_v2020);
SAME(cuDeviceGetCount, PFN_cuDeviceGetCount_v2000);
SAME(cuDeviceGet, PFN_cuDeviceGet_v2000);
SAME(cuDeviceGetName, PFN_cuDeviceGetName_v2000);
SAME(cuDeviceGetAttribute, PFN_cuDeviceGetAttribute_v2000);
SAME(cuDeviceTotalMem_v2, PFN_cuDeviceTotalMem_v3020);
SAME(cuDeviceGetUuid_v2, PFN_cuDeviceGetUuid_v11040);
SAME(cuDeviceGetPCIBusId, PFN_cuDeviceGetPCIBusId_v4010);
SAME(cuDevicePrimaryCtxRetain, PFN_cuDevicePrimaryCtxRetain_v7000);
SAME(cuDevicePrimaryCtxRelease_v2, PFN_cuDevicePrimaryCtxRelease_v11000);
SAME(cuCtxGetCurrent, PFN_cuCtxGetCurrent_v4000);
SAME(cuCtxGetDevice, PFN_cuCtxGetDevice_v2000);
SAME(cuCtxPushCurrent_v2, PFN_cuCtxPushCurrent_v4000);
SAME(cuCtxPopCurrent_v2, PFN_cuCtxPopCurrent_v4000);
SAME(cuCtxSynchronize, PFN_cuCtxSynchronize_v2000);
SAME(cuMemGetInfo_v2, PFN_cuMemGetInfo_v3020);
SAME(cuMemAlloc_v2, PFN_cuMemAlloc_v3020);
SAME(cuMemFree_v2, PFN_cuMemFree_v3020);
SAME(cuMemHostAlloc, PFN_cuMemHostAlloc_v2020);
SAME(cuMemFreeHost, PFN_cuMemFreeHost_v2000);
SAME(cuPointerGetAttribute, PFN_cuPointerGetAttribute_v4000);
SAME(cuMemcpyHtoDAsync_v2, PFN_cuMemcpyHtoDAsync_v3020);
SAME(cuMemcpyDtoHAsync_v2, PFN_cuMemcpyDtoHAsync_v3020);
SAME(cuMemcpyDtoDAsync_v2, PFN_cuMemcpyDtoDAsync_v3020);
SAME(cuMemsetD8Async, PFN_cuMemsetD8Async_v3020);
SAME(cuModuleLoadDataEx, PFN_cuModuleLoadDataEx_v2010);
SAME(cuModuleUnload, PFN_cuModuleUnload_v2000);
SAME(cuModuleGetFunction, PFN_cuModuleGetFunction_v2000);
SAME(cuFuncSetAttribute, PFN_cuFuncSetAttribute_v9000);
SAME(cuOccupancyMaxActiveBlocksPerMultiprocessor, PFN_cuOccupancyMaxActiveBlocksPerMultiprocessor_v6050);
SAME(cuLaunchKernel, PFN_cuLaunchKernel_v4000);
SAME(cuStreamCreate, PFN_cuStreamCreate_v2000);
SAME(cuStreamDestroy_v2, PFN_cuStreamDestroy_v4000);
SAME(cuStreamGetCtx, PFN_cuStreamGetCtx_v9020);
SAME(cuStreamSynchronize, PFN_cuStreamSynchronize_v2000);
SAME(cuStreamQuery, PFN_cuStreamQuery_v2000);
SAME(cuStreamWaitEvent, PFN_cuStreamWaitEvent_v3020);
SAME(cuStreamBeginCapture_v2, PFN_cuStreamBeginCapture_v10010);
SAME(cuStreamEndCapture, PFN_cuStreamEndCapture_v10000);
SAME(cuStreamIsCapturing, PFN_cuStreamIsCapturing_v10000);
SAME(cuThreadExchangeStreamCaptureMode, PFN_cuThreadExchangeStreamCaptureMode_v10010);
SAME(cuEventCreate, PFN_cuEventCreate_v2000);
SAME(cuEventDestroy_v2, PFN_cuEventDestroy_v4000);
SAME(cuEventRecord, PFN_cuEventRecord_v2000);
SAME(cuEventQuery, PFN_cuEventQuery_v2000);
SAME(cuEventSynchronize, PFN_cuEventSynchronize_v2000);
SAME(cuEventElapsedTime, PFN_cuEventElapsedTime_v2000);
SAME(cuGraphInstantiateWithFlags, PFN_cuGraphInstantiateWithFlags_v11040);
SAME(cuGraphExecUpdate_v2, PFN_cuGraphExecUpdate_v12000);
SAME(cuGraphGetNodes, PFN_cuGraphGetNodes_v10000);
SAME(cuGraphUpload, PFN_cuGraphUpload_v11010);
SAME(cuGraphLaunch, PFN_cuGraphLaunch_v10000);
SAME(cuGraphExecDestroy, PFN_cuGraphExecDestroy_v10000);
SAME(cuGraphDestroy, PFN_cuGraphDestroy_v10000);
