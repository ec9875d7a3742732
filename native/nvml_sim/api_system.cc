// Start, end, versions, errors, and how a device is found.
#include <strings.h>

#include <cstdio>
#include <cstring>
#include <fstream>

#include "nvml_sim/call_gate.h"
#include "nvml_sim/process_table.h"

using namespace infernode::nvml_sim;

namespace {

constexpr u32 kInitNoGpus = 1, kInitForce = 4;

constexpr const char* kErrorTexts[] = {
    "Success",
    "Uninitialized",
    "Invalid Argument",
    "Not Supported",
    "Insufficient Permissions",
    "Already Initialized",
    "Not Found",
    "Insufficient Size",
    "Insufficient External Power",
    "Driver Not Loaded",
    "Timeout",
    "Interrupt Request Issue",
    "NVML Shared Library Not Found",
    "Function Not Found",
    "Corrupted infoROM",
    "GPU is lost",
    "GPU requires reset",
    "Blocked by the operating system",
    "Driver/library version mismatch",
    "In use by another client",
    "Insufficient memory",
    "No data",
    "vGPU not available while ECC is enabled",
    "Insufficient resources",
    "Frequency not supported",
    "Argument version mismatch",
    "Deprecated function",
    "System is not ready",
    "GPU not found",
    "Invalid state",
    "Reset type not supported",
};

Return Init(Function function) {
  // The first look of a process at its scenario; what stands in it now is not news.
  ScenarioFile::Instance().Refreshed();
  const Call call(function);
  if (call.failed()) return call.result();
  LibraryState::AddUser();
  return kSuccess;
}

bool Visible(const DeviceScenario& device) { return !device.vanished; }

/// Position of the device with that NVML index; -1 when there is none.
int PositionOfIndex(const Scenario& scenario, u32 index) {
  for (const DeviceScenario& device : scenario.devices)
    if (Visible(device) && index-- == 0) return static_cast<int>(device.position);
  return -1;
}

template <typename Matches>
int PositionWhere(Matches matches) {
  const ScenarioPtr scenario = ScenarioFile::Instance().Current();
  if (scenario)
    for (const DeviceScenario& device : scenario->devices)
      if (Visible(device) && matches(device)) return static_cast<int>(device.position);
  return -1;
}

/// The end of every lookup: a lost device has no handle any more.
Return GiveHandle(const Call& call, int position, Return otherwise, Handle* device) {
  if (call.failed()) return call.result();
  if (!device) return kInvalidArgument;
  if (position < 0 || static_cast<size_t>(position) >= call.scenario().devices.size()) return otherwise;
  if (call.scenario().devices[static_cast<size_t>(position)].lost) return kGpuIsLost;
  *device = MakeHandle({static_cast<u32>(position), 0});
  return kSuccess;
}

std::string ApiVersionText(const Scenario& scenario) {
  return std::to_string(scenario.api_version / 1000) + "." + scenario.driver_version;
}

}  // namespace

NVML_SIM_EXPORT const char* nvmlErrorString(Return code) {
  if (code >= 0 && static_cast<size_t>(code) < std::size(kErrorTexts)) return kErrorTexts[code];
  return "Unknown Error";
}

/// Not NVML's: tells who asks that this library simulates, so that what it reports can be marked as a drill.
NVML_SIM_EXPORT const char* infernodeNvmlSimulator() { return "infernode nvml simulator"; }

NVML_SIM_EXPORT Return nvmlInit_v2() { return Init(Function::nvmlInit_v2); }

NVML_SIM_EXPORT Return nvmlInitWithFlags(u32 flags) {
  if (flags > (kInitNoGpus | 2 | kInitForce)) return kInvalidArgument;
  return Init(Function::nvmlInitWithFlags);
}

NVML_SIM_EXPORT Return nvmlShutdown() {
  OPEN_SYSTEM(nvmlShutdown);
  return LibraryState::RemoveUser() ? kSuccess : kUninitialized;
}

NVML_SIM_EXPORT Return nvmlSystemGetDriverVersion(char* version, u32 length) {
  OPEN_SYSTEM(nvmlSystemGetDriverVersion);
  return CopyText(call.scenario().driver_version, version, length);
}

NVML_SIM_EXPORT Return nvmlSystemGetNVMLVersion(char* version, u32 length) {
  OPEN_SYSTEM(nvmlSystemGetNVMLVersion);
  const std::string& given = call.scenario().nvml_version;
  return CopyText(given.empty() ? ApiVersionText(call.scenario()) : given, version, length);
}

