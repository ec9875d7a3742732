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
  for (const Holder& holder : ProcessTable::Instance().HoldersOf(mig ? mig->uuid : device.uuid)) state->used += holder.bytes;
  state->used = std::min(state->used, state->total - state->reserved);
  return true;
}

u32 InstanceId(const Call& call) { return call.mig() ? call.mig()->gpuInstanceId : UINT32_MAX; }
u32 ComputeId(const Call& call) { return call.mig() ? call.mig()->computeInstanceId : UINT32_MAX; }

std::vector<Holder> LivingHolders(const Call& call) {
  std::vector<Holder> holders = ProcessTable::Instance().HoldersOf(call.mig() ? call.mig()->uuid : call.device().uuid);
  holders.erase(std::remove_if(holders.begin(), holders.end(), [](const Holder& h) { return !h.alive; }), holders.end());
  return holders;
}

/// NVML's protocol for lists: too little room answers the number that is needed.
Return ListProcesses(const Call& call, u32* count, ProcessInfo* infos) {
  if (!count || (*count > 0 && !infos)) return kInvalidArgument;
  const std::vector<Holder> holders = LivingHolders(call);
  const u32 room = *count;
  *count = static_cast<u32>(holders.size());
  if (holders.size() > room) return kInsufficientSize;
  for (size_t i = 0; i < holders.size(); i++) infos[i] = {holders[i].pid, holders[i].bytes, InstanceId(call), ComputeId(call)};
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
  std::vector<Holder> holders = LivingHolders(call);
  if (list->mode == kGraphics || list->mode == kMps) holders.clear();
  const u32 room = list->numProcArrayEntries;
  list->numProcArrayEntries = static_cast<u32>(holders.size());
  if (holders.empty()) return kSuccess;
  if (holders.size() > room || !list->procArray) return kInsufficientSize;
  for (size_t i = 0; i < holders.size(); i++)
    list->procArray[i] = {holders[i].pid, holders[i].bytes, InstanceId(call), ComputeId(call), 0};
  return kSuccess;
}
