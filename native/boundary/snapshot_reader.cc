#include "boundary/snapshot_reader.h"

#include <algorithm>

#include "boundary/addon_state.h"
#include "boundary/device_to_js.h"
#include "boundary/js_error.h"

namespace infernode::boundary {

namespace {

using sampler::kMaxDevices;
using sampler::kSlotCount;

/// The buffer: header, then calls under way, then devices. `snapshotLayout` in addon.d.ts tells JS the same numbers.
constexpr size_t kHeaderDoubles = 13;
constexpr size_t kCallDoubles = 3;
constexpr size_t kDevicesAt = kHeaderDoubles + kCallDoubles * kSlotCount;
constexpr size_t kBufferDoubles = kDevicesAt + kDeviceDoubles * kMaxDevices;

double AgeMs(uint64_t now_ns, uint64_t then_ns) { return now_ns > then_ns ? static_cast<double>(now_ns - then_ns) / 1e6 : 0; }

size_t WriteCalls(const sampler::Snapshot& snapshot, uint64_t now_ns, double* out) {
  size_t count = 0;
  for (const nvml::CallSlot& slot : snapshot.slots) {
    const uint64_t started = slot.started_ns.load(std::memory_order_acquire);
    if (started == 0) continue;
    const int32_t device = slot.device.load(std::memory_order_relaxed);
    const uint32_t call = slot.call.load(std::memory_order_relaxed);
    // The thread went on to another call while we looked: nothing is stuck there.
    if (slot.started_ns.load(std::memory_order_acquire) != started) continue;
    out[count * kCallDoubles] = device;
    out[count * kCallDoubles + 1] = call;
    out[count * kCallDoubles + 2] = AgeMs(now_ns, started);
    count++;
  }
  return count;
}

Napi::Object LayoutToJs(Napi::Env env) {
  Napi::Object layout = Napi::Object::New(env);
  layout.Set("bufferLength", static_cast<double>(kBufferDoubles));
  layout.Set("callsAt", static_cast<double>(kHeaderDoubles));
  layout.Set("callLength", static_cast<double>(kCallDoubles));
  layout.Set("devicesAt", static_cast<double>(kDevicesAt));
  layout.Set("deviceLength", static_cast<double>(kDeviceDoubles));
  layout.Set("readingAt", static_cast<double>(kDeviceFixedDoubles));
  layout.Set("processesAt", static_cast<double>(kProcessesAt));
  layout.Set("linksAt", static_cast<double>(kLinksAt));
  layout.Set("migsAt", static_cast<double>(kMigsAt));
  layout.Set("peersAt", static_cast<double>(kPeersAt));
  layout.Set("maxDevices", kMaxDevices);
  layout.Set("maxProcesses", nvml::kMaxProcesses);
  return layout;
}

}  // namespace

void SnapshotReader::Register(Napi::Env env, Napi::Object exports) {
  Napi::Function constructor = DefineClass(env, "SnapshotReader",
                                           {
                                               InstanceMethod("readSnapshot", &SnapshotReader::ReadSnapshot),
                                               InstanceMethod("readInventory", &SnapshotReader::ReadInventory),
                                               InstanceMethod("readCallTimes", &SnapshotReader::ReadCallTimes),
                                               InstanceMethod("close", &SnapshotReader::Close),
                                           });
  AddonState::Of(env).snapshot_reader = Napi::Persistent(constructor);
  exports.Set("snapshotLayout", LayoutToJs(env));
  exports.Set("openSnapshot", Napi::Function::New(
                                  env,
                                  [](const Napi::CallbackInfo& info) -> Napi::Value {
                                    return AddonState::Of(info.Env()).snapshot_reader.New({info[0]});
                                  },
                                  "openSnapshot"));
  exports.Set("SnapshotReader", constructor);
}

SnapshotReader::SnapshotReader(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SnapshotReader>(info), devices_(kMaxDevices) {
  AtEdge(info.Env(), [&] {
    if (!info[0].IsString()) throw Napi::TypeError::New(info.Env(), "expected the path of a snapshot");
    std::string error;
    file_ = sampler::SnapshotFile::Open(info[0].As<Napi::String>().Utf8Value(), &error);
    if (!file_) throw CodedError("INFERNODE_SNAPSHOT_UNUSABLE", "openSnapshot", error);
  });
}

sampler::Snapshot& SnapshotReader::Open() {
  if (!file_) throw ClosedError("the snapshot");
  return **file_;
}

void SnapshotReader::Refresh() {
  sampler::Snapshot& snapshot = Open();
  snapshot.driver.Load(&driver_);
  const uint32_t count = std::min(driver_.device_count, kMaxDevices);
  nvml::DeviceRow row;
  for (uint32_t i = 0; i < kMaxDevices; i++) {
    if (i >= count) devices_[i].present = 0;
    else if (snapshot.devices[i].Load(&row)) devices_[i] = row;
  }
}

Napi::Value SnapshotReader::ReadSnapshot(const Napi::CallbackInfo& info) {
  return AtEdge(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array ||
        info[0].As<Napi::Float64Array>().ElementLength() < kBufferDoubles)
      throw Napi::TypeError::New(info.Env(), "expected a Float64Array of snapshotLayout.bufferLength numbers");
    const sampler::Snapshot& snapshot = Open();
    double* out = info[0].As<Napi::Float64Array>().Data();
    const uint64_t answered = snapshot.samples_answered.load(std::memory_order_acquire);
    Refresh();
    // Read after the rows: names that changed with a row that is here are never taken for known.
    out[1] = static_cast<double>(snapshot.inventory_generation.load(std::memory_order_acquire));
    const uint64_t now_ns = nvml::MonotonicNs();
    out[0] = driver_.state;
    out[2] = AgeMs(now_ns, snapshot.heartbeat_ns.load(std::memory_order_relaxed));
    out[3] = static_cast<double>(snapshot.rounds.load(std::memory_order_acquire));
    out[4] = static_cast<double>(snapshot.events_written.load(std::memory_order_relaxed));
    out[5] = static_cast<double>(snapshot.events_dropped.load(std::memory_order_relaxed));
    out[6] = static_cast<double>(WriteCalls(snapshot, now_ns, out + kHeaderDoubles));
    double* device = out + kDevicesAt;
    size_t count = 0;
    for (const nvml::DeviceRow& row : devices_) {
      if (!row.present) continue;
      WriteDevice(row, now_ns, device + count * kDeviceDoubles);
      count++;
    }
    out[7] = static_cast<double>(count);
    out[8] = std::min(driver_.device_count, kMaxDevices);
    out[9] = static_cast<double>(answered);
    sampler::NodeBody node;
    if (snapshot.node.Load(&node)) node_ = node;
    out[10] = node_.confidential_feature;
    out[11] = node_.confidential_ready;
    out[12] = node_.excluded_devices;
    return info.Env().Undefined();
  });
}

