// What the driver hands out, as objects that give it back: context, stream, event, memory, graph. Each keeps what it needs
// alive, so any order of destruction is right. Destructors ignore errors: after a sticky error everything answers it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "cuda/driver.h"

namespace infernode::cuda {

/// `GPU-...` as NVML writes it; empty where the driver cannot say.
std::string UuidOf(const Driver& driver, Device device);

/// The primary context of one device: the one that an engine in the same process uses too, so nothing is paid twice.
class Context {
 public:
  /// Throws CudaError.
  static std::shared_ptr<Context> Retain(std::shared_ptr<Driver> driver, int device_index);
  /// The calling thread's current context, whichever it is. It stays its owner's, who keeps it for as long as this lives. Null when the
  /// thread has none.
  static std::shared_ptr<Context> Borrow(std::shared_ptr<Driver> driver);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const Driver& driver() const { return *driver_; }
  const Symbols& cu() const { return driver_->symbols(); }
  Device device() const { return device_; }
  int Attribute(int attribute) const;
  /// 89 for compute capability 8.9.
  int ComputeCapability() const;
  std::string Name() const;
  std::string Uuid() const { return UuidOf(*driver_, device_); }
  size_t FreeBytes() const;
  size_t TotalBytes() const;
  /// What clock and bus of the memory allow, two transfers a cycle; 0 where the driver does not say.
  double PeakGBps() const;

  /// Does the stream, NULL included, run in this context, which is current?
  bool Runs(CUstream stream) const;

  /// Makes it the calling thread's; `Current` is the way to use it.
  Result Push() const { return cu().cuCtxPushCurrent_v2(handle_); }

 private:
  Context(std::shared_ptr<Driver> driver, Device device, CUcontext handle, bool retained)
      : driver_(std::move(driver)), device_(device), handle_(handle), retained_(retained) {}

  std::shared_ptr<Driver> driver_;
  Device device_;
  CUcontext handle_;
  bool retained_;
};
using ContextRef = std::shared_ptr<Context>;

/// Makes a context the calling thread's for a scope; every call below needs one, the handles take it themselves.
class Current {
 public:
  explicit Current(const Context& context) : context_(context) { Check("cuCtxPushCurrent_v2", context.Push()); }
  ~Current() {
    CUcontext popped;
    context_.cu().cuCtxPopCurrent_v2(&popped);
  }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

 private:
  const Context& context_;
};

/// For a scope, calls that a capture of another thread forbids in global mode (allocations, questions about events) go through and leave
/// that capture alone. PyTorch captures in that mode.
class BesideCaptures {
 public:
  explicit BesideCaptures(const Context& context) : exchange_(context.cu().cuThreadExchangeStreamCaptureMode) { exchange_(&mode_); }
  ~BesideCaptures() { exchange_(&mode_); }
  BesideCaptures(const BesideCaptures&) = delete;
  BesideCaptures& operator=(const BesideCaptures&) = delete;

 private:
  Result (*exchange_)(int*);
  int mode_ = kCaptureRelaxed;
};

/// A handle that is made by one call and given back by another; movable, never copied.
template <class Handle, Result (*Symbols::*release)(Handle)>
class Owned {
 public:
  Owned() = default;
  Owned(ContextRef context, Handle handle) : context_(std::move(context)), handle_(handle) {}
  Owned(Owned&& other) noexcept : context_(std::move(other.context_)), handle_(std::exchange(other.handle_, Handle{})) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owned() { Release(); }

  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != Handle{}; }
  const Context& context() const { return *context_; }
  void Release() {
    if (!context_ || handle_ == Handle{}) return;
    const Symbols& cu = context_->cu();
    CUcontext popped;
    // A context that cannot be made current any more has lost its handles already.
    if (context_->Push() == kSuccess) {
      (cu.*release)(handle_);
      cu.cuCtxPopCurrent_v2(&popped);
    }
    handle_ = Handle{};
  }

 private:
  ContextRef context_;
  Handle handle_{};
};

using Event = Owned<CUevent, &Symbols::cuEventDestroy_v2>;
using Graph = Owned<CUgraph, &Symbols::cuGraphDestroy>;
using GraphExec = Owned<CUgraphExec, &Symbols::cuGraphExecDestroy>;
using Module = Owned<CUmodule, &Symbols::cuModuleUnload>;
using Stream = Owned<CUstream, &Symbols::cuStreamDestroy_v2>;

/// Device memory, `bytes()` long.
class DeviceMemory : public Owned<DevicePtr, &Symbols::cuMemFree_v2> {
 public:
  DeviceMemory() = default;
  DeviceMemory(const ContextRef& context, size_t bytes);
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_ = 0;
};

/// Page-locked host memory: the only kind that a copy leaves asynchronous, and whose address a graph may keep.
class PinnedMemory : public Owned<void*, &Symbols::cuMemFreeHost> {
 public:
  PinnedMemory() = default;
  PinnedMemory(const ContextRef& context, size_t bytes);
  size_t bytes() const { return bytes_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(get());
  }

 private:
  size_t bytes_ = 0;
};

/// A stream that does not wait for the legacy default stream.
Stream NewStream(const ContextRef& context);
Event NewEvent(const ContextRef& context, bool timed);

/// Captures what `issue` puts into the stream. Whatever goes wrong, the stream is not capturing afterwards.
template <class Issue>
Graph Capture(const ContextRef& context, const Stream& stream, Issue issue) {
  const Current current(*context);
  const Symbols& cu = context->cu();
  // Thread-local: other threads of the process, such as an engine's, may allocate meanwhile.
  Check("cuStreamBeginCapture_v2", cu.cuStreamBeginCapture_v2(stream.get(), kCaptureThreadLocal));
  CUgraph graph = nullptr;
  try {
    issue();
  } catch (...) {
    cu.cuStreamEndCapture(stream.get(), &graph);
    if (graph) cu.cuGraphDestroy(graph);
    throw;
  }
  Check("cuStreamEndCapture", cu.cuStreamEndCapture(stream.get(), &graph));
  return Graph(context, graph);
}

/// Instantiates and uploads, so that the first launch costs what every launch costs.
GraphExec Instantiate(const ContextRef& context, const Graph& graph, const Stream& stream);

}  // namespace infernode::cuda
