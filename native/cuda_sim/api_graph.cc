// Modules, launches and graphs.
#include <cstring>

#include "cuda_sim/api.h"
#include "cuda_sim/kernel_twins.h"

namespace {

/// What the compiler complains of goes where the caller asked for it.
void WriteLog(const std::string& text, unsigned count, const int* options, void** values) {
  char* buffer = nullptr;
  size_t bytes = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (options[i] == kJitErrorLogBuffer) buffer = static_cast<char*>(values[i]);
    if (options[i] == kJitErrorLogBufferBytes) bytes = reinterpret_cast<uintptr_t>(values[i]);
  }
  if (buffer && bytes > 0) std::snprintf(buffer, bytes, "%s", text.c_str());
}

/// Flips one bit of what the kernel's first parameter points to.
void Corrupt(const std::vector<uint8_t>& parameters) {
  uint64_t address = 0;
  if (parameters.size() < sizeof address) return;
  std::memcpy(&address, parameters.data(), sizeof address);
  Simulator& simulator = Simulator::Get();
  const std::lock_guard<std::mutex> lock(simulator.mutex);
  for (const auto& [device, context] : simulator.contexts)
    if (simulator.Covers(address, 8, device)) reinterpret_cast<uint8_t*>(address)[5] ^= 0x10;
}

Result RunKernel(const std::string& name, int device, const std::vector<uint8_t>& parameters) {
  const Result injected = Suffer("launch:" + name, device);
  if (injected != kSuccess) return injected;
  if (!RunTwin(name, parameters.data(), parameters.size())) return kLaunchFailed;
  if (Scenario::Now()->Find(Fault::Kind::kCorrupt, "launch:" + name, device)) Corrupt(parameters);
  return kSuccess;
}

}  // namespace

