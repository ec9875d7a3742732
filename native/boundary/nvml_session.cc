#include "boundary/nvml_session.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <vector>

#include "boundary/addon_state.h"
#include "boundary/device_to_js.h"
#include "boundary/js_error.h"
#include "boundary/promise_worker.h"
#include "nvml/device_reader.h"
#include "nvml/event_watcher.h"
#include "nvml/library.h"

namespace infernode::boundary {

/// One operation at a time: the lock is held across driver calls, by pool threads only.
struct SessionCore {
  explicit SessionCore(std::string library_path) : path(std::move(library_path)) {}

  const std::string path;
  std::mutex mutex;
  bool closed = false;
  nvml::CallSlot slot;
  nvml::DriverStatus status;
  // In this order: readers and watcher hold references into the library.
  std::unique_ptr<nvml::Library> library;
  nvml::PeerHandles peers{};
  std::vector<nvml::DeviceReader> readers;
  std::unique_ptr<nvml::EventWatcher> watcher;

  void Acquire() {
    if (library) return;
    library = nvml::Library::Open(path, slot, &status);
    if (!library) return;
    for (uint32_t i = 0; i < status.device_count; i++) readers.emplace_back(library->symbols(), slot, i, status.DriverBranch(), &peers);
  }

  void Release(const char* reason) {
    watcher.reset();
    readers.clear();
    for (auto& handle : peers) handle = nullptr;
    library.reset();
    status = nvml::DriverStatus{};
    status.state = nvml::DriverState::kReleased;
    status.reason = reason;
  }

  void Watch() {
    if (watcher || !library) return;
    watcher = std::make_unique<nvml::EventWatcher>(library->symbols(), slot);
    for (nvml::DeviceReader& reader : readers) {
      if (!reader.handle()) reader.Read({});
      if (reader.handle()) watcher->Add(reader.handle(), reader.row().identity.uuid, static_cast<int32_t>(reader.row().index));
    }
  }
};

namespace {

constexpr uint32_t kMaxWaitMs = 100;

struct SessionSnapshot {
  nvml::DriverStatus status;
  std::vector<nvml::DeviceRow> rows;
};

SessionSnapshot TakeSnapshot(SessionCore& core) {
  SessionSnapshot snapshot{core.status, {}};
  // Pairs need the handles of all: those of the first reading come from here.
  for (nvml::DeviceReader& reader : core.readers) {
    if (!reader.handle()) reader.Read({});
    if (reader.row().index < nvml::kMaxPeers) core.peers[reader.row().index] = reader.handle();
  }
  // Who asks in this process wants the state of now, however long the reading before took.
  nvml::ReadPlan all = nvml::ReadPlan::All();
  all.at_once = true;
  for (nvml::DeviceReader& reader : core.readers) {
    reader.Read(all);
    snapshot.rows.push_back(reader.row());
  }
  return snapshot;
}

Napi::Value DeviceToJs(Napi::Env env, const nvml::DeviceRow& row) {
  Napi::Object device = IdentityToJs(env, row);
  Napi::Float64Array numbers = Napi::Float64Array::New(env, kDeviceDoubles);
  WriteDevice(row, nvml::MonotonicNs(), numbers.Data());
  device.Set("numbers", numbers);
  return device;
}

Napi::Value SnapshotToJs(Napi::Env env, const SessionSnapshot& snapshot) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("driverState", static_cast<uint32_t>(snapshot.status.state));
  result.Set("reason", snapshot.status.reason);
  result.Set("driverVersion", snapshot.status.driver_version);
  result.Set("nvmlVersion", snapshot.status.nvml_version);
  Napi::Array devices = Napi::Array::New(env, snapshot.rows.size());
  for (size_t i = 0; i < snapshot.rows.size(); i++) devices.Set(static_cast<uint32_t>(i), DeviceToJs(env, snapshot.rows[i]));
  result.Set("devices", devices);
  return result;
}

Napi::Value EventToJs(Napi::Env env, const std::optional<nvml::Event>& event) {
  if (!event) return env.Null();
  Napi::Object result = Napi::Object::New(env);
  result.Set("kind", event->kind);
  result.Set("uuid", event->uuid.empty() ? env.Null() : Napi::Value(Napi::String::New(env, event->uuid)));
  result.Set("code", static_cast<double>(event->code));
  result.Set("type", static_cast<double>(event->type));
  return result;
}

/// Runs on a pool thread with the session to itself.
template <typename Work, typename Convert>
Napi::Value RunOnCore(Napi::Env env, const std::shared_ptr<SessionCore>& core, Work work, Convert convert) {
  return RunWork(
      env,
      [core, work] {
        const std::lock_guard<std::mutex> lock(core->mutex);
        if (core->closed) throw ClosedError("the NVML session");
        return work(*core);
      },
      convert);
}

Napi::Value ToUndefined(Napi::Env env, bool) { return env.Undefined(); }

/// For calls that need an open driver: its state is the error.
void RequireLibrary(const SessionCore& core, const char* call) {
  if (core.library) return;
  throw CodedError(core.status.state == nvml::DriverState::kReleased ? "INFERNODE_RELEASED" : "INFERNODE_DRIVER_UNAVAILABLE", call,
                   core.status.reason);
}

}  // namespace

