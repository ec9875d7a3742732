// Who a device is, and the modes it is in.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "nvml_sim/call_gate.h"

using namespace infernode::nvml_sim;

namespace {

constexpr u32 kBrandTesla = 2, kBrandNvidia = 14;
/// What NVML writes at most, by its own buffer sizes.
constexpr u32 kGspVersionBuffer = 64;

Return GiveText(const Call& call, TextKey key, char* buffer, u32 length) {
  const auto text = call.device().Text(key);
  return text ? CopyText(*text, buffer, length) : kNotSupported;
}

void FillPciInfo(const DeviceScenario& device, PciInfo* info) {
  *info = PciInfo{};
  info->domain = device.pciDomain;
  info->bus = device.pciBus;
  info->device = device.pciDevice;
  info->pciDeviceId = device.profile->pciDeviceId;
  info->pciSubSystemId = device.profile->pciSubsystemId;
  std::snprintf(info->busId, sizeof info->busId, "%08X:%02X:%02X.0", device.pciDomain, device.pciBus, device.pciDevice);
  std::snprintf(info->busIdLegacy, sizeof info->busIdLegacy, "%04X:%02X:%02X.0", device.pciDomain & 0xFFFF,
                device.pciBus & 0xFF, device.pciDevice & 0xFF);
}

}  // namespace

NVML_SIM_EXPORT Return nvmlDeviceGetName(Handle device, char* name, u32 length) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetName, device);
  const std::string own = call.device().Text(TextKey::name).value_or("");
  if (!call.mig()) return own.empty() ? kNotSupported : CopyText(own, name, length);
  const u64 gib = (call.mig()->memoryBytes + (1u << 29)) >> 30;
  return CopyText(own + " MIG " + std::to_string(call.mig()->slices) + "g." + std::to_string(gib) + "gb", name, length);
}

NVML_SIM_EXPORT Return nvmlDeviceGetUUID(Handle device, char* uuid, u32 length) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetUUID, device);
  return CopyText(call.mig() ? call.mig()->uuid : call.device().uuid, uuid, length);
}

NVML_SIM_EXPORT Return nvmlDeviceGetSerial(Handle device, char* serial, u32 length) {
  OPEN_DEVICE(nvmlDeviceGetSerial, device);
  return GiveText(call, TextKey::serial, serial, length);
}

NVML_SIM_EXPORT Return nvmlDeviceGetBoardPartNumber(Handle device, char* number, u32 length) {
  OPEN_DEVICE(nvmlDeviceGetBoardPartNumber, device);
  return GiveText(call, TextKey::boardPartNumber, number, length);
}

NVML_SIM_EXPORT Return nvmlDeviceGetVbiosVersion(Handle device, char* version, u32 length) {
  OPEN_DEVICE(nvmlDeviceGetVbiosVersion, device);
  return GiveText(call, TextKey::vbiosVersion, version, length);
}

NVML_SIM_EXPORT Return nvmlDeviceGetInforomImageVersion(Handle device, char* version, u32 length) {
  OPEN_DEVICE(nvmlDeviceGetInforomImageVersion, device);
  return GiveText(call, TextKey::inforomVersion, version, length);
}

NVML_SIM_EXPORT Return nvmlDeviceValidateInforom(Handle device) {
  OPEN_DEVICE(nvmlDeviceValidateInforom, device);
  const Reading corrupt = call.device().Number(Key::inforomCorrupt);
  return !corrupt ? kNotSupported : *corrupt != 0 ? kCorruptedInforom : kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetMinorNumber(Handle device, u32* minor) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetMinorNumber, device);
  return call.Number(Key::minorNumber, minor);
}

NVML_SIM_EXPORT Return nvmlDeviceGetPciInfo_v3(Handle device, PciInfo* info) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetPciInfo_v3, device);
  if (!info) return kInvalidArgument;
  FillPciInfo(call.device(), info);
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetModuleId(Handle device, u32* module) {
  OPEN_DEVICE(nvmlDeviceGetModuleId, device);
  return call.Number(Key::moduleId, module);
}

