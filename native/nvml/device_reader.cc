#include "nvml/device_reader.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "nvml/answers.h"
#include "nvml/read_steps.h"

namespace infernode::nvml {

namespace {

/// Codes that condemn the device, not the one reading.
bool SpeaksOfDevice(Return result) {
  return result == kGpuIsLost || result == kResetRequired || result == kIrqIssue || result == kInsufficientPower ||
         result == kCorruptedInforom;
}

bool SpeaksOfDriver(Return result) {
  return result == kUninitialized || result == kDriverNotLoaded || result == kLibRmVersionMismatch;
}

/// Largest pid of Linux (2^22). An early R535 filled the _v3 list with another layout, which shows as impossible pids.
bool PidsArePossible(const std::vector<ProcessInfo>& infos) {
  return std::all_of(infos.begin(), infos.end(), [](const ProcessInfo& p) { return p.pid > 0 && p.pid <= 4'194'304; });
}

/// Room for processes that start between the two calls of the count-0 protocol.
constexpr uint32_t kProcessSlack = 8;
constexpr uint32_t kProcessLimit = 4096;
/// A class may take a twentieth of the time: firmware that answers in 500 ms is asked each 10 s, however short the interval.
constexpr uint64_t kRestPerWork = 20;

Column SecondsOf(ReadClass read_class) {
  return read_class == ReadClass::kFast     ? Column::fastReadSeconds
         : read_class == ReadClass::kNormal ? Column::normalReadSeconds
                                            : Column::slowReadSeconds;
}

}  // namespace

DeviceReader::DeviceReader(const Symbols& symbols, CallSlot& slot, uint32_t index, int driver_branch, const PeerHandles* peers)
    : symbols_(symbols), slot_(slot), index_(index), driver_branch_(driver_branch), peers_(peers) {
  row_.index = index;
  row_.present = 1;
  row_.identity.minor_number = -1;
  Blank();
}

void DeviceReader::Read(ReadPlan plan) {
  row_.error_code = kSuccess;
  row_.error_call = 0;
  driver_gone_ = answered_ = false;
  first_failure_ = kSuccess;
  if (!handle_) {
    if (!Open()) return Blank();
    plan.normal = plan.slow = plan.processes = plan.at_once = true;
  }
  for (const ReadClass c : {ReadClass::kFast, ReadClass::kNormal, ReadClass::kSlow, ReadClass::kOnDemand})
    if (plan.Holds(c) && ReadsOn() && (plan.at_once || !IsPutOff(c))) ReadClassOf(c);
  if (plan.peers || plan.on_demand) ReadPeers();
  if (plan.processes) ReadProcesses();
  CheckHandle();
  if (row_.error_code == kGpuIsLost) Blank();
  row_.sampled_ns = MonotonicNs();
}

bool DeviceReader::IsPutOff(ReadClass read_class) {
  if (read_class == ReadClass::kFast || MonotonicNs() >= not_before_ns_[static_cast<size_t>(read_class)]) return false;
  double& count = row_.reading[static_cast<size_t>(Column::readsPutOff)];
  count = std::isnan(count) ? 1 : count + 1;
  return true;
}

void DeviceReader::ReadClassOf(ReadClass read_class) {
  const uint64_t began = MonotonicNs();
  RunSteps(read_class);
  ReadFields(read_class);
  if (read_class == ReadClass::kSlow) {
    ReadLinks();
    ReadMigs();
    row_.slow_reads++;
  }
  const uint64_t took = MonotonicNs() - began;
  not_before_ns_[static_cast<size_t>(read_class)] = began + kRestPerWork * took;
  if (read_class != ReadClass::kOnDemand) row_.reading[static_cast<size_t>(SecondsOf(read_class))] = static_cast<double>(took) / 1e9;
}

bool DeviceReader::Open() {
  Device handle = nullptr;
  const Return result = INFERNODE_NVML(symbols_, slot_, static_cast<int32_t>(index_), nvmlDeviceGetHandleByIndex_v2, index_, &handle);
  if (result == kSuccess && handle) {
    handle_ = handle;
    ReadIdentity();
    return true;
  }
  driver_gone_ = SpeaksOfDriver(result);
  row_.error_code = result == kSuccess ? kUnknown : result;
  row_.error_call = static_cast<uint32_t>(Call::nvmlDeviceGetHandleByIndex_v2);
  row_.sampled_ns = MonotonicNs();
  return false;
}

void DeviceReader::ReadIdentity() {
  Identity& id = row_.identity;
  id = Identity{};
  id.minor_number = -1;
  const auto index = static_cast<int32_t>(index_);
  char text[kNameBufferSize] = "";
  if (INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetUUID, handle_, text, kUuidBufferSize) == kSuccess)
    Copy(id.uuid, sizeof id.uuid, text);
  if (INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetName, handle_, text, kNameBufferSize) == kSuccess)
    Copy(id.name, sizeof id.name, text);
  if (INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetSerial, handle_, text, kSerialBufferSize) == kSuccess)
    Copy(id.serial, sizeof id.serial, text);
  PciInfo pci{};
  if (INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetPciInfo_v3, handle_, &pci) == kSuccess) {
    pci.bus_id[sizeof pci.bus_id - 1] = '\0';
    std::transform(pci.bus_id, pci.bus_id + sizeof pci.bus_id, id.pci_bus_id, [](unsigned char c) { return std::tolower(c); });
  }
  if (INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetVbiosVersion, handle_, text, kVbiosBufferSize) == kSuccess)
    Copy(id.vbios, sizeof id.vbios, text);
  if (INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetInforomImageVersion, handle_, text, kInforomBufferSize) == kSuccess)
    Copy(id.inforom, sizeof id.inforom, text);
  if (INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetBoardPartNumber, handle_, text, kPartNumberBufferSize) == kSuccess)
    Copy(id.part_number, sizeof id.part_number, text);
  uint32_t minor = 0;
  if (INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetMinorNumber, handle_, &minor) == kSuccess)
    id.minor_number = static_cast<int32_t>(minor);
}

