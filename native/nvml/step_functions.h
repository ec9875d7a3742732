// The functions behind the table of steps (read_steps.cc). Each fills its columns and gives back what the driver answered.
#pragma once

#include <cmath>
#include <cstdint>

#include "nvml/call_slot.h"
#include "nvml/read_steps.h"
#include "nvml/symbols.h"

#define CALL(c, name, ...) INFERNODE_NVML((c).nvml, (c).slot, (c).index, name, (c).device, ##__VA_ARGS__)

namespace infernode::nvml {

/// All ones is "not available" in every 32-bit answer of NVML.
inline double Number(uint32_t value) { return value == UINT32_MAX ? std::nan("") : value; }

// Steps that read what a device does now.
Return ReadTemperature(const ReadContext& c);
Return ReadMargin(const ReadContext& c);
Return ReadPower(const ReadContext& c);
Return ReadPowerLimit(const ReadContext& c);
Return ReadUtilization(const ReadContext& c);
Return ReadThrottleReasons(const ReadContext& c);
Return ReadFans(const ReadContext& c);
Return ReadDefaultPowerLimit(const ReadContext& c);
Return ReadEnergy(const ReadContext& c);
Return ReadMaxClock(const ReadContext& c);
Return ReadPerformanceState(const ReadContext& c);
Return ReadClockMonitor(const ReadContext& c);
Return ReadSlowdownCelsius(const ReadContext& c);
Return ReadGpuMaxCelsius(const ReadContext& c);
Return ReadMemoryMaxCelsius(const ReadContext& c);
Return ReadViolationPower(const ReadContext& c);
Return ReadViolationThermal(const ReadContext& c);
Return ReadSmClock(const ReadContext& c);
Return ReadMemoryClock(const ReadContext& c);

// Steps about memory and what is wrong with it.
Return ReadMemory(const ReadContext& c);
Return ReadRemappedRows(const ReadContext& c);
Return ReadBar1(const ReadContext& c);
Return ReadEccMode(const ReadContext& c);
Return ReadSram(const ReadContext& c);
Return ReadRemapBanks(const ReadContext& c);
Return ReadRepair(const ReadContext& c);
Return ReadUnrepairable(const ReadContext& c);
Return ReadRetiredPending(const ReadContext& c);
Return ReadCorrectedAggregate(const ReadContext& c);
Return ReadUncorrectedAggregate(const ReadContext& c);
Return ReadRetiredSingle(const ReadContext& c);
Return ReadRetiredDouble(const ReadContext& c);
Return ReadEccUncorrected(const ReadContext& c);
Return ReadEccCorrected(const ReadContext& c);

// Steps about the board and how it is set up.
Return ReadPcieGeneration(const ReadContext& c);
Return ReadPcieWidth(const ReadContext& c);
Return ReadInforom(const ReadContext& c);
Return ReadPcieGenerationMax(const ReadContext& c);
Return ReadPcieWidthMax(const ReadContext& c);
Return ReadFabric(const ReadContext& c);
Return ReadPersistence(const ReadContext& c);
Return ReadComputeMode(const ReadContext& c);
Return ReadVirtualization(const ReadContext& c);
Return ReadMigMode(const ReadContext& c);
Return ReadEventTypes(const ReadContext& c);
Return ReadModuleId(const ReadContext& c);
Return ReadC2c(const ReadContext& c);

}  // namespace infernode::nvml