NVML_SIM_EXPORT Return nvmlDeviceGetPlatformInfo(Handle device, PlatformInfo* info) {
  OPEN_DEVICE(nvmlDeviceGetPlatformInfo, device);
  if (!info) return kInvalidArgument;
  // Both versions have the same size and, for what is filled here, the same places.
  const bool first = call.CheckVersion(info->version, VersionWord<PlatformInfo>(1)) == kSuccess;
  const bool second = call.CheckVersion(info->version, VersionWord<PlatformInfo>(2)) == kSuccess;
  if (!first && !second) return kArgumentVersionMismatch;
  const Reading module = call.device().Number(Key::moduleId);
  if (!module) return kNotSupported;
  const u32 version = info->version;
  *info = PlatformInfo{};
  info->version = version;
  info->moduleId = ToAnswer<u8>(*module);
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetArchitecture(Handle device, u32* architecture) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetArchitecture, device);
  if (!architecture) return kInvalidArgument;
  *architecture = call.device().profile->architecture;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetCudaComputeCapability(Handle device, int* major, int* minor) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetCudaComputeCapability, device);
  if (!major || !minor) return kInvalidArgument;
  *major = static_cast<int>(call.device().profile->computeMajor);
  *minor = static_cast<int>(call.device().profile->computeMinor);
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetBrand(Handle device, u32* brand) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetBrand, device);
  if (!brand) return kInvalidArgument;
  *brand = call.device().profile->architecture == kTuring ? kBrandTesla : kBrandNvidia;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetNumaNodeId(Handle device, u32* node) {
  OPEN_DEVICE(nvmlDeviceGetNumaNodeId, device);
  return call.Number(Key::numaNode, node);
}

NVML_SIM_EXPORT Return nvmlDeviceGetGspFirmwareMode(Handle device, u32* enabled, u32* otherwise) {
  OPEN_DEVICE(nvmlDeviceGetGspFirmwareMode, device);
  const Return result = call.Number(Key::gspEnabled, enabled);
  if (result == kSuccess && otherwise) *otherwise = 1;
  return result;
}

NVML_SIM_EXPORT Return nvmlDeviceGetGspFirmwareVersion(Handle device, char* version) {
  OPEN_DEVICE(nvmlDeviceGetGspFirmwareVersion, device);
  if (call.device().Number(Key::gspEnabled).value_or(0) == 0) return kNotSupported;
  const auto given = call.device().Text(TextKey::gspFirmwareVersion);
  return CopyText(given.value_or(call.scenario().driver_version), version, kGspVersionBuffer);
}

NVML_SIM_EXPORT Return nvmlDeviceGetPersistenceMode(Handle device, u32* mode) {
  OPEN_DEVICE(nvmlDeviceGetPersistenceMode, device);
  return call.Number(Key::persistenceMode, mode);
}

NVML_SIM_EXPORT Return nvmlDeviceGetComputeMode(Handle device, u32* mode) {
  OPEN_DEVICE(nvmlDeviceGetComputeMode, device);
  return call.Number(Key::computeMode, mode);
}

NVML_SIM_EXPORT Return nvmlDeviceGetAccountingMode(Handle device, u32* mode) {
  OPEN_DEVICE(nvmlDeviceGetAccountingMode, device);
  return call.Number(Key::accountingMode, mode);
}

NVML_SIM_EXPORT Return nvmlDeviceGetVirtualizationMode(Handle device, u32* mode) {
  OPEN_DEVICE(nvmlDeviceGetVirtualizationMode, device);
  return call.Number(Key::virtualizationMode, mode);
}

NVML_SIM_EXPORT Return nvmlDeviceQueryDrainState(PciInfo* pci, u32* state) {
  OPEN_SYSTEM(nvmlDeviceQueryDrainState);
  if (!pci || !state) return kInvalidArgument;
  for (const DeviceScenario& device : call.scenario().devices)
    if (device.pciDomain == pci->domain && device.pciBus == pci->bus && device.pciDevice == pci->device) {
      *state = ToAnswer<u32>(device.Number(Key::drainState).value_or(0));
      return kSuccess;
    }
  return kNotFound;
}
