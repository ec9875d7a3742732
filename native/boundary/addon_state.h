// What one JS environment (main thread or worker) keeps; there are no globals.
#pragma once

#include <napi.h>

namespace infernode::boundary {

struct AddonState {
  Napi::FunctionReference snapshot_reader;
  Napi::FunctionReference nvml_session;

  static AddonState& Of(Napi::Env env) { return *env.GetInstanceData<AddonState>(); }
};

}  // namespace infernode::boundary
