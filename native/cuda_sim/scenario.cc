#include "cuda_sim/scenario.h"

#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

namespace infernode::cuda_sim {
namespace {

struct ResultName {
  cuda::Result code;
  const char* name;
};
constexpr ResultName kResults[] = {
#define X(number, name) {number, #name},
#include "cuda/result_names.inc"
#undef X
};

bool ReadResult(const std::string& name, cuda::Result* result) {
  for (const ResultName& r : kResults)
    if (name == r.name) return *result = r.code, true;
  return false;
}

/// `where [CUDA_ERROR_...] [after N] [device D]`
bool ReadFault(Fault::Kind kind, std::istringstream& words, Scenario* scenario) {
  auto fault = std::make_unique<Fault>();
  fault->kind = kind;
  std::string word;
  if (!(words >> fault->where)) return false;
  if (kind == Fault::Kind::kFail && (!(words >> word) || !ReadResult(word, &fault->result))) return false;
  while (words >> word)
    if ((word != "after" || !(words >> fault->after)) && (word != "device" || !(words >> fault->device))) return false;
  scenario->faults.push_back(std::move(fault));
  return true;
}

bool ReadLine(const std::string& line, Scenario* s) {
  std::istringstream words(line);
  std::string word;
  if (!(words >> word) || word[0] == '#') return true;
  if (word == "driver") return bool(words >> s->driver_version);
  if (word == "devices") return bool(words >> s->devices);
  if (word == "compute") return bool(words >> s->compute_capability);
  if (word == "memory") return bool(words >> s->memory_bytes);
  if (word == "uuid") return bool(words >> word) && (s->uuids.push_back(word), true);
  if (word == "fail") return ReadFault(Fault::Kind::kFail, words, s);
  if (word == "hang") return ReadFault(Fault::Kind::kHang, words, s);
  if (word == "corrupt") return ReadFault(Fault::Kind::kCorrupt, words, s);
  return false;
}

std::shared_ptr<const Scenario> Read(const char* path) {
  auto scenario = std::make_shared<Scenario>();
  std::ifstream file(path);
  if (!file) std::fprintf(stderr, "cuda_sim: cannot read %s\n", path);
  std::string line;
  while (std::getline(file, line))
    if (!ReadLine(line, scenario.get())) std::fprintf(stderr, "cuda_sim: %s: cannot read \"%s\"\n", path, line.c_str());
  return scenario;
}

}  // namespace

std::shared_ptr<const Scenario> Scenario::Now() {
  // Never destroyed: worker threads may look while the process ends.
  static auto& mutex = *new std::mutex;
  static auto& current = *new std::shared_ptr<const Scenario>(std::make_shared<Scenario>());
  static struct stat known {};
  const char* path = std::getenv("INFERNODE_CUDA_SIM");
  const std::lock_guard<std::mutex> lock(mutex);
  struct stat now {};
  if (!path || stat(path, &now) != 0) return current;
  if (now.st_ino != known.st_ino || now.st_size != known.st_size || now.st_mtim.tv_sec != known.st_mtim.tv_sec || now.st_mtim.tv_nsec != known.st_mtim.tv_nsec) {
    known = now;
    current = Read(path);
  }
  return current;
}

const Fault* Scenario::Find(Fault::Kind kind, const std::string& where, int device) const {
  for (const auto& fault : faults)
    if (fault->kind == kind && fault->where == where && (fault->device < 0 || fault->device == device) && fault->seen++ >= fault->after) return fault.get();
  return nullptr;
}

cuda::Result Suffer(const std::string& where, int device) {
  while (Scenario::Now()->Find(Fault::Kind::kHang, where, device)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  const std::shared_ptr<const Scenario> scenario = Scenario::Now();
  const Fault* fault = scenario->Find(Fault::Kind::kFail, where, device);
  return fault ? fault->result : cuda::kSuccess;
}

}  // namespace infernode::cuda_sim
