#include "cuda/driver.h"

#include <dlfcn.h>
#include <unistd.h>

#include <iterator>

namespace infernode::cuda {
namespace {

enum Need { kRequired, kOptional };

struct Branch {
  int cuda_version, branch;
};
/// First Linux driver branch of each CUDA version (CUDA release notes, table "CUDA Toolkit and Corresponding Driver Versions").
constexpr Branch kBranches[] = {{11000, 450}, {11010, 455}, {11020, 460}, {11030, 465}, {11040, 470}, {11050, 495}, {11060, 510},
                                {11070, 515}, {11080, 520}, {12000, 525}, {12010, 530}, {12020, 535}, {12030, 545}, {12040, 550},
                                {12050, 555}, {12060, 560}, {12070, 565}, {12080, 570}, {12090, 575}, {13000, 580}};

/// A file that is not there is another answer than one that cannot be loaded, such as one with a missing dependency.
DriverState StateOfOpenError(const std::string& path, const std::string& error) {
  if (path.find('/') != std::string::npos) return access(path.c_str(), F_OK) == 0 ? DriverState::kLibraryUnusable : DriverState::kLibraryAbsent;
  const std::string absent = path + ": cannot open shared object file: No such file";
  return error.compare(0, absent.size(), absent) == 0 ? DriverState::kLibraryAbsent : DriverState::kLibraryUnusable;
}

std::shared_ptr<Driver> Refuse(DriverStatus* status, DriverState state, std::string reason) {
  status->state = state;
  status->reason = std::move(reason);
  return nullptr;
}

std::string Answered(const char* call, Result result) { return std::string(call) + " answered " + ResultName(result); }

}  // namespace

const char* DriverStateName(DriverState state) {
  static constexpr const char* kNames[] = {"ok", "library-absent", "library-unusable", "no-device", "init-failed", "driver-too-old"};
  return kNames[static_cast<size_t>(state)];
}

int DriverBranchFor(int cuda_version) {
  for (const Branch& b : kBranches)
    if (b.cuda_version >= cuda_version) return b.branch;
  return std::end(kBranches)[-1].branch;
}

std::string DriverNeeded(int v) {
  return "CUDA " + std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10) + " (driver " + std::to_string(DriverBranchFor(v)) + " or newer)";
}

std::shared_ptr<Driver> Driver::Open(const std::string& path, DriverStatus* status) {
  *status = DriverStatus{};
  void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module) {
    const char* error = dlerror();
    const std::string reason = error ? error : "dlopen failed without a reason";
    return Refuse(status, StateOfOpenError(path, reason), reason);
  }
  std::shared_ptr<Driver> driver(new Driver());
  std::string missing;
  const bool complete = driver->Resolve(module, &missing);
  const Symbols& s = driver->symbols_;
  // The version can be asked without cuInit, so that an old driver is told apart from a broken one.
  if (s.cuDriverGetVersion && s.cuDriverGetVersion(&status->version) == kSuccess && status->version < kOldestVersion)
    return Refuse(status, DriverState::kDriverTooOld,
                  "the driver supports CUDA " + std::to_string(status->version / 1000) + "." + std::to_string(status->version % 1000 / 10) + ", needed is " +
                      DriverNeeded(kOldestVersion));
  if (!complete) return Refuse(status, DriverState::kLibraryUnusable, path + " lacks " + missing);
  Result result = s.cuInit(0);
  if (result == kNoDevice) return Refuse(status, DriverState::kNoDevice, Answered("cuInit", result));
  if (result != kSuccess) return Refuse(status, DriverState::kInitFailed, Answered("cuInit", result));
  result = s.cuDeviceGetCount(&status->device_count);
  if (result != kSuccess) return Refuse(status, DriverState::kInitFailed, Answered("cuDeviceGetCount", result));
  if (status->device_count == 0) return Refuse(status, DriverState::kNoDevice, "the driver lists no GPU");
  status->state = DriverState::kOk;
  driver->version_ = status->version;
  return driver;
}

bool Driver::Resolve(void* module, std::string* missing) {
  const auto resolve = [&](const char* name, Need need) {
    void* symbol = dlsym(module, name);
    if (!symbol && need == kRequired) *missing += (missing->empty() ? "" : ", ") + std::string(name);
    return symbol;
  };
#define X(name, need, args) symbols_.name = reinterpret_cast<Result(*) args>(resolve(#name, need));
  INFERNODE_CUDA_SYMBOLS(X)
#undef X
  return missing->empty();
}

}  // namespace infernode::cuda
