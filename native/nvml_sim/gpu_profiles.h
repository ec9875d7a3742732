// What the simulated parts are like when nothing is wrong with them: GPU models and driver generations as data.
#pragma once

#include <string_view>

#include "nvml_sim/nvml_types.h"

namespace infernode::nvml_sim {

enum Architecture : u32 { kTuring = 6, kAmpere = 7, kAda = 8, kHopper = 9, kBlackwell = 10 };

/// Name, memory, architecture and compute capability equal src/domain/gpu-profiles.ts (a test compares them). Power, clocks
/// and links are those of the data sheets; temperatures are plausible, they differ between boards of one model.
struct GpuProfile {
  const char* id;
  const char* name;
  u32 memoryMib, reservedMib, bar1Mib;
  Architecture architecture;
  u32 computeMajor, computeMinor;
  u32 powerDefaultWatts, powerMinWatts, powerMaxWatts, idleWatts;
  u32 idleCelsius, gpuMaxCelsius, slowdownCelsius, shutdownCelsius;
  /// 0: the part does not report its memory temperature.
  u32 idleMemoryCelsius, memoryMaxCelsius;
  u32 idleSmMhz, maxSmMhz, memoryMhz;
  u32 pcieGeneration, pcieWidth;
  u32 nvlinkCount, nvlinkVersion, nvlinkMbps;
  u32 maxMigDevices, fans, multiprocessors;
  u32 pciDeviceId, pciSubsystemId;
  const char* partNumber;
  const char* vbios;
};

/// The profile of that id, or null.
const GpuProfile* FindGpuProfile(std::string_view id);

/// A driver generation. `nvmlVersion` is the API's, in thousands (13.1 is 13010), which is what "since" counts in.
struct DriverBranch {
  u32 branch;
  u32 apiVersion;
  int cudaVersion;
};

/// The newest known branch that is not above `branch`; the oldest when there is none.
const DriverBranch& FindDriverBranch(u32 branch);

}  // namespace infernode::nvml_sim
