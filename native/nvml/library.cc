#include "nvml/library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

namespace infernode::nvml {

namespace {

enum Need { kRequired, kOptional };

std::string Failed(Call call, Return code) { return std::string(CallName(call)) + " answered " + ReturnName(code); }

/// A file that is not there is another answer than one that cannot be loaded, such as one with a missing dependency.
DriverState StateOfOpenError(const std::string& path, const std::string& error) {
  if (path.find('/') != std::string::npos)
    return access(path.c_str(), F_OK) == 0 ? DriverState::kLibraryUnusable : DriverState::kLibraryAbsent;
  const std::string absent = path + ": cannot open shared object file: No such file";
  return error.compare(0, absent.size(), absent) == 0 ? DriverState::kLibraryAbsent : DriverState::kLibraryUnusable;
}

}  // namespace

int DriverStatus::DriverBranch() const { return std::atoi(driver_version.c_str()); }

std::unique_ptr<Library> Library::Open(const std::string& path, CallSlot& slot, DriverStatus* status) {
  *status = DriverStatus{};
  void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module) {
    const char* error = dlerror();
    status->reason = error ? error : "dlopen failed without a reason";
    status->state = StateOfOpenError(path, status->reason);
    return nullptr;
  }
  std::unique_ptr<Library> library(new Library(module, slot));
  std::string missing;
  if (!library->Resolve(&missing)) {
    status->state = DriverState::kLibraryUnusable;
    status->reason = path + " lacks " + missing;
    return nullptr;
  }
  const Return result = INFERNODE_NVML(library->symbols_, slot, -1, nvmlInit_v2);
  if (result != kSuccess) {
    status->state = result == kGpuNotFound ? DriverState::kNoDevice : DriverState::kInitFailed;
    status->reason = Failed(Call::nvmlInit_v2, result);
    return nullptr;
  }
  library->initialized_ = true;
  library->ReadVersions(status);
  const Return counted = library->CountDevices(slot, &status->device_count);
  if (counted != kSuccess) {
    status->state = DriverState::kInitFailed;
    status->reason = Failed(Call::nvmlDeviceGetCount_v2, counted);
    return nullptr;
  }
  if (status->device_count == 0) {
    status->state = DriverState::kNoDevice;
    status->reason = "the driver lists no GPU";
    return nullptr;
  }
  status->state = DriverState::kOk;
  return library;
}

Library::~Library() {
  if (initialized_) INFERNODE_NVML(symbols_, slot_, -1, nvmlShutdown);
  dlclose(module_);
}

Return Library::CountDevices(CallSlot& slot, uint32_t* count) const {
  return INFERNODE_NVML(symbols_, slot, -1, nvmlDeviceGetCount_v2, count);
}

bool Library::Resolve(std::string* missing) {
  const auto resolve = [&](const char* name, Need need) {
    void* symbol = dlsym(module_, name);
    if (!symbol && need == kRequired) *missing += (missing->empty() ? "" : ", ") + std::string(name);
    return symbol;
  };
#define X(name, need, args) symbols_.name = reinterpret_cast<Return(*) args>(resolve(#name, need));
  INFERNODE_NVML_SYMBOLS(X)
#undef X
  return missing->empty();
}

void Library::ReadVersions(DriverStatus* status) {
  char text[kVersionBufferSize] = "";
  if (INFERNODE_NVML(symbols_, slot_, -1, nvmlSystemGetDriverVersion, text, kVersionBufferSize) == kSuccess) {
    text[kVersionBufferSize - 1] = '\0';
    status->driver_version = text;
  }
  if (INFERNODE_NVML(symbols_, slot_, -1, nvmlSystemGetNVMLVersion, text, kVersionBufferSize) == kSuccess) {
    text[kVersionBufferSize - 1] = '\0';
    status->nvml_version = text;
  }
}

}  // namespace infernode::nvml