INFERNODE_CUDA_SIM_API cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned count, int* options, void** values) {
  return Call("cuModuleLoadDataEx", [&](Simulator& simulator, ContextHandle&, Lock&) {
    if (ForbiddenByCapture(simulator)) return kStreamCaptureUnsupported;
    const std::shared_ptr<const Scenario> scenario = Scenario::Now();
    PtxText ptx;
    std::string error;
    if (!ParsePtx(static_cast<const char*>(image), &ptx, &error)) return WriteLog("ptxas simulated: " + error, count, options, values), kInvalidPtx;
    if (ptx.version > NewestPtx(scenario->driver_version)) {
      WriteLog("ptxas simulated: unsupported .version " + std::to_string(ptx.version / 10) + "." + std::to_string(ptx.version % 10), count, options, values);
      return kUnsupportedPtxVersion;
    }
    if (ptx.target > scenario->compute_capability) return kNoBinaryForGpu;
    *module = new ModuleHandle;
    for (auto& [name, parameters] : ptx.entries) (*module)->functions[name].reset(new FunctionHandle{name, parameters});
    simulator.live.insert(*module);
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuModuleUnload(CUmodule module) {
  return Call("cuModuleUnload", [&](Simulator& simulator, ContextHandle&, Lock&) {
    if (simulator.live.erase(module) == 0) return kInvalidHandle;
    for (const auto& [name, function] : module->functions) simulator.live.erase(function.get());
    delete module;
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  return Call("cuModuleGetFunction", [&](Simulator& simulator, ContextHandle&, Lock&) {
    if (!simulator.live.count(module)) return kInvalidHandle;
    const auto found = module->functions.find(name);
    if (found == module->functions.end()) return kNotFound;
    *function = found->second.get();
    simulator.live.insert(*function);
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuFuncSetAttribute(CUfunction function, int, int) {
  return Call("cuFuncSetAttribute", [&](Simulator& simulator, ContextHandle&, Lock&) { return simulator.live.count(function) ? kSuccess : kInvalidHandle; });
}

INFERNODE_CUDA_SIM_API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction function, int, size_t) {
  return Call("cuOccupancyMaxActiveBlocksPerMultiprocessor",
              [&](Simulator& simulator, ContextHandle&, Lock&) { return *blocks = 2, simulator.live.count(function) ? kSuccess : kInvalidHandle; });
}

INFERNODE_CUDA_SIM_API cuLaunchKernel(CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned, CUstream stream,
                                      void** values, void**) {
  return Call("cuLaunchKernel", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    stream = StreamOf(simulator, context, stream);
    if (!simulator.live.count(function) || !simulator.live.count(stream)) return kInvalidHandle;
    const uint64_t threads = uint64_t{bx} * by * bz;
    if (gx == 0 || gy == 0 || gz == 0 || threads == 0) return kInvalidValue;
    if (threads > 1024) return kInvalidValue;
    // Parameters are copied now, by the sizes that the PTX declares; what they point to is looked at later.
    std::vector<uint8_t> parameters(function->parameters.empty() ? 0 : function->parameters.back().offset + function->parameters.back().bytes);
    for (size_t i = 0; i < function->parameters.size(); ++i) std::memcpy(parameters.data() + function->parameters[i].offset, values[i], function->parameters[i].bytes);
    return Issue(simulator, stream, {"launch:" + function->name, [name = function->name, device = context.device, parameters] { return RunKernel(name, device, parameters); }});
  });
}

INFERNODE_CUDA_SIM_API cuGraphGetNodes(CUgraph graph, CUgraphNode* nodes, size_t* count) {
  return Call("cuGraphGetNodes", [&](Simulator& simulator, ContextHandle&, Lock&) {
    if (!simulator.live.count(graph)) return kInvalidHandle;
    // Nodes have no handles here; their number is what is asked for.
    if (nodes) return kNotSupported;
    *count = graph->operations->size();
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuGraphInstantiateWithFlags(CUgraphExec* exec, CUgraph graph, unsigned long long) {
  return Call("cuGraphInstantiateWithFlags", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    if (!simulator.live.count(graph)) return kInvalidHandle;
    if (context.used_bytes + kGraphBytes > Scenario::Now()->memory_bytes) return kOutOfMemory;
    context.used_bytes += kGraphBytes;
    *exec = new GraphExecHandle{&context, graph->operations};
    simulator.live.insert(*exec);
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, GraphExecUpdateResult* info) {
  return Call("cuGraphExecUpdate_v2", [&](Simulator& simulator, ContextHandle&, Lock&) {
    if (!simulator.live.count(exec) || !simulator.live.count(graph)) return kInvalidHandle;
    *info = GraphExecUpdateResult{};
    const auto &now = *exec->operations, &next = *graph->operations;
    bool same = now.size() == next.size();
    for (size_t i = 0; same && i < now.size(); ++i) same = now[i].kind == next[i].kind;
    if (!same) return info->result = 2, kGraphExecUpdateFailure;  // CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED
    exec->operations = graph->operations;
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuGraphUpload(CUgraphExec exec, CUstream stream) {
  return Call("cuGraphUpload", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    return simulator.live.count(exec) ? Issue(simulator, StreamOf(simulator, context, stream), {"upload", [] { return kSuccess; }}) : kInvalidHandle;
  });
}

INFERNODE_CUDA_SIM_API cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  return Call("cuGraphLaunch", [&](Simulator& simulator, ContextHandle& context, Lock&) {
    stream = StreamOf(simulator, context, stream);
    if (!simulator.live.count(exec)) return kInvalidHandle;
    if (simulator.live.count(stream) && stream->capture) return stream->capture->invalidated = true, kStreamCaptureUnsupported;
    return Issue(simulator, stream, {"graph", [operations = exec->operations] {
                                       for (const Operation& operation : *operations)
                                         if (const Result result = operation.run(); result != kSuccess) return result;
                                       return kSuccess;
                                     }});
  });
}

INFERNODE_CUDA_SIM_API cuGraphExecDestroy(CUgraphExec exec) {
  return Call("cuGraphExecDestroy", [&](Simulator& simulator, ContextHandle&, Lock&) {
    if (simulator.live.erase(exec) == 0) return kInvalidHandle;
    exec->context->used_bytes -= kGraphBytes;
    delete exec;
    return kSuccess;
  });
}

INFERNODE_CUDA_SIM_API cuGraphDestroy(CUgraph graph) {
  return Call("cuGraphDestroy", [&](Simulator& simulator, ContextHandle&, Lock&) {
    if (simulator.live.erase(graph) == 0) return kInvalidHandle;
    delete graph;
    return kSuccess;
  });
}
