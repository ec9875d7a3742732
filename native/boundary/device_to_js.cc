#include "boundary/device_to_js.h"

#include <algorithm>
#include <cmath>

#include "nvml/symbols.h"

namespace infernode::boundary {

void WriteDevice(const nvml::DeviceRow& row, uint64_t now_ns, double* out) {
  const uint64_t age_ns = now_ns > row.sampled_ns ? now_ns - row.sampled_ns : 0;
  out[0] = row.index;
  out[1] = static_cast<double>(age_ns) / 1e6;
  out[2] = row.error_code;
  out[3] = row.error_call;
  out[4] = row.process_count;
  out[5] = row.process_total;
  out[6] = row.slow_reads;
  out[7] = row.link_count;
  out[8] = row.mig_count;
  out[9] = row.peer_count;
  std::copy(std::begin(row.reading), std::end(row.reading), out + kDeviceFixedDoubles);
  double* process = out + kProcessesAt;
  const auto count = std::clamp<int32_t>(row.process_count, 0, nvml::kMaxProcesses);
  for (int32_t i = 0; i < count; i++) {
    *process++ = row.processes[i].pid;
    *process++ = row.processes[i].memory_bytes;
    const uint32_t instance = row.processes[i].gpu_instance;
    *process++ = instance == UINT32_MAX ? std::nan("") : instance;
  }
  const auto links = std::clamp<int32_t>(row.link_count, 0, nvml::kMaxLinks);
  std::copy_n(&row.links[0][0], links * nvml::kLinkColumnCount, out + kLinksAt);
  const auto migs = std::clamp<int32_t>(row.mig_count, 0, nvml::kMaxMigInstances);
  for (int32_t i = 0; i < migs; i++) {
    out[kMigsAt + i * kMigDoubles] = row.migs[i].memory_total;
    out[kMigsAt + i * kMigDoubles + 1] = row.migs[i].memory_used;
  }
  std::copy_n(row.peers, std::clamp<int32_t>(row.peer_count, 0, nvml::kMaxPeers), out + kPeersAt);
}

Napi::Object IdentityToJs(Napi::Env env, const nvml::DeviceRow& row) {
  const nvml::Identity& id = row.identity;
  const auto text_or_null = [env](const char* text) { return *text ? Napi::Value(Napi::String::New(env, text)) : env.Null(); };
  Napi::Object device = Napi::Object::New(env);
  device.Set("index", row.index);
  device.Set("uuid", text_or_null(id.uuid));
  device.Set("name", id.name);
  device.Set("serial", text_or_null(id.serial));
  device.Set("pciBusId", id.pci_bus_id);
  device.Set("minorNumber", id.minor_number >= 0 ? Napi::Value(Napi::Number::New(env, id.minor_number)) : env.Null());
  device.Set("vbios", text_or_null(id.vbios));
  device.Set("inforom", text_or_null(id.inforom));
  device.Set("partNumber", text_or_null(id.part_number));
  Napi::Array migs = Napi::Array::New(env);
  for (int32_t i = 0; i < std::clamp<int32_t>(row.mig_count, 0, nvml::kMaxMigInstances); i++) {
    Napi::Object mig = Napi::Object::New(env);
    mig.Set("uuid", row.migs[i].uuid);
    mig.Set("gpuInstance", row.migs[i].gpu_instance);
    mig.Set("computeInstance", row.migs[i].compute_instance);
    migs.Set(migs.Length(), mig);
  }
  device.Set("migs", migs);
  return device;
}

}  // namespace infernode::boundary
