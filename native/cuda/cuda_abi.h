// The part of the CUDA driver's ABI that infernode uses, written down here so that no CUDA toolkit is needed to build. Values
// and layouts are checked against the real cuda.h where one is at hand (cuda_abi_check.cc).
#pragma once

#include <cstddef>
#include <cstdint>

namespace infernode::cuda {

using Result = int;
using Device = int;
using DevicePtr = unsigned long long;

// Opaque handles of the driver.
struct ContextHandle;
struct ModuleHandle;
struct FunctionHandle;
struct StreamHandle;
struct EventHandle;
struct GraphHandle;
struct GraphExecHandle;
struct GraphNodeHandle;
using CUcontext = ContextHandle*;
using CUmodule = ModuleHandle*;
using CUfunction = FunctionHandle*;
using CUstream = StreamHandle*;
using CUevent = EventHandle*;
using CUgraph = GraphHandle*;
using CUgraphExec = GraphExecHandle*;
using CUgraphNode = GraphNodeHandle*;

struct Uuid {
  unsigned char bytes[16];
};

struct GraphExecUpdateResult {
  int result;
  CUgraphNode error_node;
  CUgraphNode error_from_node;
};

// Results that the code tells apart; result_names.inc has them all.
constexpr Result kSuccess = 0, kInvalidValue = 1, kOutOfMemory = 2, kNotInitialized = 3, kDeinitialized = 4, kNoDevice = 100, kInvalidDevice = 101,
                 kInvalidImage = 200, kInvalidContext = 201, kNoBinaryForGpu = 209, kEccUncorrectable = 214, kInvalidPtx = 218, kUnsupportedPtxVersion = 222,
                 kInvalidHandle = 400, kIllegalState = 401, kNotFound = 500, kNotReady = 600, kIllegalAddress = 700, kLaunchOutOfResources = 701,
                 kLaunchTimeout = 702, kLaunchFailed = 719, kNotSupported = 801, kSystemDriverMismatch = 803, kStreamCaptureUnsupported = 900,
                 kStreamCaptureInvalidated = 901, kStreamCaptureUnmatched = 903, kStreamCaptureUnjoined = 904, kStreamCaptureImplicit = 906, kStreamCaptureWrongThread = 908,
                 kCapturedEvent = 907, kGraphExecUpdateFailure = 910, kUnknown = 999;

// Device attributes.
constexpr int kAttributeMultiprocessorCount = 16, kAttributeMemoryClockKhz = 36, kAttributeMemoryBusBits = 37, kAttributeComputeCapabilityMajor = 75, kAttributeComputeCapabilityMinor = 76,
              kAttributeMaxSharedMemoryPerBlockOptin = 97;
// Function attributes.
constexpr int kFunctionMaxDynamicSharedBytes = 8;
// Pointer attributes, and what the first of them says.
constexpr int kPointerMemoryType = 2;
constexpr unsigned kMemoryHost = 1, kMemoryDevice = 2;
// Flags.
constexpr unsigned kStreamNonBlocking = 1, kEventDefault = 0, kEventDisableTiming = 2, kHostAllocPortable = 1;
// Capture modes and states.
constexpr int kCaptureGlobal = 0, kCaptureThreadLocal = 1, kCaptureRelaxed = 2;
constexpr int kCaptureStatusNone = 0, kCaptureStatusActive = 1, kCaptureStatusInvalidated = 2;
// Options of the JIT compiler.
constexpr int kJitInfoLogBuffer = 3, kJitInfoLogBufferBytes = 4, kJitErrorLogBuffer = 5, kJitErrorLogBufferBytes = 6;

/// An error after which the context answers nothing else: only the end of the process clears it.
bool IsSticky(Result code);

/// `CUDA_ERROR_ILLEGAL_ADDRESS` and so on; `CUDA_ERROR_<n>` for a code that is not known.
const char* ResultName(Result code);

}  // namespace infernode::cuda
