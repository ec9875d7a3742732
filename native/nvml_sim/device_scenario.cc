#include "nvml_sim/device_scenario.h"

#include <time.h>

#include <algorithm>

namespace infernode::nvml_sim {

#define X(name, otherwise) #name,
const char* const kKeyNames[kKeyCount] = {
#include "nvml_sim/settings.inc"
};
const char* const kLinkKeyNames[kLinkKeyCount] = {
#include "nvml_sim/link_settings.inc"
};
#undef X
const char* const kTextKeyNames[] = {"name",           "serial",          "vbiosVersion",
                                     "inforomVersion", "boardPartNumber", "gspFirmwareVersion"};

namespace {

constexpr double kMebibyte = 1 << 20;
/// Every two-bit group "good" (2), configuration fine (1 at bit 8), partition assigned (1 at bit 12).
constexpr double kFabricAllGood = 0xAA | 1 << 8 | 1 << 12;

// Bits of nvmlClocksEventReasons.
constexpr u32 kReasonIdle = 0x1, kReasonHwSlowdown = 0x8, kReasonSwThermal = 0x20, kReasonHwThermal = 0x40;

double ClockSeconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double SinceBootSeconds() { return ClockSeconds(CLOCK_BOOTTIME); }

template <typename Condition>
Reading If(Condition condition, Reading value) {
  return condition ? value : Reading{};
}

/// The defaults of one device; its members are the vocabulary of settings.inc and link_settings.inc.
struct Defaults {
  const DeviceScenario& d;
  const GpuProfile& p = *d.profile;

  double Of(Key key) const { return d.Number(key).value_or(0); }

  /// From idle to full with the utilization.
  double Load(double idle, double full) const {
    return idle + (full - idle) * std::clamp(Of(Key::gpuUtilizationRatio), 0.0, 1.0);
  }

  /// A hot device throttles without being told to.
  double ThrottleReasons() const {
    u32 reasons = Of(Key::gpuUtilizationRatio) > 0 ? 0 : kReasonIdle;
    const double celsius = Of(Key::temperatureCelsius);
    if (celsius >= Of(Key::gpuMaxCelsius)) reasons |= kReasonSwThermal;
    if (celsius >= Of(Key::slowdownCelsius)) reasons |= kReasonHwThermal | kReasonHwSlowdown;
    return reasons;
  }

  Reading Number(Key key) const {
    switch (key) {
#define X(name, otherwise) \
  case Key::name:          \
    return otherwise;
#include "nvml_sim/settings.inc"
#undef X
      default:
        return {};
    }
  }

  Reading Link(LinkKey key) const {
    switch (key) {
#define X(name, otherwise) \
  case LinkKey::name:      \
    return otherwise;
#include "nvml_sim/link_settings.inc"
#undef X
      default:
        return {};
    }
  }
};

const char* DefaultText(TextKey key, const GpuProfile& p) {
  switch (key) {
    case TextKey::name:
      return p.name;
    case TextKey::vbiosVersion:
      return p.vbios;
    case TextKey::inforomVersion:
      return p.architecture >= kHopper ? "G520.0200.00.05" : "G506.0210.00.04";
    case TextKey::boardPartNumber:
      return p.partNumber;
    default:
      return nullptr;
  }
}

}  // namespace

Reading DeviceScenario::Number(Key key) const {
  const auto index = static_cast<size_t>(key);
  const Reading base = settings[index] ? *settings[index] : Defaults{*this}.Number(key);
  if (!base || rates[index] == 0) return base;
  return *base + rates[index] * std::max(0.0, ClockSeconds(CLOCK_REALTIME) - rates_since_ms / 1000);
}

Reading DeviceScenario::Link(u32 link, LinkKey key) const {
  const auto found = links.find(link);
  if (found != links.end())
    if (const Override& set = found->second[static_cast<size_t>(key)]) return *set;
  return Defaults{*this}.Link(key);
}

std::optional<std::string> DeviceScenario::Text(TextKey key) const {
  const auto found = texts.find(key);
  if (found != texts.end()) return found->second;
  const char* otherwise = DefaultText(key, *profile);
  return otherwise ? std::optional<std::string>(otherwise) : std::nullopt;
}

u32 DeviceScenario::LinkCount() const {
  return static_cast<u32>(std::clamp(Number(Key::nvlinkCount).value_or(0), 0.0, static_cast<double>(kMaxLinks)));
}

}  // namespace infernode::nvml_sim
