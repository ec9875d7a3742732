// NVLink, peers, fabric and PCIe.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "nvml_sim/call_gate.h"

using namespace infernode::nvml_sim;

namespace {

constexpr LinkKey kErrorCounters[] = {LinkKey::replayErrors, LinkKey::recoveryErrors, LinkKey::crcFlitErrors,
                                      LinkKey::crcDataErrors, LinkKey::eccDataErrors};
constexpr u32 kCapabilities = 6, kP2pIndices = 6, kP2pNvlink = 2, kP2pNotSupported = 5;
constexpr u32 kTopologyInternal = 0, kTopologyNode = 40, kTopologySystem = 50;
constexpr u32 kRemoteSwitch = 2;

template <typename Info>
Return FillFabric(const Call& call, Info* info) {
  const DeviceScenario& device = call.device();
  const Reading state = device.Number(Key::fabricState);
  if (!state) return kNotSupported;
  std::memset(info->clusterUuid, 0x1F, sizeof info->clusterUuid);
  info->state = ToAnswer<u8>(*state);
  info->status = ToAnswer<u32>(device.Number(Key::fabricStatus).value_or(0));
  info->cliqueId = ToAnswer<u32>(device.Number(Key::fabricCliqueId).value_or(0));
  return kSuccess;
}

/// Both devices of a pair; the rules of the first hold for the call.
Return OpenPair(const Call& call, Handle second, HandleParts* parts) {
  if (call.failed()) return call.result();
  if (!ParseHandle(second, call.scenario(), parts)) return kInvalidArgument;
  return call.scenario().devices[parts->position].lost ? kGpuIsLost : kSuccess;
}

}  // namespace

NVML_SIM_EXPORT Return nvmlDeviceGetNvLinkState(Handle device, u32 link, u32* active) {
  OPEN_DEVICE(nvmlDeviceGetNvLinkState, device);
  return call.LinkNumber(link, LinkKey::active, active);
}

NVML_SIM_EXPORT Return nvmlDeviceGetNvLinkCapability(Handle device, u32 link, u32 capability, u32* result) {
  OPEN_DEVICE(nvmlDeviceGetNvLinkCapability, device);
  if (capability >= kCapabilities || !result) return kInvalidArgument;
  // Peer access and atomics, peer and system memory; not SLI; and the link is valid.
  constexpr u32 kSli = 4;
  u32 active = 0;
  const Return found = call.LinkNumber(link, LinkKey::active, &active);
  if (found == kSuccess) *result = capability != kSli;
  return found;
}

NVML_SIM_EXPORT Return nvmlDeviceGetNvLinkVersion(Handle device, u32 link, u32* version) {
  OPEN_DEVICE(nvmlDeviceGetNvLinkVersion, device);
  return call.LinkNumber(link, LinkKey::version, version);
}

NVML_SIM_EXPORT Return nvmlDeviceGetNvLinkErrorCounter(Handle device, u32 link, u32 counter, u64* count) {
  OPEN_DEVICE(nvmlDeviceGetNvLinkErrorCounter, device);
  return counter < std::size(kErrorCounters) ? call.LinkNumber(link, kErrorCounters[counter], count) : kInvalidArgument;
}

NVML_SIM_EXPORT Return nvmlDeviceGetNvLinkRemoteDeviceType(Handle device, u32 link, u32* type) {
  OPEN_DEVICE(nvmlDeviceGetNvLinkRemoteDeviceType, device);
  return call.LinkNumber(link, LinkKey::remoteDeviceType, type);
}

