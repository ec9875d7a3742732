#include "kvquant/addon_graph.h"

#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "boundary/js_error.h"
#include "boundary/promise_worker.h"
#include "kvquant/addon_kv.h"
#include "kvquant/cuda/graph_runner.h"

namespace infernode {

using boundary::AtEdge;
using boundary::CodedError;
using boundary::RunWork;

/// One operation at a time: the lock is held across driver calls, by pool threads only.
struct GraphCore {
  std::mutex mutex;
  bool closed = false;
  std::string library;
  int device = 0;
  kv::GraphOptions options;
  size_t record_bytes = 0;  // of one record of each section
  // In this order: the runner and the caches are of the context.
  cuda::ContextRef context;
  cuda::Stream stream;
  std::vector<cuda::DeviceMemory> caches;
  std::optional<kv::GraphRunner> runner;

  size_t CacheBytes() const {
    const infernode_kv_section& s = options.sections[0];
    return size_t{2} * s.pages * static_cast<size_t>(s.page_stride);
  }

  void Open() {
    auto session = kv::DeviceSession::Open(library.c_str(), device);
    context = session->context();
    stream = cuda::NewStream(context);
    runner.emplace(std::move(session), options);
    MoveCaches();
  }

  /// New caches elsewhere, with what the old ones held, or zeros.
  void MoveCaches() {
    std::vector<cuda::DeviceMemory> next;
    std::vector<uint64_t> addresses;
    for (size_t i = 0; i < options.sections.size(); ++i) {
      next.emplace_back(context, CacheBytes());
      addresses.push_back(next.back().get());
      const cuda::Current current(*context);
      if (caches.empty()) INFERNODE_CUDA(context->driver(), cuMemsetD8Async, next[i].get(), 0, CacheBytes(), stream.get());
      else INFERNODE_CUDA(context->driver(), cuMemcpyDtoDAsync_v2, next[i].get(), caches[i].get(), CacheBytes(), stream.get());
    }
    Wait();
    runner->Bind(addresses);
    caches = std::move(next);
  }

  void Wait() {
    const cuda::Current current(*context);
    INFERNODE_CUDA(context->driver(), cuStreamSynchronize, stream.get());
  }
};

namespace {

/// Runs on a pool thread with the core to itself; driver errors keep their enum's name and their call.
template <typename Work, typename Convert>
Napi::Value RunOnCore(Napi::Env env, const std::shared_ptr<GraphCore>& core, Work work, Convert convert) {
  return RunWork(
      env,
      [core, work]() mutable {
        const std::lock_guard<std::mutex> lock(core->mutex);
        if (core->closed) throw boundary::ClosedError("the graph runner");
        try {
          return work(*core);
        } catch (const cuda::CudaError& error) {
          throw CodedError(cuda::ResultName(error.code), error.call, error.what());
        } catch (const kv::DriverUnavailable& error) {
          throw CodedError("INFERNODE_DRIVER_UNAVAILABLE", "", error.what());
        } catch (const kv::ArgumentError& error) {
          throw CodedError(infernode_kv_result_name(error.result), "", error.what());
        }
      },
      convert);
}

constexpr auto kNothing = [](Napi::Env env, bool) { return env.Undefined(); };

[[noreturn]] void Refuse(Napi::Env env, const std::string& what) {
  throw boundary::ToJs(env, CodedError("INFERNODE_KV_SHORT_BUFFER", "", what));
}

/// A typed array of that kind whose buffer is attached.
template <class Array>
Array AttachedArray(const Napi::CallbackInfo& info, size_t i, napi_typedarray_type type, const char* name) {
  if (!info[i].IsTypedArray() || info[i].As<Napi::TypedArray>().TypedArrayType() != type) Refuse(info.Env(), std::string(name) + ": expected another kind of typed array");
  const Array array = info[i].As<Array>();
  if (array.ArrayBuffer().IsDetached()) Refuse(info.Env(), std::string(name) + ": the ArrayBuffer is detached");
  return array;
}

/// Bytes made by a pool thread go into the caller's array here, on the JS thread, so that an array which was detached meanwhile is
/// refused instead of written to.
template <class Array>
void Deliver(Napi::Env env, const Napi::Reference<Array>& target, const std::vector<uint8_t>& bytes, const char* name) {
  Array array = target.Value();
  if (array.ArrayBuffer().IsDetached() || array.ByteLength() < bytes.size()) Refuse(env, std::string(name) + ": the ArrayBuffer was detached while it was to be filled");
  std::memcpy(array.Data(), bytes.data(), bytes.size());
}

template <class Array>
std::shared_ptr<Napi::Reference<Array>> Hold(const Array& array) {
  return std::make_shared<Napi::Reference<Array>>(Napi::Persistent(array));
}

kv::GraphOptions OptionsFromJs(const Napi::Object& o, size_t* record_bytes) {
  kv::GraphOptions options;
  options.encode = o.Get("direction").ToString().Utf8Value() == "encode";
  const Napi::Array sections = o.Get("sections").As<Napi::Array>(), counts = o.Get("counts").As<Napi::Array>();
  for (uint32_t i = 0; i < sections.Length(); ++i) {
    size_t bytes = 0;
    options.sections.push_back(SectionFromJs(sections.Get(i).As<Napi::Object>(), &bytes));
    *record_bytes += bytes;
  }
  // Everything else is checked by the runner; the first section is looked at before there is one.
  if (options.sections.empty()) Refuse(o.Env(), "sections: expected at least one");
  options.counts.clear();
  for (uint32_t i = 0; i < counts.Length(); ++i) options.counts.push_back(counts.Get(i).ToNumber().Uint32Value());
  options.capacity = o.Get("capacity").ToNumber().Uint32Value();
  options.thread_blocks = o.Get("threadBlocks").ToNumber().Uint32Value();
  return options;
}

size_t SectionIndex(const Napi::CallbackInfo& info, const GraphCore& core) {
  const double index = info[0].ToNumber().DoubleValue();
  if (!(index >= 0 && index < static_cast<double>(core.options.sections.size())) || index != static_cast<double>(static_cast<size_t>(index)))
    Refuse(info.Env(), "section: expected 0 to " + std::to_string(core.options.sections.size() - 1));
  return static_cast<size_t>(index);
}

}  // namespace

void KvGraphRunner::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("KvGraphRunner", DefineClass(env, "KvGraphRunner",
                                           {InstanceMethod("open", &KvGraphRunner::Open), InstanceMethod("capture", &KvGraphRunner::Capture),
                                            InstanceMethod("run", &KvGraphRunner::Run), InstanceMethod("writeCache", &KvGraphRunner::WriteCache),
                                            InstanceMethod("readCache", &KvGraphRunner::ReadCache), InstanceMethod("moveCaches", &KvGraphRunner::MoveCaches),
                                            InstanceMethod("recordBytes", &KvGraphRunner::RecordBytes), InstanceMethod("stats", &KvGraphRunner::Stats),
                                            InstanceMethod("close", &KvGraphRunner::Close)}));
}

