// The simulated driver's objects. One lock guards them all; what streams run, runs outside it.
#pragma once

#include <condition_variable>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "cuda/cuda_abi.h"
#include "cuda_sim/ptx_text.h"

namespace infernode::cuda_sim {

/// One thing that a stream does: a copy, a launch. `kind` is what graphs are compared by.
struct Operation {
  std::string kind;
  std::function<cuda::Result()> run;
};

/// One recording of an event. `captured` for good when it was recorded into a capture.
struct Moment {
  bool done = false, captured = false;
  std::chrono::steady_clock::time_point time;
};

struct CaptureRecord {
  int mode = cuda::kCaptureGlobal;
  std::thread::id thread;
  cuda::StreamHandle* origin = nullptr;
  std::vector<Operation> operations;
  std::set<cuda::StreamHandle*> unjoined;  ///< forked off and not joined again
  bool invalidated = false;
};

struct Allocation {
  size_t bytes;
  int device;  ///< -1: page-locked host memory
};

struct Simulator {
  std::mutex mutex;
  std::condition_variable changed;
  bool initialized = false;
  std::map<int, cuda::ContextHandle*> contexts;   ///< primary contexts by device; never destroyed
  std::map<uintptr_t, Allocation> allocations;    ///< by address
  std::unordered_set<const void*> live;           ///< handles; what is not here is CUDA_ERROR_INVALID_HANDLE
  std::set<std::shared_ptr<CaptureRecord>> captures;

  static Simulator& Get();
  /// The whole range lies in one live allocation of this kind. The lock is held.
  bool Covers(uintptr_t address, size_t bytes, int device) const;
  bool IsPinned(const void* address, size_t bytes) const { return Covers(reinterpret_cast<uintptr_t>(address), bytes, -1); }
};

}  // namespace infernode::cuda_sim

namespace infernode::cuda {

struct ContextHandle {
  int device = 0, references = 0;
  size_t used_bytes = 0;
  Result sticky = kSuccess;
  std::set<StreamHandle*> streams;
  StreamHandle* legacy = nullptr;  ///< what the stream NULL means; made when it is first used
};

struct StreamHandle {
  ContextHandle* context = nullptr;
  std::deque<cuda_sim::Operation> queue;
  bool busy = false, ending = false;
  bool blocking = true;  ///< waits for the legacy stream, and it for this one: not modelled but for captures
  std::shared_ptr<cuda_sim::CaptureRecord> capture;
  std::thread worker;
};

struct EventHandle {
  bool timed = true;
  std::shared_ptr<cuda_sim::Moment> moment;                ///< of the last recording
  std::shared_ptr<cuda_sim::CaptureRecord> capture;        ///< that the last recording went into
  StreamHandle* recorded_in = nullptr;
};

struct ModuleHandle {
  std::map<std::string, std::unique_ptr<FunctionHandle>> functions;
};
struct FunctionHandle {
  std::string name;
  std::vector<cuda_sim::PtxParameter> parameters;
};

using Operations = std::shared_ptr<const std::vector<cuda_sim::Operation>>;
struct GraphHandle {
  Operations operations;
};
struct GraphExecHandle {
  ContextHandle* context = nullptr;
  Operations operations;
};

}  // namespace infernode::cuda

namespace infernode::cuda_sim {

/// What an instantiated graph takes of the device's memory: as much as makes accounting visible.
constexpr size_t kGraphBytes = 64 << 10;
/// What a primary context takes.
constexpr size_t kContextBytes = size_t{64} << 20;

/// The calling thread's stack of current contexts.
std::vector<cuda::ContextHandle*>& CurrentStack();

/// The first half of `Call`: takes the lock.
cuda::Result Begin(const char* name, std::unique_lock<std::mutex>* lock, cuda::ContextHandle** context);

/// Runs a body under the lock after what every call has in common: injected faults, initialisation, a current context, its
/// sticky error. The body gets the simulator and the context.
template <class Body>
cuda::Result Call(const char* name, Body body) {
  std::unique_lock<std::mutex> lock;
  cuda::ContextHandle* context = nullptr;
  const cuda::Result result = Begin(name, &lock, &context);
  return result == cuda::kSuccess ? body(Simulator::Get(), *context, lock) : result;
}

/// What cuThreadExchangeStreamCaptureMode sets for the calling thread.
int& ThreadCaptureMode();

/// Calls that a capture forbids to its thread, or in global mode to all that have not declared otherwise: fails them and spoils the capture.
/// The lock is held.
bool ForbiddenByCapture(Simulator& simulator);

/// The stream itself, or the legacy stream of the context for NULL. The lock is held.
cuda::StreamHandle* StreamOf(Simulator& simulator, cuda::ContextHandle& context, cuda::StreamHandle* stream);

/// Puts an operation into the stream, or into the capture that the stream is part of. The lock is held.
cuda::Result Issue(Simulator& simulator, cuda::StreamHandle* stream, Operation operation);

/// Waits until the stream has nothing to do. The lock is held, and let go meanwhile.
void Drain(Simulator& simulator, cuda::StreamHandle* stream, std::unique_lock<std::mutex>& lock);

/// The thread of one stream, and its end.
void StartWorker(cuda::StreamHandle* stream);

}  // namespace infernode::cuda_sim
