// Every driver function that infernode calls, once: the symbol with its suffix, whether it can be done without, and its type.
// cuda.h renames functions silently (cuEventElapsedTime is _v2 from 12.8 on, cuCtxCreate is _v4 from 13.0 on), so that a
// program built with a new toolkit asks an old driver for symbols that it lacks. The names here are those of CUDA 11.4.
#pragma once

#include "cuda/cuda_abi.h"

// clang-format off
#define INFERNODE_CUDA_SYMBOLS(X)                                                                        \
  X(cuInit,                          kRequired, (unsigned))                                              \
  X(cuDriverGetVersion,              kRequired, (int*))                                                  \
  X(cuDeviceGetCount,                kRequired, (int*))                                                  \
  X(cuDeviceGet,                     kRequired, (Device*, int))                                          \
  X(cuDeviceGetName,                 kRequired, (char*, int, Device))                                    \
  X(cuDeviceGetAttribute,            kRequired, (int*, int, Device))                                     \
  X(cuDeviceTotalMem_v2,             kRequired, (size_t*, Device))                                       \
  X(cuDeviceGetUuid_v2,              kOptional, (Uuid*, Device))                                         \
  X(cuDeviceGetPCIBusId,             kOptional, (char*, int, Device))                                    \
  X(cuDevicePrimaryCtxRetain,        kRequired, (CUcontext*, Device))                                    \
  X(cuDevicePrimaryCtxRelease_v2,    kRequired, (Device))                                                \
  X(cuCtxGetCurrent,                 kRequired, (CUcontext*))                                            \
  X(cuCtxGetDevice,                  kRequired, (Device*))                                               \
  X(cuCtxPushCurrent_v2,             kRequired, (CUcontext))                                             \
  X(cuCtxPopCurrent_v2,              kRequired, (CUcontext*))                                            \
  X(cuCtxSynchronize,                kRequired, ())                                                      \
  X(cuMemGetInfo_v2,                 kRequired, (size_t*, size_t*))                                      \
  X(cuMemAlloc_v2,                   kRequired, (DevicePtr*, size_t))                                    \
  X(cuMemFree_v2,                    kRequired, (DevicePtr))                                             \
  X(cuMemHostAlloc,                  kRequired, (void**, size_t, unsigned))                              \
  X(cuMemFreeHost,                   kRequired, (void*))                                                 \
  X(cuPointerGetAttribute,           kRequired, (void*, int, DevicePtr))                                 \
  X(cuMemcpyHtoDAsync_v2,            kRequired, (DevicePtr, const void*, size_t, CUstream))              \
  X(cuMemcpyDtoHAsync_v2,            kRequired, (void*, DevicePtr, size_t, CUstream))                    \
  X(cuMemcpyDtoDAsync_v2,            kRequired, (DevicePtr, DevicePtr, size_t, CUstream))                \
  X(cuMemsetD8Async,                 kRequired, (DevicePtr, unsigned char, size_t, CUstream))            \
  X(cuModuleLoadDataEx,              kRequired, (CUmodule*, const void*, unsigned, int*, void**))        \
  X(cuModuleUnload,                  kRequired, (CUmodule))                                              \
  X(cuModuleGetFunction,             kRequired, (CUfunction*, CUmodule, const char*))                    \
  X(cuFuncSetAttribute,              kRequired, (CUfunction, int, int))                                  \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessor, kOptional, (int*, CUfunction, int, size_t))             \
  X(cuLaunchKernel,                  kRequired, (CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void**, void**)) \
  X(cuStreamCreate,                  kRequired, (CUstream*, unsigned))                                   \
  X(cuStreamDestroy_v2,              kRequired, (CUstream))                                              \
  X(cuStreamGetCtx,                  kRequired, (CUstream, CUcontext*))                                  \
  X(cuStreamSynchronize,             kRequired, (CUstream))                                              \
  X(cuStreamQuery,                   kRequired, (CUstream))                                              \
  X(cuStreamWaitEvent,               kRequired, (CUstream, CUevent, unsigned))                           \
  X(cuStreamBeginCapture_v2,         kRequired, (CUstream, int))                                         \
  X(cuStreamEndCapture,              kRequired, (CUstream, CUgraph*))                                    \
  X(cuStreamIsCapturing,             kRequired, (CUstream, int*))                                        \
  X(cuThreadExchangeStreamCaptureMode, kRequired, (int*))                                                \
  X(cuEventCreate,                   kRequired, (CUevent*, unsigned))                                    \
  X(cuEventDestroy_v2,               kRequired, (CUevent))                                               \
  X(cuEventRecord,                   kRequired, (CUevent, CUstream))                                     \
  X(cuEventQuery,                    kRequired, (CUevent))                                               \
  X(cuEventSynchronize,              kRequired, (CUevent))                                               \
  X(cuEventElapsedTime,              kRequired, (float*, CUevent, CUevent))                              \
  X(cuGraphInstantiateWithFlags,     kRequired, (CUgraphExec*, CUgraph, unsigned long long))             \
  X(cuGraphExecUpdate_v2,            kOptional, (CUgraphExec, CUgraph, GraphExecUpdateResult*))          \
  X(cuGraphGetNodes,                 kRequired, (CUgraph, CUgraphNode*, size_t*))                        \
  X(cuGraphUpload,                   kRequired, (CUgraphExec, CUstream))                                 \
  X(cuGraphLaunch,                   kRequired, (CUgraphExec, CUstream))                                 \
  X(cuGraphExecDestroy,              kRequired, (CUgraphExec))                                           \
  X(cuGraphDestroy,                  kRequired, (CUgraph))
// clang-format on

namespace infernode::cuda {

/// Function pointers; null where the driver has no such symbol and it is optional.
struct Symbols {
#define X(name, need, args) Result(*name) args = nullptr;
  INFERNODE_CUDA_SYMBOLS(X)
#undef X
};

}  // namespace infernode::cuda
