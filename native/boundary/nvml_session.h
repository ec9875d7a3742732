// NVML inside this process, for `doctor` and tests. The agent itself reads through the sampler.
#pragma once

#include <napi.h>

#include <memory>

namespace infernode::boundary {

/// Shared with the pool threads that work on it.
struct SessionCore;

class NvmlSession : public Napi::ObjectWrap<NvmlSession> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit NvmlSession(const Napi::CallbackInfo& info);

 private:
  Napi::Value Snapshot(const Napi::CallbackInfo& info);
  Napi::Value WaitEvent(const Napi::CallbackInfo& info);
  Napi::Value Release(const Napi::CallbackInfo& info);
  Napi::Value Acquire(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  std::shared_ptr<SessionCore> core_;
};

}  // namespace infernode::boundary