/// Speaks of the rows of the last readSnapshot.
Napi::Value SnapshotReader::ReadInventory(const Napi::CallbackInfo& info) {
  return AtEdge(info.Env(), [&]() -> Napi::Value {
    Open();
    const Napi::Env env = info.Env();
    Napi::Object inventory = Napi::Object::New(env);
    inventory.Set("reason", driver_.reason);
    inventory.Set("driverVersion", driver_.driver_version);
    inventory.Set("nvmlVersion", driver_.nvml_version);
    Napi::Array devices = Napi::Array::New(env);
    for (const nvml::DeviceRow& row : devices_)
      if (row.present) devices.Set(devices.Length(), IdentityToJs(env, row));
    inventory.Set("devices", devices);
    return inventory;
  });
}

/// By call: seconds in all, then how many took up to each bound. Summed over the threads.
Napi::Value SnapshotReader::ReadCallTimes(const Napi::CallbackInfo& info) {
  return AtEdge(info.Env(), [&]() -> Napi::Value {
    const sampler::Snapshot& snapshot = Open();
    constexpr size_t kCalls = static_cast<size_t>(nvml::Call::kCount), kStride = 1 + nvml::kCallBuckets;
    Napi::Float64Array times = Napi::Float64Array::New(info.Env(), kCalls * kStride);
    double* out = times.Data();
    const uint32_t slots = sampler::kFirstDeviceSlot + std::min(driver_.device_count, kMaxDevices);
    for (uint32_t slot = 0; slot < slots; slot++)
      for (size_t call = 0; call < kCalls; call++) {
        const nvml::CallTimes& own = snapshot.slots[slot].times[call];
        out[call * kStride] += static_cast<double>(own.total_ns.load(std::memory_order_relaxed)) / 1e9;
        for (uint32_t b = 0; b < nvml::kCallBuckets; b++) out[call * kStride + 1 + b] += own.counts[b].load(std::memory_order_relaxed);
      }
    return times;
  });
}

Napi::Value SnapshotReader::Close(const Napi::CallbackInfo& info) {
  file_.reset();
  return info.Env().Undefined();
}

}  // namespace infernode::boundary
