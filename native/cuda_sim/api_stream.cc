// Streams, events and capture.
#include "cuda_sim/api.h"

namespace {

/// A call that may not be made on a stream or event that is being captured: fails, and spoils the capture.
Result SpoilCapture(CaptureRecord& capture, Result result) { return capture.invalidated = true, result; }

void EndCaptureOf(Simulator& simulator, const std::shared_ptr<CaptureRecord>& capture) {
  simulator.captures.erase(capture);
  for (const auto& [device, context] : simulator.contexts)
    for (StreamHandle* stream : context->streams)
      if (stream->capture == capture) stream->capture = nullptr;
}

}  // namespace

INFERNODE_CUDA_SIM_API cuStreamCreate(CUstream* stream, unsigned flags) {
  return Call("cuStreamCreate", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    *stream = new StreamHandle;
    (*stream)->context = &context;
    (*stream)->blocking = (flags & kStreamNonBlocking) == 0;
    context.streams.insert(*stream);
    simulator.live.insert(*stream);
    StartWorker(*stream);
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuStreamDestroy_v2(CUstream stream) {
  Simulator& simulator = Simulator::Get();
  {
    const Result injected = Suffer("cuStreamDestroy_v2", -1);
    Lock lock(simulator.mutex);
    if (injected != kSuccess || !simulator.live.count(stream)) return injected != kSuccess ? injected : kInvalidHandle;
    if (stream->capture) return SpoilCapture(*stream->capture, kStreamCaptureUnsupported);
    simulator.live.erase(stream);
    stream->context->streams.erase(stream);
    stream->ending = true;
    simulator.changed.notify_all();
  }
  // The driver lets pending work end; so does the worker, before it ends itself.
  stream->worker.join();
  delete stream;
  return kSuccess;
}

INFERNODE_CUDA_SIM_API cuStreamGetCtx(CUstream stream, CUcontext* context) {
  return Call("cuStreamGetCtx", [&](Simulator& simulator, ContextHandle& current, Lock&) {
    stream = StreamOf(simulator, current, stream);
    return simulator.live.count(stream) ? *context = stream->context, kSuccess : kInvalidHandle;
  });
}

INFERNODE_CUDA_SIM_API cuStreamSynchronize(CUstream stream) {
  return Call("cuStreamSynchronize", [&](Simulator& simulator, ContextHandle& context, Lock& lock) {
    stream = StreamOf(simulator, context, stream);
    if (!simulator.live.count(stream)) return kInvalidHandle;
    if (stream->capture) return SpoilCapture(*stream->capture, kStreamCaptureUnsupported);
    if (ForbiddenByCapture(simulator)) return kStreamCaptureUnsupported;
    Drain(simulator, stream, lock);
    return context.sticky;
  });
}

INFERNODE_CUDA_SIM_API cuStreamQuery(CUstream stream) {
  return Call("cuStreamQuery", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    stream = StreamOf(simulator, context, stream);
    if (!simulator.live.count(stream)) return kInvalidHandle;
    if (stream->capture) return SpoilCapture(*stream->capture, kStreamCaptureUnsupported);
    return stream->queue.empty() && !stream->busy ? kSuccess : kNotReady;
  });
}

INFERNODE_CUDA_SIM_API cuStreamBeginCapture_v2(CUstream stream, int mode) {
  return Call("cuStreamBeginCapture_v2", [&](Simulator& simulator, ContextHandle&, Lock&) {
    // The legacy default stream cannot be captured.
    if (!stream) return kStreamCaptureUnsupported;
    if (!simulator.live.count(stream)) return kInvalidHandle;
    if (stream->capture) return kIllegalState;
    stream->capture = std::make_shared<CaptureRecord>();
    stream->capture->mode = mode;
    stream->capture->thread = std::this_thread::get_id();
    stream->capture->origin = stream;
    simulator.captures.insert(stream->capture);
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  return Call("cuStreamEndCapture", [&](Simulator& simulator, ContextHandle&, Lock&) {
    *graph = nullptr;
    if (!simulator.live.count(stream)) return kInvalidHandle;
    const std::shared_ptr<CaptureRecord> capture = stream->capture;
    if (!capture) return kIllegalState;
    if (capture->origin != stream) return SpoilCapture(*capture, kStreamCaptureUnmatched);
    if (capture->mode != kCaptureRelaxed && capture->thread != std::this_thread::get_id()) return kStreamCaptureWrongThread;
    EndCaptureOf(simulator, capture);
    if (capture->invalidated) return kStreamCaptureInvalidated;
    if (!capture->unjoined.empty()) return kStreamCaptureUnjoined;
    *graph = new GraphHandle{std::make_shared<const std::vector<Operation>>(std::move(capture->operations))};
    simulator.live.insert(*graph);
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuStreamIsCapturing(CUstream stream, int* status) {
  return Call("cuStreamIsCapturing", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    // The legacy stream is part of every capture of a stream that waits for it.
    for (const auto& capture : simulator.captures)
      if (!stream && capture->origin->blocking && capture->origin->context == &context) return kStreamCaptureImplicit;
    stream = StreamOf(simulator, context, stream);
    if (!simulator.live.count(stream)) return kInvalidHandle;
    *status = !stream->capture ? kCaptureStatusNone : stream->capture->invalidated ? kCaptureStatusInvalidated : kCaptureStatusActive;
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuThreadExchangeStreamCaptureMode(int* mode) {
  if (*mode < kCaptureGlobal || *mode > kCaptureRelaxed) return kInvalidValue;
  std::swap(*mode, ThreadCaptureMode());
  return kSuccess;
}

INFERNODE_CUDA_SIM_API cuEventCreate(CUevent* event, unsigned flags) {
  return Call("cuEventCreate", [&](Simulator& simulator, ContextHandle&, Lock&) {
    *event = new EventHandle;
    (*event)->timed = (flags & kEventDisableTiming) == 0;
    simulator.live.insert(*event);
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuEventDestroy_v2(CUevent event) {
  return Call("cuEventDestroy_v2", [&](Simulator& simulator, ContextHandle&, Lock&) {
    if (simulator.live.erase(event) == 0) return kInvalidHandle;
    delete event;
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuEventRecord(CUevent event, CUstream stream) {
  return Call("cuEventRecord", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    stream = StreamOf(simulator, context, stream);
    if (!simulator.live.count(event) || !simulator.live.count(stream)) return kInvalidHandle;
    const auto moment = std::make_shared<Moment>();
    moment->captured = stream->capture != nullptr;
    event->moment = moment;
    event->capture = stream->capture;
    event->recorded_in = stream;
    if (moment->captured) return stream->capture->invalidated ? kStreamCaptureInvalidated : kSuccess;
    return Issue(simulator, stream, {"event", [moment] {
                                       Simulator& s = Simulator::Get();
                                       const std::lock_guard<std::mutex> lock(s.mutex);
                                       moment->time = std::chrono::steady_clock::now();
                                       moment->done = true;
                                       s.changed.notify_all();
                                       return kSuccess;
                                     }});
  });
}

INFERNODE_CUDA_SIM_API cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  return Call("cuStreamWaitEvent", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    stream = StreamOf(simulator, context, stream);
    if (!simulator.live.count(event) || !simulator.live.count(stream)) return kInvalidHandle;
    const std::shared_ptr<Moment> moment = event->moment;
    if (!moment) return kSuccess;
    if (event->capture) {
      if (stream->capture && stream->capture != event->capture) return SpoilCapture(*event->capture, kStreamCaptureUnmatched);
      // Forks into this stream, or joins the other one. Operations replay in the order of issue, one of the orders that are allowed.
      if (!stream->capture) event->capture->unjoined.insert(stream);
      stream->capture = event->capture;
      event->capture->unjoined.erase(event->recorded_in);
      return kSuccess;
    }
    if (stream->capture) return SpoilCapture(*stream->capture, 905);  // CUDA_ERROR_STREAM_CAPTURE_ISOLATION
    return Issue(simulator, stream, {"event", [moment] {
                                       Simulator& s = Simulator::Get();
                                       Lock lock(s.mutex);
                                       s.changed.wait(lock, [&] { return moment->done; });
                                       return kSuccess;
                                     }});
  });
}

INFERNODE_CUDA_SIM_API cuEventQuery(CUevent event) {
  return Call("cuEventQuery", [&](Simulator& simulator, ContextHandle&, Lock&) {
    if (!simulator.live.count(event)) return kInvalidHandle;
    if (event->capture) return SpoilCapture(*event->capture, kCapturedEvent);
    if (ForbiddenByCapture(simulator)) return kStreamCaptureUnsupported;
    return !event->moment || event->moment->done ? kSuccess : kNotReady;
  });
}

INFERNODE_CUDA_SIM_API cuEventSynchronize(CUevent event) {
  return Call("cuEventSynchronize", [&](Simulator& simulator, ContextHandle& context, Lock& lock) {
    if (!simulator.live.count(event)) return kInvalidHandle;
    if (event->capture) return SpoilCapture(*event->capture, kCapturedEvent);
    if (ForbiddenByCapture(simulator)) return kStreamCaptureUnsupported;
    const std::shared_ptr<Moment> moment = event->moment;
    if (moment) simulator.changed.wait(lock, [&] { return moment->done; });
    return context.sticky;
  });
}

INFERNODE_CUDA_SIM_API cuEventElapsedTime(float* ms, CUevent from, CUevent to) {
  return Call("cuEventElapsedTime", [&](Simulator& simulator, ContextHandle&, Lock&) {
    if (!simulator.live.count(from) || !simulator.live.count(to) || !from->moment || !to->moment || !from->timed || !to->timed) return kInvalidHandle;
    if (!from->moment->done || !to->moment->done) return kNotReady;
    *ms = std::chrono::duration<float, std::milli>(to->moment->time - from->moment->time).count();
    return kSuccess;
  });
}
