// Functions that exist in the library and that no part of the simulation stands behind: they pass the gate, so rules of a
// scenario hold for them, and answer NOT_SUPPORTED. What changes a device (root only) is among them on purpose: a monitor
// must never call it.
#include "nvml_sim/call_gate.h"

using namespace infernode::nvml_sim;

#define UNMODELLED_ON_DEVICE(name, ...)                       \
  NVML_SIM_EXPORT Return name(Handle device, ##__VA_ARGS__) { \
    OPEN_DEVICE(name, device);                                \
    return kNotSupported;                                     \
  }
#define UNMODELLED(name, ...)                  \
  NVML_SIM_EXPORT Return name(__VA_ARGS__) {   \
    OPEN_SYSTEM(name);                         \
    return kNotSupported;                      \
  }

UNMODELLED_ON_DEVICE(nvmlDeviceGetProcessUtilization, void*, u32*, u64)
UNMODELLED_ON_DEVICE(nvmlDeviceGetSamples, u32, u64, u32*, u32*, void*)
UNMODELLED_ON_DEVICE(nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts, void*)
UNMODELLED_ON_DEVICE(nvmlDeviceClearEccErrorCounts, u32)
UNMODELLED_ON_DEVICE(nvmlDeviceGetNvLinkInfo, void*)
UNMODELLED_ON_DEVICE(nvmlDeviceGetPcieThroughput, u32, u32*)
UNMODELLED_ON_DEVICE(nvmlDeviceGetConfComputeMemSizeInfo, void*)
UNMODELLED_ON_DEVICE(nvmlDeviceClearFieldValues, int, void*)
UNMODELLED_ON_DEVICE(nvmlGpmSampleGet, Handle)
UNMODELLED(nvmlGpmSampleAlloc, Handle*)
UNMODELLED(nvmlGpmSampleFree, Handle)
UNMODELLED(nvmlGpmMetricsGet, void*)
UNMODELLED(nvmlSystemEventSetCreate, void*)
UNMODELLED(nvmlSystemRegisterEvents, void*)
UNMODELLED(nvmlSystemEventSetWait, void*)
UNMODELLED(nvmlSystemEventSetFree, void*)
UNMODELLED(nvmlDeviceModifyDrainState, PciInfo*, u32)
UNMODELLED(nvmlDeviceRemoveGpu_v2, PciInfo*, u32, u32)
UNMODELLED(nvmlDeviceDiscoverGpus, PciInfo*)
UNMODELLED(nvmlSystemGetCPER_v1, void*)

/// The one honest answer of a part without profiling metrics is a "no", not an error.
NVML_SIM_EXPORT Return nvmlGpmQueryDeviceSupport(Handle device, GpmSupport* support) {
  OPEN_DEVICE(nvmlGpmQueryDeviceSupport, device);
  if (!support) return kInvalidArgument;
  if (support->version != 1) return kArgumentVersionMismatch;
  support->isSupportedDevice = 0;
  return kSuccess;
}
