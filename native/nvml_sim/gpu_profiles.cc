#include "nvml_sim/gpu_profiles.h"

#include <iterator>

namespace infernode::nvml_sim {

namespace {

// clang-format off
constexpr GpuProfile kProfiles[] = {
    // id, name, memory/reserved/bar1 MiB, architecture, compute capability,
    //   power default/min/max/idle W, idle/max/slowdown/shutdown °C, memory idle/max °C, idle/max SM and memory MHz,
    //   PCIe generation/width, NVLinks/version/MB per s, MIG devices/fans/SMs, PCI ids, part number, VBIOS
    {"T4-16", "Tesla T4", 15360, 450, 256, kTuring, 7, 5,
     70, 60, 70, 10, 32, 85, 93, 96, 0, 0, 300, 1590, 5001,
     3, 16, 0, 0, 0, 0, 0, 40, 0x1EB810DE, 0x12A210DE, "900-2G183-0000-001", "90.04.96.00.9F"},
    {"A10-24", "NVIDIA A10", 23028, 512, 32768, kAmpere, 8, 6,
     150, 100, 150, 16, 31, 88, 95, 98, 0, 0, 210, 1695, 6251,
     4, 16, 0, 0, 0, 0, 0, 72, 0x223610DE, 0x148210DE, "900-2G133-0000-000", "94.02.75.00.04"},
    {"L4", "NVIDIA L4", 23034, 433, 32768, kAda, 8, 9,
     72, 40, 72, 12, 33, 86, 92, 95, 0, 0, 210, 2040, 6251,
     4, 16, 0, 0, 0, 0, 0, 58, 0x27B810DE, 0x16CA10DE, "900-2G193-0000-000", "95.04.29.00.06"},
    {"L40S", "NVIDIA L40S", 46068, 597, 65536, kAda, 8, 9,
     350, 100, 350, 33, 30, 88, 93, 96, 0, 0, 210, 2520, 9001,
     4, 16, 0, 0, 0, 0, 0, 142, 0x26B910DE, 0x185110DE, "900-2G133-0080-000", "95.02.66.00.02"},
    {"A100-40", "NVIDIA A100-SXM4-40GB", 40960, 550, 65536, kAmpere, 8, 0,
     400, 100, 400, 52, 30, 85, 89, 92, 33, 95, 210, 1410, 1215,
     4, 16, 12, 4, 25000, 7, 0, 108, 0x20B010DE, 0x134F10DE, "692-2G506-0200-002", "92.00.45.00.03"},
    {"A100-80", "NVIDIA A100-SXM4-80GB", 81920, 608, 131072, kAmpere, 8, 0,
     400, 100, 400, 60, 31, 85, 89, 92, 36, 95, 210, 1410, 1593,
     4, 16, 12, 4, 25000, 7, 0, 108, 0x20B210DE, 0x146310DE, "692-2G506-0210-002", "92.00.45.00.05"},
    {"H100-80", "NVIDIA H100 80GB HBM3", 81559, 551, 131072, kHopper, 9, 0,
     700, 200, 700, 70, 29, 87, 92, 95, 39, 95, 345, 1980, 2619,
     5, 16, 18, 6, 26562, 7, 0, 132, 0x233010DE, 0x16C110DE, "692-2G520-0200-000", "96.00.74.00.01"},
    {"H200-141", "NVIDIA H200", 143771, 602, 262144, kHopper, 9, 0,
     700, 200, 700, 76, 29, 87, 92, 95, 38, 95, 345, 1980, 3201,
     5, 16, 18, 6, 26562, 7, 0, 132, 0x233510DE, 0x18BE10DE, "692-2G520-0280-000", "96.00.A5.00.01"},
    {"B200-180", "NVIDIA B200", 183359, 744, 262144, kBlackwell, 10, 0,
     1000, 200, 1000, 140, 31, 87, 92, 95, 38, 95, 120, 1965, 3996,
     5, 16, 18, 7, 53125, 7, 0, 148, 0x290110DE, 0x199910DE, "692-2G525-0220-000", "97.00.61.00.02"},
};

constexpr DriverBranch kBranches[] = {
    {470, 11040, 11040}, {510, 11060, 11060}, {520, 11080, 11080}, {525, 12000, 12000}, {535, 12020, 12020},
    {545, 12030, 12030}, {550, 12040, 12040}, {555, 12050, 12050}, {560, 12060, 12060}, {570, 12080, 12080},
    {575, 12090, 12090}, {580, 13000, 13000}, {590, 13010, 13010}, {595, 13020, 13020}, {600, 13030, 13030},
};
// clang-format on

}  // namespace

const GpuProfile* FindGpuProfile(std::string_view id) {
  for (const GpuProfile& profile : kProfiles)
    if (id == profile.id) return &profile;
  return nullptr;
}

const DriverBranch& FindDriverBranch(u32 branch) {
  size_t newest = 0;
  for (size_t i = 0; i < std::size(kBranches); i++)
    if (kBranches[i].branch <= branch) newest = i;
  return kBranches[newest];
}

}  // namespace infernode::nvml_sim
