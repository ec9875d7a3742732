// The Node-API face of the graph runner, over caches of its own on the device.
#pragma once

#include <napi.h>

#include <memory>

namespace infernode {

/// Shared with the pool threads that work on it.
struct GraphCore;

class KvGraphRunner : public Napi::ObjectWrap<KvGraphRunner> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit KvGraphRunner(const Napi::CallbackInfo& info);

 private:
  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Capture(const Napi::CallbackInfo& info);
  Napi::Value Run(const Napi::CallbackInfo& info);
  Napi::Value WriteCache(const Napi::CallbackInfo& info);
  Napi::Value ReadCache(const Napi::CallbackInfo& info);
  Napi::Value MoveCaches(const Napi::CallbackInfo& info);
  Napi::Value RecordBytes(const Napi::CallbackInfo& info);
  Napi::Value Stats(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  std::shared_ptr<GraphCore> core_;
};

}  // namespace infernode
