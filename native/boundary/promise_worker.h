// The one way in which work leaves the JS thread: `work` runs on a pool thread, `convert` makes its result a JS value, and
// the promise settles exactly once. For short work only: a driver call that hangs keeps its pool thread for good.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>

#include "boundary/js_error.h"

namespace infernode::boundary {

template <typename Result, typename Work, typename Convert>
class PromiseWorker : public Napi::AsyncWorker {
 public:
  PromiseWorker(Napi::Env env, Work work, Convert convert)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), work_(std::move(work)), convert_(std::move(convert)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      result_.emplace(work_());
    } catch (const CodedError& error) {
      coded_.emplace(error);
      SetError(error.what());
    } catch (const std::exception& error) {
      SetError(error.what());
    }
  }

  void OnOK() override {
    try {
      deferred_.Resolve(convert_(Env(), *result_));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    } catch (const std::exception& error) {
      deferred_.Reject(ToJs(Env(), error).Value());
    }
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(coded_ ? ToJs(Env(), *coded_).Value() : error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  Work work_;
  Convert convert_;
  std::optional<Result> result_;
  std::optional<CodedError> coded_;
};

template <typename Work, typename Convert>
Napi::Promise RunWork(Napi::Env env, Work work, Convert convert) {
  using Result = decltype(work());
  auto* worker = new PromiseWorker<Result, Work, Convert>(env, std::move(work), std::move(convert));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace infernode::boundary