NVML_SIM_EXPORT Return nvmlSystemGetCudaDriverVersion_v2(int* version) {
  OPEN_SYSTEM(nvmlSystemGetCudaDriverVersion_v2);
  if (!version) return kInvalidArgument;
  *version = call.scenario().cuda_version;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlSystemGetDriverBranch(DriverBranchInfo* info, u32 length) {
  OPEN_SYSTEM(nvmlSystemGetDriverBranch);
  if (!info) return kInvalidArgument;
  if (const Return bad = call.CheckVersion(info->version, VersionWord<DriverBranchInfo>(1))) return bad;
  const u32 room = std::min<u32>(length, sizeof info->branch);
  return CopyText("r" + std::to_string(call.scenario().branch) + "_00", info->branch, room);
}

NVML_SIM_EXPORT Return nvmlSystemGetProcessName(u32 pid, char* name, u32 length) {
  OPEN_SYSTEM(nvmlSystemGetProcessName);
  std::string known = ProcessTable::Instance().NameOf(pid);
  if (known.empty()) {
    std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
    std::getline(comm, known);
  }
  return known.empty() ? kNotFound : CopyText(known, name, length);
}

NVML_SIM_EXPORT Return nvmlDeviceGetCount_v2(u32* count) {
  OPEN_SYSTEM(nvmlDeviceGetCount_v2);
  if (!count) return kInvalidArgument;
  *count = 0;
  for (const DeviceScenario& device : call.scenario().devices) *count += Visible(device);
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetHandleByIndex_v2(u32 index, Handle* device) {
  const ScenarioPtr scenario = ScenarioFile::Instance().Current();
  const int position = scenario ? PositionOfIndex(*scenario, index) : -1;
  return GiveHandle(Call(Function::nvmlDeviceGetHandleByIndex_v2, position), position, kInvalidArgument, device);
}

NVML_SIM_EXPORT Return nvmlDeviceGetHandleByUUID(const char* uuid, Handle* device) {
  if (!uuid) return kInvalidArgument;
  u32 mig = 0;
  const int position = PositionWhere([&](const DeviceScenario& d) {
    if (d.uuid == uuid) return true;
    for (size_t i = 0; i < d.mig.size() && d.MigEnabled(); i++)
      if (d.mig[i].uuid == uuid) mig = static_cast<u32>(i + 1);
    return mig != 0;
  });
  const Return result = GiveHandle(Call(Function::nvmlDeviceGetHandleByUUID, position), position, kNotFound, device);
  if (result == kSuccess && mig != 0) *device = MakeHandle({static_cast<u32>(position), mig});
  return result;
}

NVML_SIM_EXPORT Return nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id, Handle* device) {
  u32 domain = 0, bus = 0, slot = 0;
  if (!bus_id || !ParsePciBusId(bus_id, &domain, &bus, &slot)) return kInvalidArgument;
  const int position = PositionWhere(
      [&](const DeviceScenario& d) { return d.pciDomain == domain && d.pciBus == bus && d.pciDevice == slot; });
  return GiveHandle(Call(Function::nvmlDeviceGetHandleByPciBusId_v2, position), position, kNotFound, device);
}

NVML_SIM_EXPORT Return nvmlDeviceGetHandleBySerial(const char* serial, Handle* device) {
  if (!serial) return kInvalidArgument;
  const int position = PositionWhere([&](const DeviceScenario& d) { return d.Text(TextKey::serial) == serial; });
  return GiveHandle(Call(Function::nvmlDeviceGetHandleBySerial, position), position, kNotFound, device);
}

NVML_SIM_EXPORT Return nvmlDeviceGetIndex(Handle device, u32* index) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetIndex, device);
  if (!index) return kInvalidArgument;
  *index = 0;
  for (const DeviceScenario& other : call.scenario().devices) *index += Visible(other) && other.position < call.device().position;
  if (call.mig()) *index = call.parts().mig - 1;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlGetExcludedDeviceCount(u32* count) {
  OPEN_SYSTEM(nvmlGetExcludedDeviceCount);
  if (!count) return kInvalidArgument;
  *count = static_cast<u32>(call.scenario().excluded.size());
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlGetExcludedDeviceInfoByIndex(u32 index, ExcludedDeviceInfo* info) {
  OPEN_SYSTEM(nvmlGetExcludedDeviceInfoByIndex);
  if (!info || index >= call.scenario().excluded.size()) return kInvalidArgument;
  const ExcludedDevice& excluded = call.scenario().excluded[index];
  *info = ExcludedDeviceInfo{};
  std::snprintf(info->uuid, sizeof info->uuid, "%s", excluded.uuid.c_str());
  std::snprintf(info->pciInfo.busId, sizeof info->pciInfo.busId, "%s", excluded.pciBusId.c_str());
  ParsePciBusId(excluded.pciBusId, &info->pciInfo.domain, &info->pciInfo.bus, &info->pciInfo.device);
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlSystemGetConfComputeState(ConfComputeState* state) {
  OPEN_SYSTEM(nvmlSystemGetConfComputeState);
  if (!state) return kInvalidArgument;
  const u32 on = call.scenario().confidential_compute;
  *state = {on, on, 0};
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlSystemGetConfComputeGpusReadyState(u32* accepting) {
  OPEN_SYSTEM(nvmlSystemGetConfComputeGpusReadyState);
  if (!accepting) return kInvalidArgument;
  if (!call.scenario().confidential_compute) return kNotSupported;
  *accepting = call.scenario().confidential_ready;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlSystemGetConfComputeCapabilities(ConfComputeCaps* caps) {
  OPEN_SYSTEM(nvmlSystemGetConfComputeCapabilities);
  if (!caps) return kInvalidArgument;
  *caps = {call.scenario().confidential_compute, call.scenario().confidential_compute};
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlSystemGetConfComputeSettings(ConfComputeSettings* settings) {
  OPEN_SYSTEM(nvmlSystemGetConfComputeSettings);
  if (!settings) return kInvalidArgument;
  if (const Return bad = call.CheckVersion(settings->version, VersionWord<ConfComputeSettings>(1))) return bad;
  const u32 on = call.scenario().confidential_compute;
  *settings = {settings->version, on, on, 0, 0};
  return kSuccess;
}
