// One device as JS strings and as doubles; the two forms of a DeviceRow in addon.d.ts.
#pragma once

#include <napi.h>

#include "nvml/device_row.h"

namespace infernode::boundary {

/// Doubles of one device in a snapshot buffer: fixed part, readings and details, processes, links, MIG instances, peers.
constexpr size_t kDeviceFixedDoubles = 10;
constexpr size_t kMigDoubles = 2;
/// Pid, bytes, GPU instance.
constexpr size_t kProcessDoubles = 3;
constexpr size_t kProcessesAt = kDeviceFixedDoubles + nvml::kColumnCount;
constexpr size_t kLinksAt = kProcessesAt + kProcessDoubles * nvml::kMaxProcesses;
constexpr size_t kMigsAt = kLinksAt + nvml::kMaxLinks * nvml::kLinkColumnCount;
constexpr size_t kPeersAt = kMigsAt + nvml::kMaxMigInstances * kMigDoubles;
constexpr size_t kDeviceDoubles = kPeersAt + nvml::kMaxPeers;

/// Fills kDeviceDoubles numbers from `out` on.
void WriteDevice(const nvml::DeviceRow& row, uint64_t now_ns, double* out);

Napi::Object IdentityToJs(Napi::Env env, const nvml::DeviceRow& row);

}  // namespace infernode::boundary
