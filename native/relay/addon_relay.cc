#include "relay/addon_relay.h"

#include <new>
#include <string>
#include <vector>

#include "boundary/js_error.h"
#include "relay/plain_events.h"
#include "relay/socket_pairs.h"

// What is used of libuv, whose header is not among those of Node-API: part of its stable 1.x ABI, exported by every Node.
extern "C" {
size_t uv_handle_size(int type);
void uv_handle_set_data(void* handle, void* data);
void* uv_handle_get_data(const void* handle);
int uv_poll_init(uv_loop_s* loop, void* handle, int descriptor);
int uv_poll_start(void* handle, int events, void (*callback)(void* handle, int status, int events));
void uv_unref(void* handle);
void uv_close(void* handle, void (*callback)(void* handle));
}

namespace infernode {

using boundary::AtEdge;
using boundary::CodedError;

namespace {

constexpr int kUvPoll = 8;
constexpr int kUvReadable = 1;

relay::Words WordsOf(const Napi::Value& value) {
  std::vector<std::string> words;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) {
    const std::string word = array.Get(i).As<Napi::String>().Utf8Value();
    if (!word.empty()) words.push_back(word);
  }
  return relay::Words(std::move(words));
}

Napi::Value CountPlainEvents(const Napi::CallbackInfo& info) {
  return AtEdge(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsArray() || !info[1].IsTypedArray()) throw Napi::TypeError::New(info.Env(), "expected words and bytes");
    const auto bytes = info[1].As<Napi::Uint8Array>();
    const auto* text = reinterpret_cast<const char*>(bytes.Data());
    return Napi::Number::New(info.Env(), static_cast<double>(relay::CountPlainEvents(text, bytes.ByteLength(), WordsOf(info[0]))));
  });
}

}  // namespace

struct EventRelay::Core {
  Core(Napi::Env js, const Napi::CallbackInfo& info)
      : env(js),
        buffer(Napi::Persistent(info[1].As<Napi::Uint8Array>())),
        on_back(Napi::Persistent(info[2].As<Napi::Function>())),
        context(js, "infernode.EventRelay"),
        pairs(WordsOf(info[0]), reinterpret_cast<char*>(buffer.Value().Data()), buffer.Value().ByteLength()),
        poll(operator new(uv_handle_size(kUvPoll))) {
    uv_loop_s* loop = nullptr;
    int failed = napi_get_uv_event_loop(env, &loop);
    if (failed == 0) failed = uv_poll_init(loop, poll, pairs.descriptor());
    if (failed != 0) {
      operator delete(poll);
      throw CodedError("INFERNODE_RELAY_UNAVAILABLE", "uv_poll_init", "the event loop takes no descriptor");
    }
    uv_handle_set_data(poll, this);
    uv_poll_start(poll, kUvReadable, [](void* handle, int, int) { static_cast<Core*>(uv_handle_get_data(handle))->Turn(); });
    uv_unref(poll);
    napi_add_async_cleanup_hook(env, [](napi_async_cleanup_hook_handle, void* core) { static_cast<Core*>(core)->Close(); }, this, &cleanup);
  }

  void Turn() {
    pairs.Turn([this](const relay::GivenBack& back) {
      const Napi::HandleScope scope(env);
      try {
        on_back.MakeCallback(env.Global(),
                             {Napi::Number::New(env, back.pair), Napi::Number::New(env, static_cast<double>(back.begin)),
                              Napi::Number::New(env, static_cast<double>(back.end)), Napi::Boolean::New(env, back.unsent)},
                             context);
      } catch (const Napi::Error& error) {
        napi_fatal_exception(env, error.Value());
      }
    });
  }

  void Close() {
    if (closing) return;
    closing = true;
    uv_close(poll, [](void* handle) {
      auto* core = static_cast<Core*>(uv_handle_get_data(handle));
      const Napi::HandleScope scope(core->env);
      napi_remove_async_cleanup_hook(core->cleanup);
      delete core;
      operator delete(handle);
    });
  }

  Napi::Env env;
  Napi::Reference<Napi::Uint8Array> buffer;
  Napi::FunctionReference on_back;
  Napi::AsyncContext context;
  relay::SocketPairs pairs;
  /// What keeps the histograms of pairs in memory, by pair.
  std::vector<Napi::Reference<Napi::Float64Array>> gaps;
  void* poll;
  napi_async_cleanup_hook_handle cleanup = nullptr;
  bool closing = false;
};

void EventRelay::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("countPlainEvents", Napi::Function::New(env, CountPlainEvents, "countPlainEvents"));
  exports.Set("EventRelay", DefineClass(env, "EventRelay",
                                        {
                                            InstanceMethod("begin", &EventRelay::Begin),
                                            InstanceMethod("events", &EventRelay::Events),
                                            InstanceMethod("end", &EventRelay::End),
                                            InstanceMethod("close", &EventRelay::Close),
                                        }));
}

EventRelay::EventRelay(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EventRelay>(info) {
  AtEdge(info.Env(), [&] {
    if (!info[0].IsArray() || !info[1].IsTypedArray() || !info[2].IsFunction())
      throw Napi::TypeError::New(info.Env(), "expected words, a buffer and a function");
    core_ = new Core(info.Env(), info);
  });
}

EventRelay::~EventRelay() {
  if (core_ != nullptr) core_->Close();
}

EventRelay::Core& EventRelay::Open() const {
  if (core_ == nullptr) throw boundary::ClosedError("the event relay");
  return *core_;
}

Napi::Value EventRelay::Begin(const Napi::CallbackInfo& info) {
  return AtEdge(info.Env(), [&]() -> Napi::Value {
    Core& core = Open();
    if (!info[3].IsTypedArray() || info[3].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array ||
        info[3].As<Napi::Float64Array>().ElementLength() < 2)
      throw Napi::TypeError::New(info.Env(), "expected a Float64Array of bounds, counts and sum");
    auto gaps = info[3].As<Napi::Float64Array>();
    const relay::GapHistogram histogram{gaps.Data(), gaps.ElementLength() / 2 - 1};
    const int32_t pair = core.pairs.Begin(info[0].ToNumber().Int32Value(), info[1].ToNumber().Int32Value(),
                                          info[2].ToNumber().DoubleValue(), histogram);
    if (pair >= 0) {
      if (core.gaps.size() <= static_cast<size_t>(pair)) core.gaps.resize(pair + 1);
      core.gaps[pair] = Napi::Persistent(gaps);
    }
    return Napi::Number::New(info.Env(), pair);
  });
}

Napi::Value EventRelay::Events(const Napi::CallbackInfo& info) {
  return AtEdge(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(info.Env(), Open().pairs.Look(info[0].ToNumber().Uint32Value()).events);
  });
}

Napi::Value EventRelay::End(const Napi::CallbackInfo& info) {
  return AtEdge(info.Env(), [&]() -> Napi::Value {
    Core& core = Open();
    const uint32_t pair = info[0].ToNumber().Uint32Value();
    const relay::Relayed relayed = core.pairs.End(pair);
    core.gaps[pair].Reset();
    Napi::Array result = Napi::Array::New(info.Env(), 2);
    result.Set(0U, relayed.events);
    result.Set(1U, relayed.since_ms);
    return result;
  });
}

Napi::Value EventRelay::Close(const Napi::CallbackInfo& info) {
  if (core_ != nullptr) core_->Close();
  core_ = nullptr;
  return info.Env().Undefined();
}

}  // namespace infernode
