// The parts of a device that have rows of their own: NVLinks, MIG instances, peers.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "nvml/answers.h"
#include "nvml/device_reader.h"

namespace infernode::nvml {

void DeviceReader::ReadLinks() {
  row_.link_count = -1;
  const double count = row_.reading[static_cast<size_t>(Column::nvlinkCount)];
  if (!ReadsOn() || !(count > 0 && count < kFailed)) return;
  row_.link_count = static_cast<int32_t>(std::min(static_cast<uint32_t>(count), kMaxLinks));
  for (int32_t link = 0; link < row_.link_count && ReadsOn(); link++) {
    FieldValue values[kMaxSteps] = {};
    size_t wanted[kMaxSteps];
    int asked = 0;
    std::fill_n(row_.links[link], kLinkColumnCount, std::nan(""));
    for (size_t i = 0; i < kLinkFieldCount; i++) {
      if (unsupported_link_fields_[i]) continue;
      values[asked].field_id = kLinkFields[i].field_id;
      values[asked].scope_id = static_cast<uint32_t>(link);
      wanted[asked++] = i;
    }
    const Return result = asked == 0 ? kNotSupported
                                     : INFERNODE_NVML(symbols_, slot_, static_cast<int32_t>(index_), nvmlDeviceGetFieldValues, handle_, asked, values);
    Judge(result, Call::nvmlDeviceGetFieldValues);
    for (int n = 0; n < asked && result == kSuccess; n++) {
      const Return own = values[n].result;
      const bool unsupported = IsUnsupported(own) || own == kInvalidArgument;
      // Only the first link decides: a later one may be missing for reasons of its own.
      if (unsupported && link == 0) unsupported_link_fields_.set(wanted[n]);
      row_.links[link][static_cast<size_t>(kLinkFields[wanted[n]].column)] =
          own == kSuccess ? FieldNumber(values[n]) : unsupported ? std::nan("") : kFailed;
    }
    if (std::isnan(row_.links[link][static_cast<size_t>(LinkColumn::active)])) ReadLinkState(static_cast<uint32_t>(link));
  }
}

/// For drivers without the fields (before R520).
void DeviceReader::ReadLinkState(uint32_t link) {
  const auto index = static_cast<int32_t>(index_);
  double* row = row_.links[link];
  uint32_t active = 0;
  if (INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetNvLinkState, handle_, link, &active) == kSuccess)
    row[static_cast<size_t>(LinkColumn::active)] = active;
  constexpr std::pair<uint32_t, LinkColumn> kCounters[] = {
      {kLinkReplay, LinkColumn::replayErrors}, {kLinkRecovery, LinkColumn::recoveryErrors}, {kLinkCrcFlit, LinkColumn::crcErrors}};
  for (const auto& [counter, column] : kCounters) {
    uint64_t count = 0;
    if (INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetNvLinkErrorCounter, handle_, link, counter, &count) == kSuccess)
      row[static_cast<size_t>(column)] = static_cast<double>(count);
  }
}

void DeviceReader::ReadMigs() {
  row_.mig_count = -1;
  const auto index = static_cast<int32_t>(index_);
  uint32_t most = 0;
  if (!ReadsOn() || row_.reading[static_cast<size_t>(Column::migMode)] != 1) return;
  if (INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetMaxMigDeviceCount, handle_, &most) != kSuccess) return;
  row_.mig_count = 0;
  for (uint32_t i = 0; i < std::min(most, kMaxMigInstances) && ReadsOn(); i++) {
    Device mig = nullptr;
    const Return found = INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetMigDeviceHandleByIndex, handle_, i, &mig);
    // A hole: an instance before this one was removed.
    if (found != kSuccess) {
      Judge(found, Call::nvmlDeviceGetMigDeviceHandleByIndex);
      continue;
    }
    MigRow& row = row_.migs[row_.mig_count++];
    row = MigRow{{0}, UINT32_MAX, UINT32_MAX, std::nan(""), std::nan("")};
    char text[kUuidBufferSize] = "";
    if (INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetUUID, mig, text, kUuidBufferSize) == kSuccess) Copy(row.uuid, sizeof row.uuid, text);
    INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetGpuInstanceId, mig, &row.gpu_instance);
    INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetComputeInstanceId, mig, &row.compute_instance);
    MemoryV2 memory{};
    memory.version = StructVersion<MemoryV2>(2);
    if (INFERNODE_NVML(symbols_, slot_, index, nvmlDeviceGetMemoryInfo_v2, mig, &memory) == kSuccess) {
      row.memory_total = static_cast<double>(memory.total);
      row.memory_used = static_cast<double>(memory.used);
    }
  }
}

/// Both directions of a pair are asked by the one and the other device's own thread.
void DeviceReader::ReadPeers() {
  row_.peer_count = -1;
  row_.slow_reads++;
  if (!peers_ || !ReadsOn()) return;
  std::fill(std::begin(row_.peers), std::end(row_.peers), std::nan(""));
  row_.peer_count = 0;
  for (uint32_t i = 0; i < kMaxPeers && ReadsOn(); i++) {
    const Device other = (*peers_)[i].load(std::memory_order_acquire);
    if (!other || i == index_) continue;
    uint32_t status = 0;
    const Return result = INFERNODE_NVML(symbols_, slot_, static_cast<int32_t>(index_), nvmlDeviceGetP2PStatus, handle_, other, kP2pRead, &status);
    if (result == kSuccess) row_.peers[i] = status;
    row_.peer_count = static_cast<int32_t>(i + 1);
  }
}

}  // namespace infernode::nvml
