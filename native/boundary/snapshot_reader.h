// The agent's end of the shared snapshot, as a JS class.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "sampler/snapshot_file.h"

namespace infernode::boundary {

class SnapshotReader : public Napi::ObjectWrap<SnapshotReader> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit SnapshotReader(const Napi::CallbackInfo& info);

 private:
  Napi::Value ReadSnapshot(const Napi::CallbackInfo& info);
  Napi::Value ReadInventory(const Napi::CallbackInfo& info);
  Napi::Value ReadCallTimes(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  sampler::Snapshot& Open();
  /// Copies what changed; a part that is not whole just now keeps its last whole copy.
  void Refresh();

  std::unique_ptr<sampler::SnapshotFile> file_;
  sampler::DriverBody driver_{};
  sampler::NodeBody node_{};
  std::vector<nvml::DeviceRow> devices_;
};

}  // namespace infernode::boundary
