// Memory errors and repairs.
#include <algorithm>

#include "nvml_sim/call_gate.h"

using namespace infernode::nvml_sim;

namespace {

constexpr u32 kLocations = 8, kLocationDram = 2, kLocationSram = 7;

bool EccOn(const Call& call) { return call.device().Number(Key::eccEnabled).value_or(0) != 0; }

Key TotalKey(u32 type, u32 counter) {
  if (type == 0) return counter == 0 ? Key::eccCorrectedVolatile : Key::eccCorrectedAggregate;
  return counter == 0 ? Key::eccUncorrectedVolatile : Key::eccUncorrectedAggregate;
}

Key SramKey(u32 type, u32 counter) {
  if (type == 0) return counter == 0 ? Key::sramCorrectedVolatile : Key::sramCorrectedAggregate;
  return counter == 0 ? Key::sramUncorrectedVolatile : Key::sramUncorrectedAggregate;
}

}  // namespace

NVML_SIM_EXPORT Return nvmlDeviceGetEccMode(Handle device, u32* current, u32* pending) {
  OPEN_DEVICE(nvmlDeviceGetEccMode, device);
  const Return result = call.Number(Key::eccEnabled, current);
  return result == kSuccess ? call.Number(Key::eccPending, pending) : result;
}

NVML_SIM_EXPORT Return nvmlDeviceGetTotalEccErrors(Handle device, u32 type, u32 counter, u64* count) {
  OPEN_DEVICE(nvmlDeviceGetTotalEccErrors, device);
  if (type > 1 || counter > 1) return kInvalidArgument;
  // Volatile counters of a GPU in MIG mode are its instances' business.
  if (!EccOn(call) || (counter == 0 && call.device().MigEnabled())) return kNotSupported;
  return call.Number(TotalKey(type, counter), count);
}

NVML_SIM_EXPORT Return nvmlDeviceGetMemoryErrorCounter(Handle device, u32 type, u32 counter, u32 location, u64* count) {
  OPEN_DEVICE(nvmlDeviceGetMemoryErrorCounter, device);
  if (type > 1 || counter > 1 || location >= kLocations || !count) return kInvalidArgument;
  if (!EccOn(call)) return kNotSupported;
  if (location == kLocationSram) return call.Number(SramKey(type, counter), count);
  if (location != kLocationDram) return kNotSupported;
  // What is counted in all and not in SRAM happened in DRAM.
  u64 sram = 0;
  const Return result = call.Number(TotalKey(type, counter), count);
  if (result == kSuccess && call.Number(SramKey(type, counter), &sram) == kSuccess) *count -= std::min(*count, sram);
  return result;
}

NVML_SIM_EXPORT Return nvmlDeviceGetSramEccErrorStatus(Handle device, EccSramStatus* status) {
  OPEN_DEVICE(nvmlDeviceGetSramEccErrorStatus, device);
  if (!status) return kInvalidArgument;
  if (const Return bad = call.CheckVersion(status->version, VersionWord<EccSramStatus>(1))) return bad;
  if (!EccOn(call)) return kNotSupported;
  const u32 version = status->version;
  *status = EccSramStatus{};
  status->version = version;
  call.Number(Key::sramCorrectedVolatile, &status->volatileCor);
  call.Number(Key::sramUncorrectedVolatile, &status->volatileUncSecDed);
  call.Number(Key::sramCorrectedAggregate, &status->aggregateCor);
  call.Number(Key::sramUncorrectedAggregate, &status->aggregateUncSecDed);
  status->aggregateUncBucketL2 = status->aggregateUncSecDed;
  return call.Number(Key::sramThresholdExceeded, &status->bThresholdExceeded);
}

