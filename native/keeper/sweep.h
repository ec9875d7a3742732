// Ends what is left of an engine whose own keeper was killed. Run as a short process by the agent, so that also here only
// keepers ever signal engines.
#pragma once
#include "keeper/options.h"

namespace keeper {

/// Prints one JSON line: `{"ok":true,"killed":[...],"remaining":[...]}`. Bounded to a few seconds.
void Sweep(const Options& options);

/// The variable that every process of an engine inherits; its value is the run directory.
std::string RunMark(const std::string& directory);

}  // namespace keeper
