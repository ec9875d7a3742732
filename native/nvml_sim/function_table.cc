#include "nvml_sim/function_table.h"

#include <unordered_map>

// The table as text inside the library file: whoever copies the library for an older driver reads there which names that
// driver lacks (src/sim/gpu-library.ts), without loading it.
extern "C" __attribute__((visibility("default"), used)) const char infernodeNvmlSimFunctions[] =
    "INFERNODE-NVML-SIM-FUNCTIONS 1\n"
#define X(name, since) #name " " #since "\n"
#include "nvml_sim/functions.inc"
#undef X
    "END\n";

namespace infernode::nvml_sim {

namespace {

constexpr u32 kSince[] = {
#define X(name, since) since,
#include "nvml_sim/functions.inc"
#undef X
};

using FunctionsByName = std::unordered_map<std::string_view, Function>;

/// The names come from the text, not from a second set of strings, because a copy for an older driver renames symbols and
/// must not rename what a scenario calls them.
const FunctionsByName* ReadTable() {
  auto* by_name = new FunctionsByName;
  std::string_view rest = infernodeNvmlSimFunctions;
  rest.remove_prefix(rest.find('\n') + 1);
  for (size_t i = 0; i < kFunctionCount; i++) {
    by_name->emplace(rest.substr(0, rest.find(' ')), static_cast<Function>(i));
    rest.remove_prefix(rest.find('\n') + 1);
  }
  return by_name;
}

}  // namespace

Function FindFunction(std::string_view name) {
  static const FunctionsByName* const by_name = ReadTable();
  const auto found = by_name->find(name);
  return found == by_name->end() ? Function::kCount : found->second;
}

u32 SinceOf(Function function) { return kSince[static_cast<size_t>(function)]; }

}  // namespace infernode::nvml_sim