/// No addresses and times are made up: the list has the right length, its entries are zero.
NVML_SIM_EXPORT Return nvmlDeviceGetRetiredPages_v2(Handle device, u32 cause, u32* count, u64* addresses, u64* timestamps) {
  OPEN_DEVICE(nvmlDeviceGetRetiredPages_v2, device);
  if (cause > 1 || !count) return kInvalidArgument;
  const u32 room = *count;
  const Return result = call.Number(cause == 0 ? Key::retiredPagesSingleBit : Key::retiredPagesDoubleBit, count);
  if (result != kSuccess || *count == 0) return result;
  if (*count > room) return kInsufficientSize;
  if (addresses) std::fill_n(addresses, *count, 0);
  if (timestamps) std::fill_n(timestamps, *count, 0);
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetRetiredPagesPendingStatus(Handle device, u32* pending) {
  OPEN_DEVICE(nvmlDeviceGetRetiredPagesPendingStatus, device);
  return call.Number(Key::retiredPagesPending, pending);
}

NVML_SIM_EXPORT Return nvmlDeviceGetRemappedRows(Handle device, u32* correctable, u32* uncorrectable, u32* pending, u32* failure) {
  OPEN_DEVICE(nvmlDeviceGetRemappedRows, device);
  if (call.device().MigEnabled()) return kNotSupported;
  Return result = call.Number(Key::remappedRowsCorrectable, correctable);
  if (result == kSuccess) result = call.Number(Key::remappedRowsUncorrectable, uncorrectable);
  if (result == kSuccess) result = call.Number(Key::rowRemapPending, pending);
  return result == kSuccess ? call.Number(Key::rowRemapFailure, failure) : result;
}

NVML_SIM_EXPORT Return nvmlDeviceGetRemappedRows_v2(Handle device, RemappedRowsV2* rows) {
  OPEN_DEVICE(nvmlDeviceGetRemappedRows_v2, device);
  if (!rows) return kInvalidArgument;
  *rows = RemappedRowsV2{};
  Return result = call.Number(Key::remappedRowsCorrectable, &rows->corrActiveRemaps);
  if (result == kSuccess) result = call.Number(Key::remappedRowsUncorrectable, &rows->uncActiveRemaps);
  if (result == kSuccess) result = call.Number(Key::rowRemapPending, &rows->bPending);
  return result == kSuccess ? call.Number(Key::rowRemapFailure, &rows->bFailureOccurred) : result;
}

NVML_SIM_EXPORT Return nvmlDeviceGetRowRemapperHistogram(Handle device, RowRemapperHistogram* banks) {
  OPEN_DEVICE(nvmlDeviceGetRowRemapperHistogram, device);
  if (!banks) return kInvalidArgument;
  Return result = call.Number(Key::remapBanksMax, &banks->max);
  if (result == kSuccess) result = call.Number(Key::remapBanksHigh, &banks->high);
  if (result == kSuccess) result = call.Number(Key::remapBanksPartial, &banks->partial);
  if (result == kSuccess) result = call.Number(Key::remapBanksLow, &banks->low);
  return result == kSuccess ? call.Number(Key::remapBanksNone, &banks->none) : result;
}

NVML_SIM_EXPORT Return nvmlDeviceGetRepairStatus(Handle device, RepairStatus* status) {
  OPEN_DEVICE(nvmlDeviceGetRepairStatus, device);
  if (!status) return kInvalidArgument;
  if (const Return bad = call.CheckVersion(status->version, VersionWord<RepairStatus>(1))) return bad;
  const Return result = call.Number(Key::channelRepairPending, &status->bChannelRepairPending);
  return result == kSuccess ? call.Number(Key::tpcRepairPending, &status->bTpcRepairPending) : result;
}

NVML_SIM_EXPORT Return nvmlDeviceGetUnrepairableMemoryFlag_v1(Handle device, UnrepairableMemory* status) {
  OPEN_DEVICE(nvmlDeviceGetUnrepairableMemoryFlag_v1, device);
  return status ? call.Number(Key::unrepairableMemory, &status->bUnrepairableMemory) : kInvalidArgument;
}
