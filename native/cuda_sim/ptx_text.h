// As much of PTX as a driver looks at before it runs anything: version, target, and each entry's parameters.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace infernode::cuda_sim {

struct PtxParameter {
  size_t offset, bytes;
};

struct PtxText {
  int version = 0;  ///< 74 for `.version 7.4`
  int target = 0;   ///< 80 for `.target sm_80`
  std::map<std::string, std::vector<PtxParameter>> entries;
};

/// False with a sentence in `error` for what is no PTX.
bool ParsePtx(const std::string& text, PtxText* ptx, std::string* error);

/// The newest PTX that a driver of this CUDA version compiles: 82 for 12020.
int NewestPtx(int cuda_version);

}  // namespace infernode::cuda_sim
