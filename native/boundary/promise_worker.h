// The one way in which work leaves the JS thread: `work` runs on a pool thread, `convert` makes its result a JS value, and
// the promise settles exactly once. For short work only: a driver call that hangs keeps its pool thread for good.
#pragma once

#include <napi.h>

#include <exception>
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
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  /// Comes also while a worker thread is being torn down: then no JS can run, every step fails, and nobody is left to tell.
  void OnOK() override {
    try {
      Settle();
    } catch (...) {
    }
  }

 private:
  void Settle() {
    try {
      if (failure_) std::rethrow_exception(failure_);
      deferred_.Resolve(convert_(Env(), *result_));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    } catch (const std::exception& error) {
      deferred_.Reject(ToJs(Env(), error).Value());
    }
  }

  Napi::Promise::Deferred deferred_;
  Work work_;
  Convert convert_;
  std::optional<Result> result_;
  std::exception_ptr failure_;
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