/// The switches of a board stand on a bus of their own; several links share one.
NVML_SIM_EXPORT Return nvmlDeviceGetNvLinkRemotePciInfo_v2(Handle device, u32 link, PciInfo* info) {
  OPEN_DEVICE(nvmlDeviceGetNvLinkRemotePciInfo_v2, device);
  u32 type = 0;
  if (!info) return kInvalidArgument;
  const Return found = call.LinkNumber(link, LinkKey::remoteDeviceType, &type);
  if (found != kSuccess) return found;
  *info = PciInfo{};
  if (type != kRemoteSwitch) return kSuccess;
  info->bus = 0xF0 + link % 4;
  std::snprintf(info->busId, sizeof info->busId, "00000000:%02X:00.0", info->bus & 0xFF);
  std::snprintf(info->busIdLegacy, sizeof info->busIdLegacy, "0000:%02X:00.0", info->bus & 0xFF);
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetP2PStatus(Handle first, Handle second, u32 index, u32* status) {
  OPEN_DEVICE(nvmlDeviceGetP2PStatus, first);
  HandleParts other;
  if (const Return bad = OpenPair(call, second, &other)) return bad;
  if (index >= kP2pIndices || !status) return kInvalidArgument;
  const auto set = call.device().p2p.find(other.position);
  const bool nvlink = call.device().LinkCount() > 0 && call.scenario().devices[other.position].LinkCount() > 0;
  *status = set != call.device().p2p.end() ? set->second : index == kP2pNvlink && !nvlink ? kP2pNotSupported : 0;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetTopologyCommonAncestor(Handle first, Handle second, u32* level) {
  OPEN_DEVICE(nvmlDeviceGetTopologyCommonAncestor, first);
  HandleParts other;
  if (const Return bad = OpenPair(call, second, &other)) return bad;
  if (!level) return kInvalidArgument;
  const auto node = [&](u32 position) { return call.scenario().devices[position].Number(Key::numaNode); };
  const u32 own = call.parts().position;
  *level = own == other.position ? kTopologyInternal : node(own) == node(other.position) ? kTopologyNode : kTopologySystem;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetGpuFabricInfo(Handle device, FabricInfo* info) {
  OPEN_DEVICE(nvmlDeviceGetGpuFabricInfo, device);
  if (!info) return kInvalidArgument;
  *info = FabricInfo{};
  return FillFabric(call, info);
}

NVML_SIM_EXPORT Return nvmlDeviceGetGpuFabricInfoV(Handle device, void* versioned) {
  OPEN_DEVICE(nvmlDeviceGetGpuFabricInfoV, device);
  if (!versioned) return kInvalidArgument;
  u32 word = 0;
  std::memcpy(&word, versioned, sizeof word);
  const auto mask = ToAnswer<u32>(call.device().Number(Key::fabricHealthMask).value_or(0));
  // The third version came with 13.0; drivers before it take the second only.
  constexpr u32 kThirdSince = 13000;
  if (call.scenario().api_version >= kThirdSince && call.CheckVersion(word, VersionWord<FabricInfoV3>(3)) == kSuccess) {
    auto* info = static_cast<FabricInfoV3*>(versioned);
    info->healthMask = mask;
    info->healthSummary = ToAnswer<u8>(call.device().Number(Key::fabricHealthSummary).value_or(0));
    return FillFabric(call, info);
  }
  if (const Return bad = call.CheckVersion(word, VersionWord<FabricInfoV2>(2))) return bad;
  auto* info = static_cast<FabricInfoV2*>(versioned);
  info->healthMask = mask;
  return FillFabric(call, info);
}

NVML_SIM_EXPORT Return nvmlDeviceGetC2cModeInfoV(Handle device, C2cModeInfo* info) {
  OPEN_DEVICE(nvmlDeviceGetC2cModeInfoV, device);
  if (!info) return kInvalidArgument;
  if (!call.device().Number(Key::c2cLinkCount)) return kNotSupported;
  info->isC2cEnabled = 1;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetCurrPcieLinkGeneration(Handle device, u32* generation) {
  OPEN_DEVICE(nvmlDeviceGetCurrPcieLinkGeneration, device);
  return call.Number(Key::pcieLinkGeneration, generation);
}

NVML_SIM_EXPORT Return nvmlDeviceGetMaxPcieLinkGeneration(Handle device, u32* generation) {
  OPEN_DEVICE(nvmlDeviceGetMaxPcieLinkGeneration, device);
  return call.Number(Key::pcieLinkGenerationMax, generation);
}

NVML_SIM_EXPORT Return nvmlDeviceGetGpuMaxPcieLinkGeneration(Handle device, u32* generation) {
  OPEN_DEVICE(nvmlDeviceGetGpuMaxPcieLinkGeneration, device);
  if (!generation) return kInvalidArgument;
  *generation = call.device().profile->pcieGeneration;
  return kSuccess;
}

NVML_SIM_EXPORT Return nvmlDeviceGetCurrPcieLinkWidth(Handle device, u32* width) {
  OPEN_DEVICE(nvmlDeviceGetCurrPcieLinkWidth, device);
  return call.Number(Key::pcieLinkWidth, width);
}

NVML_SIM_EXPORT Return nvmlDeviceGetMaxPcieLinkWidth(Handle device, u32* width) {
  OPEN_DEVICE(nvmlDeviceGetMaxPcieLinkWidth, device);
  return call.Number(Key::pcieLinkWidthMax, width);
}

NVML_SIM_EXPORT Return nvmlDeviceGetPcieReplayCounter(Handle device, u32* count) {
  OPEN_DEVICE(nvmlDeviceGetPcieReplayCounter, device);
  return call.Number(Key::pcieReplayCounter, count);
}

NVML_SIM_EXPORT Return nvmlDeviceGetPcieSpeed(Handle device, u32* mbps) {
  OPEN_DEVICE(nvmlDeviceGetPcieSpeed, device);
  if (!mbps) return kInvalidArgument;
  const Reading generation = call.device().Number(Key::pcieLinkGeneration);
  if (!generation) return kNotSupported;
  // Per lane: 2.5, 5, 8, 16, 32, 64 Gbit/s.
  constexpr u32 kSpeeds[] = {0, 2500, 5000, 8000, 16000, 32000, 64000};
  *mbps = kSpeeds[std::min<size_t>(ToAnswer<u32>(*generation), std::size(kSpeeds) - 1)];
  return kSuccess;
}
