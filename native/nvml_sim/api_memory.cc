// Memory and who holds it. What processes hold is the truth of processes/*.json; free memory follows from it.
#include <algorithm>

#include "nvml_sim/call_gate.h"
#include "nvml_sim/process_table.h"

using namespace infernode::nvml_sim;

namespace {

struct MemoryState {
  u64 total = 0, reserved = 0, used = 0;
  u64 Free() const { return total - reserved - used; }
};

/// `used` is what live processes hold, what dead ones have not given back yet, and what a scenario says has leaked. It never
/// exceeds the part: a driver would have refused the allocation.
bool ReadMemory(const Call& call, MemoryState* state) {
  const DeviceScenario& device = call.device();
  const MigInstance* mig = call.mig();
  const Reading total = mig ? Reading(static_cast<double>(mig->memoryBytes)) : device.Number(Key::memoryTotalBytes);
  if (!total) return false;
  state->total = ToAnswer<u64>(*total);
  if (!mig) state->reserved = std::min(ToAnswer<u64>(device.Number(Key::memoryReservedBytes).value_or(0)), state->total);
  if (!mig) state->used = ToAnswer<u64>(device.Number(Key::memoryLeakedBytes).value_or(0));
  const auto add = [state](const std::string& uuid) {
    for (const Holder& holder : ProcessTable::Instance().HoldersOf(uuid)) state->used += holder.bytes;
  };
  add(mig ? mig->uuid : device.uuid);
  // What instances hold is in use on the device too.
  if (!mig && device.MigEnabled())
    for (const MigInstance& instance : device.mig)
      if (!instance.uuid.empty()) add(instance.uuid);
  state->used = std::min(state->used, state->total - state->reserved);
  return true;
}

/// A process, and the instance that it runs in.
struct Resident {
  Holder holder;
  u32 gpu_instance = UINT32_MAX, compute_instance = UINT32_MAX;
};

void AddLiving(const std::string& uuid, const MigInstance* mig, std::vector<Resident>* residents) {
  for (const Holder& holder : ProcessTable::Instance().HoldersOf(uuid))
    if (holder.alive) residents->push_back(mig ? Resident{holder, mig->gpuInstanceId, mig->computeInstanceId} : Resident{holder});
}

/// A device with MIG lists the processes of all its instances, an instance its own.
std::vector<Resident> Residents(const Call& call) {
  std::vector<Resident> residents;
  AddLiving(call.mig() ? call.mig()->uuid : call.device().uuid, call.mig(), &residents);
  if (!call.mig() && call.device().MigEnabled())
    for (const MigInstance& mig : call.device().mig)
      if (!mig.uuid.empty()) AddLiving(mig.uuid, &mig, &residents);
  return residents;
}

/// NVML's protocol for lists: too little room answers the number that is needed.
Return ListProcesses(const Call& call, u32* count, ProcessInfo* infos) {
  if (!count || (*count > 0 && !infos)) return kInvalidArgument;
  const std::vector<Resident> residents = Residents(call);
  const u32 room = *count;
  *count = static_cast<u32>(residents.size());
  if (residents.size() > room) return kInsufficientSize;
  for (size_t i = 0; i < residents.size(); i++) {
    const auto& [holder, gpu_instance, compute_instance] = residents[i];
    infos[i] = {holder.pid, holder.bytes, gpu_instance, compute_instance};
  }
  return kSuccess;
}

Return NoProcesses(u32* count) {
  if (!count) return kInvalidArgument;
  *count = 0;
  return kSuccess;
}

}  // namespace

NVML_SIM_EXPORT Return nvmlDeviceGetMemoryInfo_v2(Handle device, MemoryV2* memory) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetMemoryInfo_v2, device);
  if (!memory) return kInvalidArgument;
  if (const Return bad = call.CheckVersion(memory->version, VersionWord<MemoryV2>(2))) return bad;
  MemoryState state;
  if (!ReadMemory(call, &state)) return kNotSupported;
  *memory = {memory->version, state.total, state.reserved, state.Free(), state.used};
  return kSuccess;
}

/// The first version counts the reserve as used.
NVML_SIM_EXPORT Return nvmlDeviceGetMemoryInfo(Handle device, Memory* memory) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetMemoryInfo, device);
  if (!memory) return kInvalidArgument;
  MemoryState state;
  if (!ReadMemory(call, &state)) return kNotSupported;
  *memory = {state.total, state.Free(), state.used + state.reserved};
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetBAR1MemoryInfo(Handle device, Bar1Memory* memory) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetBAR1MemoryInfo, device);
  if (!memory) return kInvalidArgument;
  const Reading total = call.device().Number(Key::bar1TotalBytes), used = call.device().Number(Key::bar1UsedBytes);
  if (!total || !used) return kNotSupported;
  const u64 bytes = ToAnswer<u64>(*total), taken = std::min(ToAnswer<u64>(*used), bytes);
  *memory = {bytes, bytes - taken, taken};
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetUtilizationRates(Handle device, Utilization* rates) {
  OPEN_DEVICE(nvmlDeviceGetUtilizationRates, device);
  if (!rates) return kInvalidArgument;
  if (call.device().MigEnabled()) return kNotSupported;
  const Return result = call.Number(Key::gpuUtilizationRatio, &rates->gpu, 100);
  return result == kSuccess ? call.Number(Key::memoryUtilizationRatio, &rates->memory, 100) : result;
}

NVML_SIM_EXPORT Return nvmlDeviceGetComputeRunningProcesses_v3(Handle device, u32* count, ProcessInfo* infos) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetComputeRunningProcesses_v3, device);
  return ListProcesses(call, count, infos);
}

NVML_SIM_EXPORT Return nvmlDeviceGetComputeRunningProcesses_v2(Handle device, u32* count, ProcessInfo* infos) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetComputeRunningProcesses_v2, device);
  return ListProcesses(call, count, infos);
}

NVML_SIM_EXPORT Return nvmlDeviceGetGraphicsRunningProcesses_v3(Handle device, u32* count, ProcessInfo*) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetGraphicsRunningProcesses_v3, device);
  return NoProcesses(count);
}

NVML_SIM_EXPORT Return nvmlDeviceGetMPSComputeRunningProcesses_v3(Handle device, u32* count, ProcessInfo*) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetMPSComputeRunningProcesses_v3, device);
  return NoProcesses(count);
}

NVML_SIM_EXPORT Return nvmlDeviceGetRunningProcessDetailList(Handle device, ProcessDetailList* list) {
  OPEN_DEVICE_OR_MIG(nvmlDeviceGetRunningProcessDetailList, device);
  if (!list) return kInvalidArgument;
  if (const Return bad = call.CheckVersion(list->version, VersionWord<ProcessDetailList>(1))) return bad;
  constexpr u32 kGraphics = 1, kMps = 2, kAll = 3;
  if (list->mode > kAll) return kInvalidArgument;
  std::vector<Resident> residents = Residents(call);
  if (list->mode == kGraphics || list->mode == kMps) residents.clear();
  const u32 room = list->numProcArrayEntries;
  list->numProcArrayEntries = static_cast<u32>(residents.size());
  if (residents.empty()) return kSuccess;
  if (residents.size() > room || !list->procArray) return kInsufficientSize;
  for (size_t i = 0; i < residents.size(); i++) {
    const auto& [holder, gpu_instance, compute_instance] = residents[i];
    list->procArray[i] = {holder.pid, holder.bytes, gpu_instance, compute_instance, 0};
  }
  return kSuccess;
}
