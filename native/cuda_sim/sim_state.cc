#include "cuda_sim/sim_state.h"

#include "cuda_sim/scenario.h"

namespace infernode::cuda_sim {

using namespace infernode::cuda;

Simulator& Simulator::Get() {
  // Never destroyed: stream threads outlive main.
  static auto& simulator = *new Simulator;
  return simulator;
}

bool Simulator::Covers(uintptr_t address, size_t bytes, int device) const {
  auto next = allocations.upper_bound(address);
  if (next == allocations.begin()) return false;
  const auto& [start, allocation] = *--next;
  return allocation.device == device && address - start <= allocation.bytes && bytes <= allocation.bytes - (address - start);
}

std::vector<ContextHandle*>& CurrentStack() {
  thread_local std::vector<ContextHandle*> stack;
  return stack;
}

Result Begin(const char* name, std::unique_lock<std::mutex>* lock, ContextHandle** context) {
  Simulator& simulator = Simulator::Get();
  *context = CurrentStack().empty() ? nullptr : CurrentStack().back();
  const Result injected = Suffer(name, *context ? (*context)->device : -1);
  *lock = std::unique_lock<std::mutex>(simulator.mutex);
  if (!simulator.initialized) return kNotInitialized;
  if (!*context) return kInvalidContext;
  if (injected != kSuccess && IsSticky(injected)) (*context)->sticky = injected;
  return (*context)->sticky != kSuccess ? (*context)->sticky : injected;
}

int& ThreadCaptureMode() {
  thread_local int mode = kCaptureGlobal;
  return mode;
}

bool ForbiddenByCapture(Simulator& simulator) {
  if (ThreadCaptureMode() == kCaptureRelaxed) return false;
  bool forbidden = false;
  for (const auto& capture : simulator.captures) {
    const bool own = capture->mode != kCaptureRelaxed && capture->thread == std::this_thread::get_id();
    if (own || (capture->mode == kCaptureGlobal && ThreadCaptureMode() == kCaptureGlobal)) capture->invalidated = forbidden = true;
  }
  return forbidden;
}

StreamHandle* StreamOf(Simulator& simulator, ContextHandle& context, StreamHandle* stream) {
  if (stream) return stream;
  if (!context.legacy) {
    context.legacy = new StreamHandle;
    context.legacy->context = &context;
    context.streams.insert(context.legacy);
    simulator.live.insert(context.legacy);
    StartWorker(context.legacy);
  }
  return context.legacy;
}

Result Issue(Simulator& simulator, StreamHandle* stream, Operation operation) {
  if (!simulator.live.count(stream)) return kInvalidHandle;
  if (stream->capture) {
    if (stream->capture->invalidated) return kStreamCaptureInvalidated;
    if (stream != stream->capture->origin) stream->capture->unjoined.insert(stream);
    stream->capture->operations.push_back(std::move(operation));
    return kSuccess;
  }
  stream->queue.push_back(std::move(operation));
  simulator.changed.notify_all();
  return kSuccess;
}

void Drain(Simulator& simulator, StreamHandle* stream, std::unique_lock<std::mutex>& lock) {
  simulator.changed.wait(lock, [&] { return !simulator.live.count(stream) || (stream->queue.empty() && !stream->busy); });
}

void StartWorker(StreamHandle* stream) {
  stream->worker = std::thread([stream] {
    Simulator& simulator = Simulator::Get();
    std::unique_lock<std::mutex> lock(simulator.mutex);
    for (;;) {
      simulator.changed.wait(lock, [stream] { return stream->ending || !stream->queue.empty(); });
      if (stream->queue.empty()) break;
      const Operation operation = std::move(stream->queue.front());
      stream->queue.pop_front();
      stream->busy = true;
      // After a sticky error the device does nothing more; recorded events are done, so that nobody waits for ever.
      const bool works = stream->context->sticky == kSuccess || operation.kind == "event";
      lock.unlock();
      const Result result = works ? operation.run() : kSuccess;
      lock.lock();
      if (result != kSuccess) stream->context->sticky = result;
      stream->busy = false;
      simulator.changed.notify_all();
    }
  });
}

}  // namespace infernode::cuda_sim
