// One run at a time for an object whose buffers a stream works on: begun by a call that returns when everything is in the stream,
// ended by the call that reads what became of it. Whoever comes in between is told so; nobody waits.
#pragma once

#include <atomic>

#include "kvquant/cuda/device_session.h"

namespace infernode::kv {

class RunGate {
 public:
  explicit RunGate(cuda::ContextRef context) : context_(std::move(context)), end_(cuda::NewEvent(context_, false)) {}
  /// Waits for the run under way.
  ~RunGate();

  /// Calls `issue`, which puts a run into the stream. Throws ArgumentError (BUSY, BAD_STREAM, CAPTURING) before, and what `issue` throws;
  /// after any error the stream has let go of what was issued.
  template <class Issue>
  void Begin(cuda::CUstream stream, const Issue& issue) {
    Enter(kIdle, INFERNODE_KV_BUSY, "expected the run before this one to be over, and its outcome read");
    Leaving leaving(state_, kIdle);
    const cuda::Current current(*context_);
    CheckStream(stream);
    try {
      issue();
      INFERNODE_CUDA(context_->driver(), cuEventRecord, end_.get(), stream);
    } catch (...) {
      const cuda::BesideCaptures beside(*context_);
      context_->cu().cuStreamSynchronize(stream);
      throw;
    }
    leaving.to = kRunning;
  }

  /// Calls `read` when the run is over. Throws ArgumentError (BUSY, NO_RUN), and CudaError when the device failed, which ends the run too.
  template <class Read>
  void End(const Read& read) {
    Enter(kRunning, INFERNODE_KV_NO_RUN, "expected a run whose outcome has not been read yet");
    Leaving leaving(state_, kRunning);
    if (!IsOver()) throw ArgumentError(INFERNODE_KV_BUSY, "expected the stream to have reached the end of the run");
    leaving.to = kIdle;
    CheckEnded();
    read();
  }

  /// For changes between runs.
  template <class Change>
  void Between(const Change& change) {
    Enter(kIdle, INFERNODE_KV_BUSY, "expected no run to be under way");
    const Leaving leaving(state_, kIdle);
    change();
  }

 private:
  enum State { kIdle, kCalled, kRunning };
  /// The state after a call, whatever becomes of it.
  struct Leaving {
    Leaving(std::atomic<State>& s, State after) : state(s), to(after) {}
    ~Leaving() { state.store(to); }
    std::atomic<State>& state;
    State to;
  };

  void Enter(State expected, infernode_kv_result otherwise, const char* sentence);
  void CheckStream(cuda::CUstream stream) const;
  bool IsOver();
  void CheckEnded() const;

  cuda::ContextRef context_;
  cuda::Event end_;
  cuda::Result ended_ = cuda::kSuccess;
  std::atomic<State> state_{kIdle};
};

}  // namespace infernode::kv
