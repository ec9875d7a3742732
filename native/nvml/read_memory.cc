// Steps about memory and what is wrong with it: sizes, ECC, remapped rows, repairs, retired pages.
#include <cmath>

#include "nvml/step_functions.h"

namespace infernode::nvml {

namespace {

void SetMemory(const ReadContext& c, uint64_t total, uint64_t used, uint64_t free) {
  c.Set(Column::memoryTotalBytes, static_cast<double>(total));
  c.Set(Column::memoryUsedBytes, static_cast<double>(used));
  c.Set(Column::memoryFreeBytes, static_cast<double>(free));
}

Return ReadEcc(const ReadContext& c, uint32_t type, Column column) {
  uint64_t count = 0;
  const Return result = CALL(c, nvmlDeviceGetTotalEccErrors, type, kCounterVolatile, &count);
  if (result == kSuccess) c.Set(column, static_cast<double>(count));
  return result;
}

Return ReadAggregateEcc(const ReadContext& c, uint32_t type, Column column) {
  uint64_t count = 0;
  const Return result = CALL(c, nvmlDeviceGetTotalEccErrors, type, kCounterAggregate, &count);
  if (result == kSuccess) c.Set(column, static_cast<double>(count));
  return result;
}

/// Only the count is wanted, and a count of 0 bytes of room answers it with INSUFFICIENT_SIZE.
Return ReadRetired(const ReadContext& c, uint32_t cause, Column column) {
  uint32_t count = 0;
  const Return result = CALL(c, nvmlDeviceGetRetiredPages_v2, cause, &count, nullptr, nullptr);
  if (result != kSuccess && result != kInsufficientSize) return result;
  c.Set(column, count);
  return kSuccess;
}

}  // namespace

/// v1 counts the driver's own reserve as used; it is for drivers before R510, and for those that refuse the version word.
Return ReadMemory(const ReadContext& c) {
  MemoryV2 memory{};
  memory.version = StructVersion<MemoryV2>(2);
  const Return result = CALL(c, nvmlDeviceGetMemoryInfo_v2, &memory);
  if (result == kSuccess) SetMemory(c, memory.total, memory.used, memory.free);
  if (result != kFunctionNotFound && result != kArgumentVersionMismatch) return result;
  MemoryV1 old{};
  const Return second = CALL(c, nvmlDeviceGetMemoryInfo, &old);
  if (second == kSuccess) SetMemory(c, old.total, old.used, old.free);
  return second;
}

Return ReadRemappedRows(const ReadContext& c) {
  uint32_t correctable = 0, uncorrectable = 0, pending = 0, failure = 0;
  const Return result = CALL(c, nvmlDeviceGetRemappedRows, &correctable, &uncorrectable, &pending, &failure);
  if (result != kSuccess) return result;
  c.Set(Column::remappedRowsCorrectable, Number(correctable));
  c.Set(Column::remappedRowsUncorrectable, Number(uncorrectable));
  c.Set(Column::rowRemapPending, Number(pending));
  c.Set(Column::rowRemapFailure, Number(failure));
  return result;
}

Return ReadBar1(const ReadContext& c) {
  Bar1Memory memory{};
  const Return result = CALL(c, nvmlDeviceGetBAR1MemoryInfo, &memory);
  if (result != kSuccess) return result;
  c.Set(Column::bar1TotalBytes, static_cast<double>(memory.total));
  c.Set(Column::bar1UsedBytes, static_cast<double>(memory.used));
  return result;
}

Return ReadEccMode(const ReadContext& c) {
  uint32_t current = 0, pending = 0;
  const Return result = CALL(c, nvmlDeviceGetEccMode, &current, &pending);
  if (result != kSuccess) return result;
  c.Set(Column::eccEnabled, Number(current));
  c.Set(Column::eccPending, Number(pending));
  return result;
}

/// Root only: without that right it is as if the part had no such status.
Return ReadSram(const ReadContext& c) {
  EccSramStatus status{};
  status.version = StructVersion<EccSramStatus>(1);
  const Return result = CALL(c, nvmlDeviceGetSramEccErrorStatus, &status);
  if (result == kSuccess) c.Set(Column::sramThresholdExceeded, status.threshold_exceeded);
  return result == kNoPermission ? kNotSupported : result;
}

Return ReadRemapBanks(const ReadContext& c) {
  RowRemapperHistogram banks{};
  const Return result = CALL(c, nvmlDeviceGetRowRemapperHistogram, &banks);
  if (result != kSuccess) return result;
  c.Set(Column::remapBanksLow, banks.low);
  c.Set(Column::remapBanksNone, banks.none);
  return result;
}

Return ReadRepair(const ReadContext& c) {
  RepairStatus status{StructVersion<RepairStatus>(1), 0, 0};
  const Return result = CALL(c, nvmlDeviceGetRepairStatus, &status);
  if (result != kSuccess) return result;
  c.Set(Column::channelRepairPending, status.channel_repair_pending);
  c.Set(Column::tpcRepairPending, status.tpc_repair_pending);
  return result;
}

Return ReadUnrepairable(const ReadContext& c) {
  uint32_t flag = 0;
  const Return result = CALL(c, nvmlDeviceGetUnrepairableMemoryFlag_v1, &flag);
  if (result == kSuccess) c.Set(Column::unrepairableMemory, flag);
  return result;
}

Return ReadRetiredPending(const ReadContext& c) {
  uint32_t pending = 0;
  const Return result = CALL(c, nvmlDeviceGetRetiredPagesPendingStatus, &pending);
  if (result == kSuccess) c.Set(Column::retiredPagesPending, pending);
  return result;
}

Return ReadCorrectedAggregate(const ReadContext& c) { return ReadAggregateEcc(c, kErrorCorrected, Column::eccCorrectedAggregate); }
Return ReadUncorrectedAggregate(const ReadContext& c) { return ReadAggregateEcc(c, kErrorUncorrected, Column::eccUncorrectedAggregate); }
Return ReadRetiredSingle(const ReadContext& c) { return ReadRetired(c, kRetiredBySingleBit, Column::retiredPagesSingleBit); }
Return ReadRetiredDouble(const ReadContext& c) { return ReadRetired(c, kRetiredByDoubleBit, Column::retiredPagesDoubleBit); }
Return ReadEccUncorrected(const ReadContext& c) { return ReadEcc(c, kErrorUncorrected, Column::eccUncorrectedVolatile); }
Return ReadEccCorrected(const ReadContext& c) { return ReadEcc(c, kErrorCorrected, Column::eccCorrectedVolatile); }

}  // namespace infernode::nvml