void DeviceReader::RunSteps(ReadClass read_class) {
  const ReadContext context{symbols_, slot_, handle_, static_cast<int32_t>(index_), row_.reading};
  for (size_t i = 0; i < kReadStepCount && i < kMaxSteps; i++) {
    const ReadStep& step = kReadSteps[i];
    if (unsupported_steps_[i] || step.read_class != read_class) continue;
    const Return result = step.read(context);
    if (result == kSuccess) {
      answered_ = true;
      continue;
    }
    std::fill_n(row_.reading + static_cast<size_t>(step.first), step.columns, IsUnsupported(result) ? std::nan("") : kFailed);
    if (IsUnsupported(result)) unsupported_steps_.set(i);
    if (!Judge(result, step.call)) return;
  }
}

void DeviceReader::ReadFields(ReadClass read_class) {
  if (!ReadsOn()) return;
  FieldValue values[kMaxSteps] = {};
  size_t wanted[kMaxSteps];
  int count = 0;
  for (size_t i = 0; i < kFieldColumnCount && i < kMaxSteps; i++) {
    const FieldColumn& field = kFieldColumns[i];
    if (unsupported_fields_[i] || field.read_class != read_class) continue;
    // Of a driver whose branch is not known, no id is asked for that means different things on different drivers.
    if (driver_branch_ < field.min_branch || driver_branch_ > field.max_branch) continue;
    values[count].field_id = field.field_id;
    values[count].scope_id = field.scope_id;
    wanted[count++] = i;
  }
  if (count == 0) return;
  const Return result = INFERNODE_NVML(symbols_, slot_, static_cast<int32_t>(index_), nvmlDeviceGetFieldValues, handle_, count, values);
  Judge(result, Call::nvmlDeviceGetFieldValues);
  for (int n = 0; n < count; n++) {
    const FieldColumn& field = kFieldColumns[wanted[n]];
    const Return own = result == kSuccess ? values[n].result : result;
    // An id that this driver has never heard of is an invalid argument.
    const bool unsupported = IsUnsupported(own) || own == kInvalidArgument;
    const double value = own == kSuccess ? FieldNumber(values[n]) * field.scale : unsupported ? std::nan("") : kFailed;
    row_.reading[static_cast<size_t>(field.column)] = value;
    if (unsupported) unsupported_fields_.set(wanted[n]);
    else if (own != kSuccess) Judge(own, Call::nvmlDeviceGetFieldValues);
  }
}

