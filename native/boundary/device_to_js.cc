#include "boundary/device_to_js.h"

#include <algorithm>

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
  std::copy(std::begin(row.reading), std::end(row.reading), out + kDeviceFixedDoubles);
  double* process = out + kDeviceFixedDoubles + nvml::kColumnCount;
  const auto count = std::clamp<int32_t>(row.process_count, 0, nvml::kMaxProcesses);
  for (int32_t i = 0; i < count; i++) {
    *process++ = row.processes[i].pid;
    *process++ = row.processes[i].memory_bytes;
  }
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
  return device;
}

}  // namespace infernode::boundary