KvGraphRunner::KvGraphRunner(const Napi::CallbackInfo& info) : Napi::ObjectWrap<KvGraphRunner>(info), core_(std::make_shared<GraphCore>()) {
  if (info.Length() < 3 || !info[0].IsString() || !info[1].IsNumber() || !info[2].IsObject()) throw Napi::TypeError::New(info.Env(), "expected (library, device, options)");
  core_->library = info[0].As<Napi::String>();
  core_->device = info[1].ToNumber().Int32Value();
  core_->options = OptionsFromJs(info[2].As<Napi::Object>(), &core_->record_bytes);
}

Napi::Value KvGraphRunner::Open(const Napi::CallbackInfo& info) {
  return RunOnCore(
      info.Env(), core_,
      [](GraphCore& core) {
        if (!core.runner) core.Open();
        return core.context->Name();
      },
      [](Napi::Env env, const std::string& name) { return Napi::String::New(env, name); });
}

Napi::Value KvGraphRunner::Capture(const Napi::CallbackInfo& info) {
  return RunOnCore(info.Env(), core_, [](GraphCore& core) { return core.runner.value().Capture(), true; }, kNothing);
}

Napi::Value KvGraphRunner::Run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto table = AttachedArray<Napi::Int32Array>(info, 0, napi_int32_array, "table");
  const auto records = AttachedArray<Napi::Uint8Array>(info, 1, napi_uint8_array, "records");
  const uint32_t per_record = core_->options.sections[0].pages_per_record;
  if (table.ElementLength() % per_record != 0) Refuse(env, "table: expected a multiple of " + std::to_string(per_record) + " entries, got " + std::to_string(table.ElementLength()));
  if (table.ElementLength() / per_record > core_->options.capacity)
    Refuse(env, "table: expected at most " + std::to_string(core_->options.capacity) + " records, got " + std::to_string(table.ElementLength() / per_record));
  const auto count = static_cast<uint32_t>(table.ElementLength() / per_record);
  const size_t bytes = count * core_->record_bytes;
  if (records.ByteLength() < bytes) Refuse(env, "records: expected " + std::to_string(bytes) + " bytes, got " + std::to_string(records.ByteLength()));
  struct Result {
    kv::GraphRun run;
    std::vector<uint8_t> records;
  };
  const bool encode = core_->options.encode;
  // The pool thread gets copies: an array may be detached while it works.
  std::vector<uint8_t> work(encode ? std::vector<uint8_t>(bytes) : std::vector<uint8_t>(records.Data(), records.Data() + bytes));
  return RunOnCore(
      env, core_,
      [count, entries = std::vector<int32_t>(table.Data(), table.Data() + table.ElementLength()), work = std::move(work)](GraphCore& core) mutable {
        Result result{core.runner.value().Run(entries.data(), count, work.data(), work.size()), {}};
        result.records = std::move(work);
        return result;
      },
      [encode, target = Hold(records)](Napi::Env e, const Result& result) {
        if (result.run.result != INFERNODE_KV_OK)
          throw boundary::ToJs(e, CodedError(infernode_kv_result_name(result.run.result), "",
                                             "record " + std::to_string(result.run.bad_record) + ": " + infernode_kv_message(result.run.result)));
        if (encode) Deliver(e, *target, result.records, "records");
        Napi::Object run = Napi::Object::New(e);
        run.Set("captured", result.run.captured);
        run.Set("nonfinite", static_cast<double>(result.run.nonfinite));
        return run;
      });
}

