// One simulated device: its profile and what the scenario sets differently. Everything is read through Number(), Text() and
// Link(), so that a setting means the same in every function and field that shows it.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nvml_sim/gpu_profiles.h"
#include "nvml_sim/nvml_types.h"

namespace infernode::nvml_sim {

enum class Key : u32 {
#define X(name, otherwise) name,
#include "nvml_sim/settings.inc"
#undef X
  kCount
};
constexpr size_t kKeyCount = static_cast<size_t>(Key::kCount);

enum class LinkKey : u32 {
#define X(name, otherwise) name,
#include "nvml_sim/link_settings.inc"
#undef X
  kCount
};
constexpr size_t kLinkKeyCount = static_cast<size_t>(LinkKey::kCount);

extern const char* const kKeyNames[kKeyCount];
extern const char* const kLinkKeyNames[kLinkKeyCount];

/// NVML's own limit of NVLinks per device.
constexpr u32 kMaxLinks = 36;
constexpr u32 kMaxMigDevices = 8;

/// A number that the part has, or nothing.
using Reading = std::optional<double>;
/// Not set at all, set to null (a Reading without a value), or set to a number.
using Override = std::optional<Reading>;

enum class TextKey : u32 { name, serial, vbiosVersion, inforomVersion, boardPartNumber, gspFirmwareVersion, kCount };
extern const char* const kTextKeyNames[static_cast<size_t>(TextKey::kCount)];

struct MigInstance {
  std::string uuid;
  u32 gpuInstanceId = 0, computeInstanceId = 0;
  u64 memoryBytes = 0;
  u32 slices = 1;
};

struct DeviceScenario {
  /// Place in the scenario's list, which never changes; the NVML index does when a device before this one vanishes.
  u32 position = 0;
  const GpuProfile* profile = nullptr;
  std::string uuid, pciBusId;
  u32 pciDomain = 0, pciBus = 0, pciDevice = 0;
  /// Every call answers GPU_IS_LOST.
  bool lost = false;
  /// Lost, and the driver no longer counts it.
  bool vanished = false;

  std::array<Override, kKeyCount> settings{};
  /// Growth per second, for counters; it counts from `rates_since_ms` (wall clock, ms).
  std::array<double, kKeyCount> rates{};
  double rates_since_ms = 0;
  std::map<TextKey, std::optional<std::string>> texts;
  std::map<u32, std::array<Override, kLinkKeyCount>> links;
  /// Field id and scope; values that outrank the built-in ones.
  std::map<std::pair<u32, u32>, Reading> fields;
  /// nvmlGpuP2PStatus_t towards the device at that position.
  std::map<u32, u32> p2p;
  std::vector<MigInstance> mig;

  Reading Number(Key key) const;
  Reading Link(u32 link, LinkKey key) const;
  std::optional<std::string> Text(TextKey key) const;
  /// Links on the part; those behind it do not exist.
  u32 LinkCount() const;
  bool MigEnabled() const { return Number(Key::migMode).value_or(0) != 0; }
};

}  // namespace infernode::nvml_sim
