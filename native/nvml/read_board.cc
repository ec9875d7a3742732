// Steps about the board and how it is set up: PCIe, fabric, C2C, modes, InfoROM.
#include <cmath>

#include "nvml/step_functions.h"

namespace infernode::nvml {

Return ReadPcieGeneration(const ReadContext& c) {
  uint32_t generation = 0;
  const Return result = CALL(c, nvmlDeviceGetCurrPcieLinkGeneration, &generation);
  if (result == kSuccess) c.Set(Column::pcieLinkGeneration, Number(generation));
  return result;
}

Return ReadPcieWidth(const ReadContext& c) {
  uint32_t width = 0;
  const Return result = CALL(c, nvmlDeviceGetCurrPcieLinkWidth, &width);
  if (result == kSuccess) c.Set(Column::pcieLinkWidth, Number(width));
  return result;
}

/// A bad checksum is the finding, not a failure of the reading.
Return ReadInforom(const ReadContext& c) {
  const Return result = CALL(c, nvmlDeviceValidateInforom);
  if (result != kSuccess && result != kCorruptedInforom) return result;
  c.Set(Column::inforomCorrupt, result == kCorruptedInforom);
  return kSuccess;
}

Return ReadPcieGenerationMax(const ReadContext& c) {
  uint32_t generation = 0;
  const Return result = CALL(c, nvmlDeviceGetMaxPcieLinkGeneration, &generation);
  if (result == kSuccess) c.Set(Column::pcieLinkGenerationMax, Number(generation));
  return result;
}

Return ReadPcieWidthMax(const ReadContext& c) {
  uint32_t width = 0;
  const Return result = CALL(c, nvmlDeviceGetMaxPcieLinkWidth, &width);
  if (result == kSuccess) c.Set(Column::pcieLinkWidthMax, Number(width));
  return result;
}

/// The third version has the same members and one more; drivers before it take the second only.
Return ReadFabric(const ReadContext& c) {
  FabricInfoV3 info{};
  info.version = StructVersion<FabricInfoV3>(3);
  Return result = CALL(c, nvmlDeviceGetGpuFabricInfoV, &info);
  if (result == kArgumentVersionMismatch) {
    FabricInfoV2 old{};
    old.version = StructVersion<FabricInfoV2>(2);
    result = CALL(c, nvmlDeviceGetGpuFabricInfoV, &old);
    info.state = old.state;
    info.status = old.status;
    info.health_mask = old.health_mask;
  }
  if (result != kSuccess) return result;
  // State 0 is the fabric's own "not supported".
  if (info.state == 0) return kNotSupported;
  c.Set(Column::fabricState, info.state);
  c.Set(Column::fabricStatus, info.status);
  c.Set(Column::fabricHealthMask, info.health_mask);
  return result;
}

Return ReadPersistence(const ReadContext& c) {
  uint32_t mode = 0;
  const Return result = CALL(c, nvmlDeviceGetPersistenceMode, &mode);
  if (result == kSuccess) c.Set(Column::persistenceMode, Number(mode));
  return result;
}

Return ReadComputeMode(const ReadContext& c) {
  uint32_t mode = 0;
  const Return result = CALL(c, nvmlDeviceGetComputeMode, &mode);
  if (result == kSuccess) c.Set(Column::computeMode, Number(mode));
  return result;
}

Return ReadVirtualization(const ReadContext& c) {
  uint32_t mode = 0;
  const Return result = CALL(c, nvmlDeviceGetVirtualizationMode, &mode);
  if (result == kSuccess) c.Set(Column::virtualizationMode, Number(mode));
  return result;
}

Return ReadMigMode(const ReadContext& c) {
  uint32_t current = 0, pending = 0;
  const Return result = CALL(c, nvmlDeviceGetMigMode, &current, &pending);
  if (result != kSuccess) return result;
  c.Set(Column::migMode, Number(current));
  c.Set(Column::migPending, Number(pending));
  return result;
}

/// What the driver can tell of this device without being asked: a mask of types below 2^16, exact as a double.
Return ReadEventTypes(const ReadContext& c) {
  uint64_t types = 0;
  const Return result = CALL(c, nvmlDeviceGetSupportedEventTypes, &types);
  if (result == kSuccess) c.Set(Column::eventTypes, static_cast<double>(types));
  return result;
}

Return ReadModuleId(const ReadContext& c) {
  uint32_t id = 0;
  const Return result = CALL(c, nvmlDeviceGetModuleId, &id);
  if (result == kSuccess) c.Set(Column::moduleId, Number(id));
  return result;
}

/// The links between CPU and GPU of a Grace system; the count says how many to ask for.
Return ReadC2c(const ReadContext& c) {
  constexpr uint32_t kLinks = 170, kActive = 171, kErrors = 231, kMaxC2cLinks = 16;
  FieldValue count{};
  count.field_id = kLinks;
  Return result = CALL(c, nvmlDeviceGetFieldValues, 1, &count);
  if (result == kSuccess) result = count.result == kInvalidArgument ? kNotSupported : count.result;
  if (result != kSuccess) return result;
  const double links = FieldNumber(count);
  if (!(links > 0)) return kNotSupported;
  FieldValue values[2 * kMaxC2cLinks] = {};
  const auto asked = static_cast<uint32_t>(links < kMaxC2cLinks ? links : kMaxC2cLinks);
  for (uint32_t i = 0; i < asked; i++) {
    values[2 * i].field_id = kActive;
    values[2 * i + 1].field_id = kErrors;
    values[2 * i].scope_id = values[2 * i + 1].scope_id = i;
  }
  result = CALL(c, nvmlDeviceGetFieldValues, static_cast<int>(2 * asked), values);
  if (result != kSuccess) return result;
  double active = 0, errors = 0;
  for (uint32_t i = 0; i < asked; i++) {
    if (values[2 * i].result != kSuccess) return values[2 * i].result == kInvalidArgument ? kNotSupported : values[2 * i].result;
    active += FieldNumber(values[2 * i]) == 1;
    errors += values[2 * i + 1].result == kSuccess ? FieldNumber(values[2 * i + 1]) : std::nan("");
  }
  c.Set(Column::c2cLinkCount, links);
  c.Set(Column::c2cLinksActive, active);
  c.Set(Column::c2cErrors, errors);
  return kSuccess;
}

}  // namespace infernode::nvml