Napi::Value KvGraphRunner::WriteCache(const Napi::CallbackInfo& info) {
  const size_t section = SectionIndex(info, *core_);
  const auto values = AttachedArray<Napi::Uint16Array>(info, 1, napi_uint16_array, "values");
  if (values.ByteLength() != core_->CacheBytes()) Refuse(info.Env(), "values: expected " + std::to_string(core_->CacheBytes() / 2) + " elements, got " + std::to_string(values.ElementLength()));
  return RunOnCore(
      info.Env(), core_,
      [section, copy = std::vector<uint16_t>(values.Data(), values.Data() + values.ElementLength())](GraphCore& core) {
        const cuda::Current current(*core.context);
        INFERNODE_CUDA(core.context->driver(), cuMemcpyHtoDAsync_v2, core.caches.at(section).get(), copy.data(), core.CacheBytes(), core.stream.get());
        core.Wait();
        return true;
      },
      kNothing);
}

Napi::Value KvGraphRunner::ReadCache(const Napi::CallbackInfo& info) {
  const size_t section = SectionIndex(info, *core_);
  const auto values = AttachedArray<Napi::Uint16Array>(info, 1, napi_uint16_array, "values");
  if (values.ByteLength() != core_->CacheBytes()) Refuse(info.Env(), "values: expected " + std::to_string(core_->CacheBytes() / 2) + " elements, got " + std::to_string(values.ElementLength()));
  return RunOnCore(
      info.Env(), core_,
      [section](GraphCore& core) {
        std::vector<uint8_t> bytes(core.CacheBytes());
        const cuda::Current current(*core.context);
        INFERNODE_CUDA(core.context->driver(), cuMemcpyDtoHAsync_v2, bytes.data(), core.caches.at(section).get(), bytes.size(), core.stream.get());
        core.Wait();
        return bytes;
      },
      [target = Hold(values)](Napi::Env env, const std::vector<uint8_t>& bytes) {
        Deliver(env, *target, bytes, "values");
        return env.Undefined();
      });
}

Napi::Value KvGraphRunner::MoveCaches(const Napi::CallbackInfo& info) {
  return RunOnCore(info.Env(), core_, [](GraphCore& core) { return core.MoveCaches(), true; }, kNothing);
}

Napi::Value KvGraphRunner::RecordBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(info[0].ToNumber().Uint32Value()) * static_cast<double>(core_->record_bytes));
}

Napi::Value KvGraphRunner::Stats(const Napi::CallbackInfo& info) {
  return RunOnCore(
      info.Env(), core_, [](GraphCore& core) { return core.runner.value().stats(); },
      [](Napi::Env env, const kv::GraphStats& s) {
        Napi::Object stats = Napi::Object::New(env);
        const auto set = [&stats](const char* name, uint64_t value) { stats.Set(name, static_cast<double>(value)); };
        set("captures", s.captures);
        set("replays", s.replays);
        set("eagerRuns", s.eager_runs);
        set("binds", s.binds);
        set("records", s.records);
        set("paddedRecords", s.padded_records);
        set("deviceBytes", s.device_bytes);
        set("pinnedBytes", s.pinned_bytes);
        set("graphBytes", s.graph_bytes);
        return stats;
      });
}

Napi::Value KvGraphRunner::Close(const Napi::CallbackInfo& info) {
  return RunWork(
      info.Env(),
      [core = core_] {
        const std::lock_guard<std::mutex> lock(core->mutex);
        core->closed = true;
        core->runner.reset();
        core->caches.clear();
        core->stream = {};
        core->context.reset();
        return true;
      },
      kNothing);
}

}  // namespace infernode
