// The way into every simulated function: what a sick, slow, old or absent driver does to a call happens here, before the
// function itself runs. A function opens a call and returns its result at once when it failed:
//
//   OPEN_DEVICE(nvmlDeviceGetPowerUsage, device);
//   return call.Number(Key::powerWatts, milliwatts, 1000);
#pragma once

#include <cmath>
#include <mutex>
#include <string>

#include "nvml_sim/scenario_file.h"

namespace infernode::nvml_sim {

/// Initialisations minus shutdowns, and the generation that handles belong to: they die with the last shutdown.
class LibraryState {
 public:
  static void AddUser();
  /// False when there was none.
  static bool RemoveUser();
  static bool InUse();
  static u32 Generation();
};

struct HandleParts {
  u32 position = 0;
  /// Index of the MIG instance plus one; 0 for the whole device.
  u32 mig = 0;
};
Handle MakeHandle(HandleParts parts);
/// False for what this generation never gave out.
bool ParseHandle(Handle handle, const Scenario& scenario, HandleParts* parts);

/// A number of the scenario as the unsigned type of an answer: -1 is all ones, what does not fit is the nearest that does.
template <typename T>
T ToAnswer(double number) {
  constexpr bool kSigned = static_cast<T>(-1) < static_cast<T>(0);
  if (std::isnan(number)) return 0;
  if (number == -1) return static_cast<T>(-1);
  const double top = std::ldexp(1.0, static_cast<int>(sizeof(T) * 8) - (kSigned ? 1 : 0));
  if (number < (kSigned ? -top : 0)) return kSigned ? static_cast<T>(-top) : 0;
  if (number >= top) return kSigned ? static_cast<T>(static_cast<u64>(top) - 1) : static_cast<T>(-1);
  return static_cast<T>(number);
}

/// A text into a caller's buffer; INSUFFICIENT_SIZE when it does not fit with its zero.
Return CopyText(const std::string& text, char* buffer, u32 length);

class Call {
 public:
  /// A call that belongs to no device.
  explicit Call(Function function);
  /// A call that names its device in another way than by handle, so that rules for that device hold; -1 when it names none.
  Call(Function function, int position);
  /// A call on a device; a MIG handle is refused unless `mig_allowed`.
  Call(Function function, Handle device, bool mig_allowed = false);

  bool failed() const { return result_ != kSuccess; }
  Return result() const { return result_; }
  const Scenario& scenario() const { return *scenario_; }
  const DeviceScenario& device() const { return scenario_->devices[parts_.position]; }
  const HandleParts& parts() const { return parts_; }
  /// The MIG instance of the handle; null for a whole device, and for an instance that is gone.
  const MigInstance* mig() const;

  /// 25 for a version word that this driver and scenario do not take.
  Return CheckVersion(u32 word, u32 expected) const;

  /// A setting times `scale` as the answer; NOT_SUPPORTED where the part has none.
  template <typename T>
  Return Number(Key key, T* out, double scale = 1) const {
    if (!out) return kInvalidArgument;
    const Reading reading = device().Number(key);
    if (!reading) return kNotSupported;
    // The mark for "not available" survives the scale; half a unit is rounded, not cut.
    *out = ToAnswer<T>(*reading == -1 ? -1 : scale == 1 ? *reading : std::floor(*reading * scale + 0.5));
    return kSuccess;
  }

  template <typename T>
  Return LinkNumber(u32 link, LinkKey key, T* out) const {
    if (!out || link >= kMaxLinks) return kInvalidArgument;
    if (device().LinkCount() == 0) return kNotSupported;
    if (link >= device().LinkCount()) return kInvalidArgument;
    const Reading reading = device().Link(link, key);
    if (!reading) return kNotSupported;
    *out = ToAnswer<T>(*reading);
    return kSuccess;
  }

 private:
  Return Enter();
  void ObeyDelays();
  void ObeyHangs();
  Return ObeyReturns();
  u64 DelayUs() const;
  bool Hangs() const;
  bool Ruled() const { return scenario_->ruled[static_cast<size_t>(function_)]; }

  Function function_;
  int position_ = -1;
  ScenarioPtr scenario_;
  HandleParts parts_;
  Return result_ = kSuccess;
  std::unique_lock<std::recursive_mutex> global_lock_;
};

}  // namespace infernode::nvml_sim

#define NVML_SIM_EXPORT extern "C" __attribute__((visibility("default")))
#define OPEN_SYSTEM(name)      \
  Call call(Function::name);   \
  if (call.failed()) return call.result()
#define OPEN_DEVICE(name, device)      \
  Call call(Function::name, device);   \
  if (call.failed()) return call.result()
#define OPEN_DEVICE_OR_MIG(name, device)     \
  Call call(Function::name, device, true);   \
  if (call.failed()) return call.result()
