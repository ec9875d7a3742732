// MIG: a device in parts, each with a handle, memory and processes of its own.
#include "nvml_sim/call_gate.h"

using namespace infernode::nvml_sim;

NVML_SIM_EXPORT Return nvmlDeviceGetMigMode(Handle device, u32* current, u32* pending) {
  OPEN_DEVICE(nvmlDeviceGetMigMode, device);
  const Return result = call.Number(Key::migMode, current);
  return result == kSuccess ? call.Number(Key::migPending, pending) : result;
}

NVML_SIM_EXPORT Return nvmlDeviceGetMaxMigDeviceCount(Handle device, u32* count) {
  OPEN_DEVICE(nvmlDeviceGetMaxMigDeviceCount, device);
  if (!count) return kInvalidArgument;
  *count = call.device().profile->maxMigDevices;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetMigDeviceHandleByIndex(Handle device, u32 index, Handle* mig) {
  OPEN_DEVICE(nvmlDeviceGetMigDeviceHandleByIndex, device);
  const DeviceScenario& parent = call.device();
  if (!mig || index >= parent.profile->maxMigDevices) return kInvalidArgument;
  if (!parent.MigEnabled()) return kNotSupported;
  // An instance without a UUID is a hole: instances were removed before it.
  if (index >= parent.mig.size() || parent.mig[index].uuid.empty()) return kNotFound;
  *mig = MakeHandle({parent.position, index + 1});
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceIsMigDeviceHandle(Handle device, u32* is_mig) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceIsMigDeviceHandle, device);
  if (!is_mig) return kInvalidArgument;
  *is_mig = call.mig() != nullptr;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Handle mig, Handle* device) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, mig);
  if (!device || !call.mig()) return kInvalidArgument;
  *device = MakeHandle({call.parts().position, 0});
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetGpuInstanceId(Handle device, u32* id) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetGpuInstanceId, device);
  if (!id || !call.mig()) return kInvalidArgument;
  *id = call.mig()->gpuInstanceId;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetComputeInstanceId(Handle device, u32* id) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetComputeInstanceId, device);
  if (!id || !call.mig()) return kInvalidArgument;
  *id = call.mig()->computeInstanceId;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetAttributes_v2(Handle device, DeviceAttributes* attributes) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetAttributes_v2, device);
  const MigInstance* mig = call.mig();
  if (!attributes || !mig) return kInvalidArgument;
  *attributes = DeviceAttributes{};
  constexpr u32 kSlices = 7;
  attributes->multiprocessorCount = call.device().profile->multiprocessors / kSlices * mig->slices;
  attributes->sharedCopyEngineCount = mig->slices;
  attributes->gpuInstanceSliceCount = attributes->computeInstanceSliceCount = mig->slices;
  attributes->memorySizeMB = mig->memoryBytes >> 20;
  return kSuccess;
}
