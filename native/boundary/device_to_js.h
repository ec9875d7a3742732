// One device as JS strings and as doubles; the two forms of a DeviceRow in addon.d.ts.
#pragma once

#include <napi.h>

#include "nvml/device_row.h"

namespace infernode::boundary {

/// Doubles of one device in a snapshot buffer: fixed part, readings, processes.
constexpr size_t kDeviceFixedDoubles = 6;
constexpr size_t kDeviceDoubles = kDeviceFixedDoubles + nvml::kColumnCount + 2 * nvml::kMaxProcesses;

/// Fills kDeviceDoubles numbers from `out` on.
void WriteDevice(const nvml::DeviceRow& row, uint64_t now_ns, double* out);

Napi::Object IdentityToJs(Napi::Env env, const nvml::DeviceRow& row);

}  // namespace infernode::boundary
