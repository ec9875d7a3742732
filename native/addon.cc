// The Node addon. Exports in the order of addon.d.ts, which is the contract.
#include <napi.h>

#include "boundary/addon_state.h"
#include "boundary/nvml_session.h"
#include "boundary/sd_notify.h"
#include "boundary/snapshot_reader.h"
#include "kvquant/addon_graph.h"
#include "kvquant/addon_kv.h"
#include "nvml/call_slot.h"
#include "nvml/device_row.h"
#include "nvml/symbols.h"
#include "relay/addon_relay.h"

namespace {

using infernode::boundary::AddonState;

Napi::Array ReadingColumns(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
#define X(name) names.Set(names.Length(), #name);
  INFERNODE_READING_COLUMNS(X)
#undef X
  return names;
}

Napi::Array DetailColumns(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
#define X(name) names.Set(names.Length(), #name);
  INFERNODE_DETAIL_COLUMNS(X)
#undef X
  return names;
}

Napi::Array LinkColumns(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
#define X(name) names.Set(names.Length(), #name);
  INFERNODE_LINK_COLUMNS(X)
#undef X
  return names;
}

Napi::Array CallTimeBounds(Napi::Env env) {
  Napi::Array bounds = Napi::Array::New(env);
  for (const double seconds : infernode::nvml::kCallBucketSeconds) bounds.Set(bounds.Length(), seconds);
  return bounds;
}

Napi::Array CallNames(Napi::Env env) {
  using infernode::nvml::Call;
  Napi::Array names = Napi::Array::New(env);
  for (uint32_t i = 0; i < static_cast<uint32_t>(Call::kCount); i++) names.Set(i, infernode::nvml::CallName(static_cast<Call>(i)));
  return names;
}

Napi::Value ReturnName(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), infernode::nvml::ReturnName(info[0].ToNumber().Int32Value()));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonState());
  exports.Set("readingColumns", ReadingColumns(env));
  exports.Set("detailColumns", DetailColumns(env));
  exports.Set("linkColumns", LinkColumns(env));
  exports.Set("callNames", CallNames(env));
  exports.Set("callTimeBounds", CallTimeBounds(env));
  exports.Set("returnName", Napi::Function::New(env, ReturnName, "returnName"));
  infernode::boundary::SnapshotReader::Register(env, exports);
  infernode::boundary::NvmlSession::Register(env, exports);
  infernode::boundary::RegisterSdNotify(env, exports);
  infernode::RegisterKv(env, exports);
  infernode::KvGraphRunner::Register(env, exports);
  infernode::EventRelay::Register(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(infernode, Init)