void DeviceReader::ReadProcesses() {
  row_.process_count = -1;
  row_.process_total = 0;
  if (processes_unsupported_ || row_.error_code == kGpuIsLost || driver_gone_) return;
  std::vector<ProcessInfo> infos;
  bool listed = ListProcesses(Call::nvmlDeviceGetComputeRunningProcesses_v3, symbols_.nvmlDeviceGetComputeRunningProcesses_v3, &infos);
  if (!listed || !PidsArePossible(infos))
    listed = ListProcesses(Call::nvmlDeviceGetComputeRunningProcesses_v2, symbols_.nvmlDeviceGetComputeRunningProcesses_v2, &infos);
  if (!listed || !PidsArePossible(infos)) return;
  row_.process_total = static_cast<uint32_t>(infos.size());
  row_.process_count = static_cast<int32_t>(std::min<size_t>(infos.size(), kMaxProcesses));
  for (int32_t i = 0; i < row_.process_count; i++) {
    const uint64_t bytes = infos[i].used_gpu_memory;
    row_.processes[i] = {infos[i].pid, infos[i].gpu_instance_id, bytes == UINT64_MAX ? std::nan("") : static_cast<double>(bytes)};
  }
}

/// Asks for the number first, then with slack, because the list grows in between; once more when it outgrew even that.
bool DeviceReader::ListProcesses(Call call, Return (*list)(Device, uint32_t*, ProcessInfo*), std::vector<ProcessInfo>* infos) {
  uint32_t count = 0;
  infos->clear();
  Return result = Invoke(slot_, call, static_cast<int32_t>(index_), list, handle_, &count, static_cast<ProcessInfo*>(nullptr));
  for (int tries = 0; result == kInsufficientSize && tries < 2; tries++) {
    if (count > kProcessLimit) return false;
    infos->assign(count + kProcessSlack, ProcessInfo{});
    count = static_cast<uint32_t>(infos->size());
    result = Invoke(slot_, call, static_cast<int32_t>(index_), list, handle_, &count, infos->data());
  }
  if (result == kSuccess) {
    infos->resize(std::min<size_t>(count, infos->size()));
    return true;
  }
  infos->clear();
  if (call == Call::nvmlDeviceGetComputeRunningProcesses_v2 && IsUnsupported(result)) processes_unsupported_ = true;
  Judge(result, call);
  return false;
}

/// Nothing at all could be read, and not because the part lacks it: the handle is no good any more. The next round asks for
/// a new one, which tells more (a device that fell off the bus answers UNKNOWN to everything).
void DeviceReader::CheckHandle() {
  if (answered_ || first_failure_ == kSuccess) return;
  if (row_.error_code == kSuccess) {
    row_.error_code = first_failure_;
    row_.error_call = static_cast<uint32_t>(first_failed_);
  }
  handle_ = nullptr;
}

void DeviceReader::Blank() {
  std::fill(std::begin(row_.reading), std::end(row_.reading), std::nan(""));
  row_.process_count = row_.link_count = row_.mig_count = row_.peer_count = -1;
  row_.process_total = 0;
  row_.slow_reads++;
}

bool DeviceReader::Judge(Return result, Call call) {
  if (SpeaksOfDriver(result)) driver_gone_ = true;
  if (!IsUnsupported(result) && first_failure_ == kSuccess) {
    first_failure_ = result;
    first_failed_ = call;
  }
  if (SpeaksOfDevice(result) && row_.error_code == kSuccess) {
    row_.error_code = result;
    row_.error_call = static_cast<uint32_t>(call);
  }
  return result != kGpuIsLost && !driver_gone_;
}

}  // namespace infernode::nvml
