#include "kvquant/cuda/run_gate.h"

namespace infernode::kv {

RunGate::~RunGate() {
  if (state_.load() != kRunning || context_->Push() != cuda::kSuccess) return;
  cuda::CUcontext popped;
  {
    const cuda::BesideCaptures beside(*context_);
    context_->cu().cuEventSynchronize(end_.get());
  }
  context_->cu().cuCtxPopCurrent_v2(&popped);
}

void RunGate::Enter(State expected, infernode_kv_result otherwise, const char* sentence) {
  State found = expected;
  if (state_.compare_exchange_strong(found, kCalled)) return;
  if (found == kCalled) throw ArgumentError(INFERNODE_KV_BUSY, "expected one call at a time, got another from a second thread");
  throw ArgumentError(otherwise, sentence);
}

void RunGate::CheckStream(cuda::CUstream stream) const {
  if (!context_->Runs(stream)) throw ArgumentError(INFERNODE_KV_BAD_STREAM, "stream: expected one of the context that this was opened in");
  int status = cuda::kCaptureStatusNone;
  const cuda::Result result = context_->cu().cuStreamIsCapturing(stream, &status);
  // A replay would read the block table of today.
  if (result == cuda::kStreamCaptureImplicit || status != cuda::kCaptureStatusNone)
    throw ArgumentError(INFERNODE_KV_CAPTURING, "stream: expected none that is being captured");
  cuda::Check("cuStreamIsCapturing", result);
}

bool RunGate::IsOver() {
  const cuda::Current current(*context_);
  const cuda::BesideCaptures beside(*context_);
  ended_ = context_->cu().cuEventQuery(end_.get());
  return ended_ != cuda::kNotReady;
}

void RunGate::CheckEnded() const { cuda::Check("cuEventQuery", ended_); }

}  // namespace infernode::kv