void NvmlSession::Register(Napi::Env env, Napi::Object exports) {
  Napi::Function constructor = DefineClass(env, "NvmlSession",
                                           {
                                               InstanceMethod("snapshot", &NvmlSession::Snapshot),
                                               InstanceMethod("waitEvent", &NvmlSession::WaitEvent),
                                               InstanceMethod("release", &NvmlSession::Release),
                                               InstanceMethod("acquire", &NvmlSession::Acquire),
                                               InstanceMethod("close", &NvmlSession::Close),
                                           });
  AddonState::Of(env).nvml_session = Napi::Persistent(constructor);
  exports.Set("openNvml", Napi::Function::New(
                              env,
                              [](const Napi::CallbackInfo& info) -> Napi::Value {
                                return AddonState::Of(info.Env()).nvml_session.New({info[0]});
                              },
                              "openNvml"));
  exports.Set("NvmlSession", constructor);
}

NvmlSession::NvmlSession(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NvmlSession>(info) {
  if (!info[0].IsString()) throw Napi::TypeError::New(info.Env(), "expected the path of the NVML library");
  core_ = std::make_shared<SessionCore>(info[0].As<Napi::String>().Utf8Value());
}

Napi::Value NvmlSession::Snapshot(const Napi::CallbackInfo& info) {
  const auto work = [](SessionCore& core) {
    if (core.status.state != nvml::DriverState::kReleased) core.Acquire();
    return TakeSnapshot(core);
  };
  return RunOnCore(info.Env(), core_, work, SnapshotToJs);
}

Napi::Value NvmlSession::WaitEvent(const Napi::CallbackInfo& info) {
  const uint32_t timeout_ms = info[0].IsNumber() ? std::min(info[0].As<Napi::Number>().Uint32Value(), kMaxWaitMs) : kMaxWaitMs;
  const auto work = [timeout_ms](SessionCore& core) -> std::optional<nvml::Event> {
    RequireLibrary(core, "nvmlEventSetWait_v2");
    core.Watch();
    nvml::Event event;
    const nvml::Return result = core.watcher->empty() ? nvml::kNotSupported : core.watcher->Wait(timeout_ms, &event);
    if (result == nvml::kSuccess) return event;
    if (result == nvml::kTimeout) return std::nullopt;
    throw CodedError(nvml::ReturnName(result), "nvmlEventSetWait_v2", std::string("waiting for events answered ") + nvml::ReturnName(result));
  };
  return RunOnCore(info.Env(), core_, work, EventToJs);
}

Napi::Value NvmlSession::Release(const Napi::CallbackInfo& info) {
  const auto work = [](SessionCore& core) {
    core.Release("released on request");
    return true;
  };
  return RunOnCore(info.Env(), core_, work, ToUndefined);
}

Napi::Value NvmlSession::Acquire(const Napi::CallbackInfo& info) {
  const auto work = [](SessionCore& core) {
    core.Acquire();
    RequireLibrary(core, "nvmlInit_v2");
    return true;
  };
  return RunOnCore(info.Env(), core_, work, ToUndefined);
}

Napi::Value NvmlSession::Close(const Napi::CallbackInfo& info) {
  const auto core = core_;
  return RunWork(
      info.Env(),
      [core] {
        const std::lock_guard<std::mutex> lock(core->mutex);
        core->Release("closed");
        core->closed = true;
        return true;
      },
      ToUndefined);
}

}  // namespace infernode::boundary
