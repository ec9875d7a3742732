// Field values: many numbers in one call. A table says what each id shows; a scenario may set any id to anything.
#include <time.h>

#include <algorithm>
#include <optional>

#include "nvml_sim/call_gate.h"

using namespace infernode::nvml_sim;

namespace {

constexpr u32 kAllLinks = UINT32_MAX;
constexpr u32 kForEver = UINT32_MAX;
/// NVML's mark for "no error seen" in a bit-error rate: mantissa 15, exponent 255.
constexpr double kNoBitErrors = 0xFFF;

using Read = Reading (*)(const DeviceScenario& device, u32 scope);

struct Field {
  u32 id;
  /// First and last API version that knows the id under this meaning.
  u32 since, until;
  ValueType type;
  Read read;
};

template <Key key, int scale = 1>
Reading Setting(const DeviceScenario& device, u32) {
  const Reading reading = device.Number(key);
  return reading && *reading != -1 ? Reading(*reading * scale) : reading;
}

/// Of the link that the scope names.
template <LinkKey key>
Reading OfLink(const DeviceScenario& device, u32 scope) {
  return scope < device.LinkCount() ? device.Link(scope, key) : Reading{};
}

template <LinkKey key>
Reading OfAllLinks(const DeviceScenario& device, u32) {
  Reading sum;
  for (u32 link = 0; link < device.LinkCount(); link++)
    if (const Reading own = device.Link(link, key)) sum = sum.value_or(0) + *own;
  return sum;
}

Reading CrcOfLink(const DeviceScenario& device, u32 scope) {
  const Reading flit = OfLink<LinkKey::crcFlitErrors>(device, scope), data = OfLink<LinkKey::crcDataErrors>(device, scope);
  return flit && data ? Reading(*flit + *data) : Reading{};
}

Reading LinkCount(const DeviceScenario& device, u32) {
  return device.LinkCount() > 0 ? Reading(device.LinkCount()) : Reading{};
}

Reading SwitchedLinks(const DeviceScenario& device, u32 scope) { return LinkCount(device, scope); }

Reading Traffic(const DeviceScenario& device, u32 scope) {
  return device.LinkCount() > 0 && (scope == kAllLinks || scope < device.LinkCount()) ? Reading(0) : Reading{};
}

/// Error counters of NVLink 5; Blackwell and newer only.
Reading Nvlink5(const DeviceScenario& device, u32 scope) {
  return device.profile->architecture >= kBlackwell && scope < device.LinkCount() ? Reading(0) : Reading{};
}

Reading Nvlink5Ber(const DeviceScenario& device, u32 scope) {
  return Nvlink5(device, scope) ? Reading(kNoBitErrors) : Reading{};
}

/// Thresholds as distances from the highest operating temperature, as Ada and newer parts tell them.
template <Key key>
Reading Relative(const DeviceScenario& device, u32) {
  const Reading limit = device.Number(key), base = device.Number(Key::gpuMaxCelsius);
  return device.profile->architecture >= kAda && limit && base ? Reading(*base - *limit) : Reading{};
}

Reading MemoryRelative(const DeviceScenario& device, u32 scope) {
  return device.Number(Key::memoryMaxCelsius) ? Relative<Key::gpuMaxCelsius>(device, scope) : Reading{};
}

Reading Zero(const DeviceScenario&, u32) { return 0; }

template <Key key>
Reading OfC2cLink(const DeviceScenario& device, u32 scope) {
  return device.Number(Key::c2cLinkCount).value_or(0) > scope ? device.Number(key) : Reading{};
}

// clang-format off
constexpr Field kFields[] = {
    { 38,     0, kForEver, kUnsignedLongLong, OfAllLinks<LinkKey::crcFlitErrors>},
    { 45,     0, kForEver, kUnsignedLongLong, OfAllLinks<LinkKey::crcDataErrors>},
    { 52,     0, kForEver, kUnsignedLongLong, OfAllLinks<LinkKey::replayErrors>},
    { 59,     0, kForEver, kUnsignedLongLong, OfAllLinks<LinkKey::recoveryErrors>},
    { 74,     0, kForEver, kUnsignedLongLong, Setting<Key::violationPowerNs>},
    { 75,     0, kForEver, kUnsignedLongLong, Setting<Key::violationThermalNs>},
    { 76,     0, kForEver, kUnsignedLongLong, Setting<Key::violationSyncBoostNs>},
    { 77,     0, kForEver, kUnsignedLongLong, Setting<Key::violationBoardLimitNs>},
    { 79,     0, kForEver, kUnsignedLongLong, Setting<Key::violationReliabilityNs>},
    { 82,     0, kForEver, kUnsignedInt,      Setting<Key::memoryTemperatureCelsius>},
    { 83,     0, kForEver, kUnsignedLongLong, Setting<Key::energyJoules, 1000>},
    { 90,     0, kForEver, kUnsignedInt,      OfLink<LinkKey::speedMbps>},
    { 91,     0, kForEver, kUnsignedInt,      LinkCount},
    { 92,     0, kForEver, kUnsignedInt,      Setting<Key::retiredPagesPending>},
    { 93,     0, kForEver, kUnsignedInt,      Setting<Key::retiredPagesPending>},
    { 94,     0, kForEver, kUnsignedInt,      Setting<Key::pcieReplayCounter>},
    { 95,     0, kForEver, kUnsignedInt,      Setting<Key::pcieReplayRollovers>},
    {138,     0, kForEver, kUnsignedLongLong, Traffic},
    {139,     0, kForEver, kUnsignedLongLong, Traffic},
    {142,     0, kForEver, kUnsignedInt,      Setting<Key::remappedRowsCorrectable>},
    {143,     0, kForEver, kUnsignedInt,      Setting<Key::remappedRowsUncorrectable>},
    {144,     0, kForEver, kUnsignedInt,      Setting<Key::rowRemapPending>},
    {145,     0, kForEver, kUnsignedInt,      Setting<Key::rowRemapFailure>},
    {147,     0, kForEver, kUnsignedInt,      SwitchedLinks},
    {160, 11040, kForEver, kUnsignedLongLong, OfAllLinks<LinkKey::eccDataErrors>},
    {161, 11080, kForEver, kUnsignedLongLong, OfLink<LinkKey::replayErrors>},
    {162, 11080, kForEver, kUnsignedLongLong, OfLink<LinkKey::recoveryErrors>},
    {163, 11080, kForEver, kUnsignedLongLong, CrcOfLink},
    {164, 11080, kForEver, kUnsignedInt,      OfLink<LinkKey::speedMbps>},
    {165, 11080, kForEver, kUnsignedInt,      OfLink<LinkKey::active>},
    {166, 11080, kForEver, kUnsignedInt,      OfLink<LinkKey::version>},
    {169, 12000, kForEver, kUnsignedInt,      Setting<Key::pcieRecoveryCounter>},
    {170, 12020, kForEver, kUnsignedInt,      Setting<Key::c2cLinkCount>},
    {171, 12020, kForEver, kUnsignedInt,      OfC2cLink<Key::c2cLinkActive>},
    {173, 12020, kForEver, kUnsignedInt,      Setting<Key::pcieCorrectableErrors>},
    {174, 12020, kForEver, kUnsignedInt,      Zero},
    {175, 12020, kForEver, kUnsignedInt,      Zero},
    {176, 12020, kForEver, kUnsignedInt,      Zero},
    {177, 12020, kForEver, kUnsignedInt,      Zero},
    {178, 12020, kForEver, kUnsignedInt,      Zero},
    {179, 12020, kForEver, kUnsignedInt,      Setting<Key::pcieNonFatalErrors>},
    {180, 12020, kForEver, kUnsignedInt,      Setting<Key::pcieFatalErrors>},
    {182, 12020, kForEver, kUnsignedInt,      Zero},
    {183, 12020, kForEver, kUnsignedInt,      Zero},
    {185, 12020, kForEver, kUnsignedInt,      Setting<Key::powerWatts, 1000>},
    {186, 12020, kForEver, kUnsignedInt,      Setting<Key::powerWatts, 1000>},
    {189, 12020, kForEver, kUnsignedInt,      Setting<Key::powerLimitDefaultWatts, 1000>},
    {190, 12020, kForEver, kUnsignedInt,      Setting<Key::powerLimitWatts, 1000>},
    {192, 12020, kForEver, kUnsignedInt,      Setting<Key::powerLimitRequestedWatts, 1000>},
    {193, 12020, kForEver, kSignedInt,        Relative<Key::shutdownCelsius>},
    {194, 12020, kForEver, kSignedInt,        Relative<Key::slowdownCelsius>},
    {195, 12020, kForEver, kSignedInt,        MemoryRelative},
    {196, 12020, kForEver, kSignedInt,        Relative<Key::gpuMaxCelsius>},
    {197, 12050, kForEver, kUnsignedLongLong, Setting<Key::pcieTxBytes>},
    {198, 12050, kForEver, kUnsignedLongLong, Setting<Key::pcieRxBytes>},
    {206, 12060, kForEver, kUnsignedLongLong, Nvlink5},
    {207, 12060, kForEver, kUnsignedLongLong, Nvlink5},
    {208, 12060, kForEver, kUnsignedLongLong, Nvlink5},
    {209, 12060, kForEver, kUnsignedLongLong, Nvlink5},
    {210, 12060, kForEver, kUnsignedLongLong, Nvlink5},
    {211, 12060, kForEver, kUnsignedLongLong, Nvlink5},
    {212, 12060, kForEver, kUnsignedLongLong, Nvlink5},
    {213, 12060, kForEver, kUnsignedLongLong, Nvlink5},
    {214, 12060, kForEver, kUnsignedLongLong, Nvlink5},
    {215, 12060, kForEver, kUnsignedLongLong, Nvlink5},
    {219, 12060, kForEver, kUnsignedLongLong, Nvlink5},
    {220, 12060, kForEver, kUnsignedLongLong, Nvlink5Ber},
    {221, 12060, kForEver, kUnsignedLongLong, Nvlink5},
    {222, 12060, kForEver, kUnsignedLongLong, Nvlink5Ber},
    {230, 12080, kForEver, kUnsignedInt,      Setting<Key::recoveryAction>},
    {231, 12090, kForEver, kUnsignedInt,      OfC2cLink<Key::c2cErrors>},
    {232, 12090, kForEver, kUnsignedInt,      OfC2cLink<Key::c2cReplays>},
    // The same three counters under other ids on R575 and R580.
    {251, 12090, 13000,    kUnsignedLongLong, Setting<Key::throttleSwThermalNs>},
    {252, 12090, 13000,    kUnsignedLongLong, Setting<Key::throttleHwThermalNs>},
    {253, 12090, 13000,    kUnsignedLongLong, Setting<Key::throttlePowerBrakeNs>},
    {269, 13010, kForEver, kUnsignedLongLong, Setting<Key::throttleSwThermalNs>},
    {270, 13010, kForEver, kUnsignedLongLong, Setting<Key::throttleHwThermalNs>},
    {271, 13010, kForEver, kUnsignedLongLong, Setting<Key::throttlePowerBrakeNs>},
    {301, 13020, kForEver, kUnsignedInt,      Zero},
    {302, 13020, kForEver, kUnsignedInt,      Zero},
};
// clang-format on

const Field* FindField(u32 id, u32 api_version) {
  const auto matches = [&](const Field& f) { return f.id == id && f.since <= api_version && api_version <= f.until; };
  const auto* found = std::find_if(std::begin(kFields), std::end(kFields), matches);
  return found == std::end(kFields) ? nullptr : found;
}

void SetValue(ValueType type, double number, FieldValue* field) {
  field->value = Value{};
  field->valueType = type;
  field->nvmlReturn = kSuccess;
  if (type == kDouble) field->value.dVal = number;
  else if (type == kUnsignedInt) field->value.uiVal = ToAnswer<u32>(number);
  else if (type == kSignedInt) field->value.siVal = ToAnswer<i32>(number);
  else if (type == kSignedLongLong) field->value.sllVal = ToAnswer<i64>(number);
  else field->value.ullVal = ToAnswer<u64>(number);
}

void ReadField(const Call& call, FieldValue* field) {
  const Field* known = FindField(field->fieldId, call.scenario().api_version);
  const auto& set = call.device().fields;
  auto found = set.find({field->fieldId, field->scopeId});
  // Without a scope of its own a value holds for every link or lane.
  if (found == set.end()) found = set.find({field->fieldId, 0});
  if (found != set.end()) {
    if (!found->second) field->nvmlReturn = kNotSupported;
    else SetValue(known ? known->type : *found->second < 0 ? kSignedLongLong : kUnsignedLongLong, *found->second, field);
    return;
  }
  // An id that this driver has never heard of is an invalid argument; a part that lacks the reading is not supported.
  if (!known) {
    field->nvmlReturn = kInvalidArgument;
    return;
  }
  const Reading reading = known->read(call.device(), field->scopeId);
  if (reading) SetValue(known->type, *reading, field);
  else field->nvmlReturn = kNotSupported;
}

i64 WallUs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000LL + now.tv_nsec / 1000;
}

}  // namespace

NVML_SIM_EXPORT Return nvmlDeviceGetFieldValues(Handle device, int count, FieldValue* values) {
  OPEN_DEVICE(nvmlDeviceGetFieldValues, device);
  if (count < 1 || !values) return kInvalidArgument;
  for (int i = 0; i < count; i++) {
    const i64 start = WallUs();
    ReadField(call, &values[i]);
    values[i].timestamp = WallUs();
    values[i].latencyUsec = std::max<i64>(0, values[i].timestamp - start);
  }
  return kSuccess;
}
