// The Node-API face of the socket pairs: one descriptor in Node's own loop, no call into JS while events are plain.
#pragma once

#include <napi.h>

namespace infernode {

class EventRelay : public Napi::ObjectWrap<EventRelay> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit EventRelay(const Napi::CallbackInfo& info);
  ~EventRelay() override;

 private:
  struct Core;

  Napi::Value Begin(const Napi::CallbackInfo& info);
  Napi::Value Events(const Napi::CallbackInfo& info);
  Napi::Value End(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  Core& Open() const;

  /// Freed when its loop has let go of it.
  Core* core_ = nullptr;
};

}  // namespace infernode
