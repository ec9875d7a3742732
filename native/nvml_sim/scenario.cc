#include "nvml_sim/scenario.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>

#include "nvml_sim/json.h"

namespace infernode::nvml_sim {

namespace {

struct EventName {
  const char* name;
  u64 type;
};

constexpr EventName kEventNames[] = {
    {"single-bit-ecc", 0x1},    {"double-bit-ecc", 0x2},         {"pstate", 0x4},
    {"xid", kEventXid},         {"clock", 0x10},                 {"power-source", 0x80},
    {"mig-config", 0x100},      {"single-bit-ecc-storm", 0x200}, {"dram-retirement", 0x400},
    {"dram-retirement-failure", 0x800}, {"non-fatal-poison", 0x1000}, {"fatal-poison", 0x2000},
    {"unavailable", 0x4000},    {"recovery-action", 0x8000},
};

/// A number as the unsigned type of the answer: -1 is all ones, what is out of range is the nearest that fits.
template <typename T>
T Unsigned(double number) {
  if (std::isnan(number)) return 0;
  if (number < 0) return number == -1 ? static_cast<T>(-1) : 0;
  if (number >= std::ldexp(1.0, sizeof(T) * 8)) return static_cast<T>(-1);
  return static_cast<T>(number);
}

/// Index of the name in a list of names, or nothing.
std::optional<size_t> IndexOf(const char* const* names, size_t count, std::string_view name) {
  for (size_t i = 0; i < count; i++)
    if (name == names[i]) return i;
  return std::nullopt;
}

class Reader {
 public:
  Reader(Scenario* scenario, std::vector<std::string>* warnings) : out_(*scenario), warnings_(*warnings) {}

  bool Read(const Json& root, std::string* error) {
    const Json* devices = root.Find("devices");
    const int schema = IntOf(root, "schema", 1);
    if (!root.IsObject()) error_ = "expected an object";
    else if (schema != 1) error_ = "expected schema 1, got " + std::to_string(schema);
    else if (!devices || !devices->IsArray()) error_ = "expected \"devices\" to be a list";
    else if (devices->items.size() > kMaxDevices) error_ = "expected at most " + std::to_string(kMaxDevices) + " devices";
    else ReadParts(root, *devices);
    *error = error_;
    return error_.empty();
  }

 private:
  void Warn(const std::string& text) {
    // One line per version of the file is printed; more than a few would not be read.
    if (warnings_.size() < 8) warnings_.push_back(text);
  }

  static double NumberOf(const Json& object, const char* name, double otherwise) {
    const Json* value = object.Find(name);
    if (!value) return otherwise;
    return value->IsNumber() ? value->number : value->type == Json::Type::kBool ? value->boolean : otherwise;
  }

  static int IntOf(const Json& object, const char* name, int otherwise) {
    return static_cast<int>(std::clamp(NumberOf(object, name, otherwise), -2147483648.0, 2147483647.0));
  }

  static std::string TextOf(const Json& object, const char* name) {
    const Json* value = object.Find(name);
    return value && value->IsString() ? value->string : "";
  }

  void ReadParts(const Json& root, const Json& devices) {
    ReadDriver(root);
    for (const Json& device : devices.items)
      if (!ReadDevice(device)) return;
    if (const Json* events = root.Find("events")) ReadEvents(*events);
    out_.newest_seq = std::max(out_.newest_seq, Unsigned<u64>(NumberOf(root, "lastSeq", 0)));
    ReadRules(root.Find("hangs"), "hangs", &out_.hangs);
    ReadRules(root.Find("delays"), "delays", &out_.delays);
    ReadRules(root.Find("returns"), "returns", &out_.returns);
    ReadMissing(root);
    ReadExcluded(root);
  }

  void ReadDriver(const Json& root) {
    if (const std::string version = TextOf(root, "driverVersion"); !version.empty()) out_.driver_version = version;
    out_.nvml_version = TextOf(root, "nvmlVersion");
    out_.branch = static_cast<u32>(std::max(0, std::atoi(out_.driver_version.c_str())));
    const DriverBranch& known = FindDriverBranch(out_.branch);
    out_.api_version = known.apiVersion;
    out_.cuda_version = IntOf(root, "cudaDriverVersion", known.cudaVersion);
    out_.latency_us = Unsigned<u64>(NumberOf(root, "latencyUs", 0));
    out_.global_lock = NumberOf(root, "globalLock", 0) != 0;
    out_.drop_events = NumberOf(root, "dropEvents", 0) != 0;
    out_.event_queue_length = std::clamp(Unsigned<u32>(NumberOf(root, "eventQueueLength", 64)), 1u, 4096u);
    out_.confidential_compute = NumberOf(root, "confidentialCompute", 0) != 0;
    out_.confidential_ready = NumberOf(root, "confidentialReady", 1) != 0;
  }

  bool ReadDevice(const Json& json) {
    DeviceScenario device;
    device.position = static_cast<u32>(out_.devices.size());
    const std::string where = "device " + std::to_string(device.position);
    const std::string profile = TextOf(json, "profile");
    device.profile = FindGpuProfile(profile);
    device.uuid = TextOf(json, "uuid");
    device.pciBusId = TextOf(json, "pciBusId");
    if (!device.profile) return Fail(where + ": unknown profile \"" + profile + "\"");
    if (device.uuid.empty()) return Fail(where + ": expected a uuid");
    if (!ParsePciBusId(device.pciBusId, &device.pciDomain, &device.pciBus, &device.pciDevice))
      return Fail(where + ": expected pciBusId as dddddddd:bb:dd.f, got \"" + device.pciBusId + "\"");
    if (const std::string serial = TextOf(json, "serial"); !serial.empty()) device.texts[TextKey::serial] = serial;
    device.vanished = NumberOf(json, "vanished", 0) != 0;
    device.lost = device.vanished || NumberOf(json, "lost", 0) != 0;
    if (const Json* set = json.Find("set")) ReadSettings(*set, where, &device);
    out_.devices.push_back(std::move(device));
    return true;
  }

  bool Fail(const std::string& error) {
    error_ = error;
    return false;
  }

  void ReadSettings(const Json& set, const std::string& where, DeviceScenario* device) {
    for (const auto& [name, value] : set.members) {
      if (const auto key = IndexOf(kKeyNames, kKeyCount, name)) SetNumber(value, &device->settings[*key]);
      else if (const auto text = IndexOf(kTextKeyNames, std::size(kTextKeyNames), name))
        device->texts[static_cast<TextKey>(*text)] = value.IsString() ? std::optional(value.string) : std::nullopt;
      else if (name == "rates") ReadRates(value, device);
      else if (name == "ratesSinceMs") device->rates_since_ms = value.number;
      else if (name == "fields") ReadFields(value, where, device);
      else if (name == "links") ReadLinks(value, where, device);
      else if (name == "p2p") ReadP2p(value, device);
      else if (name == "mig") ReadMig(value, device);
      else Warn(where + ": unknown setting \"" + name + "\" ignored");
    }
  }

  static void SetNumber(const Json& value, Override* to) {
    if (value.IsNull()) *to = Reading{};
    else if (value.IsNumber()) *to = Reading{value.number};
    else if (value.type == Json::Type::kBool) *to = Reading{value.boolean ? 1 : 0};
  }

  void ReadRates(const Json& rates, DeviceScenario* device) {
    for (const auto& [name, value] : rates.members)
      if (const auto key = IndexOf(kKeyNames, kKeyCount, name)) device->rates[*key] = value.number;
      else Warn("unknown setting \"" + name + "\" in rates ignored");
  }

  /// `"230": 1`, or `"208:3": 7` for the field with scope 3.
  void ReadFields(const Json& fields, const std::string& where, DeviceScenario* device) {
    for (const auto& [name, value] : fields.members) {
      unsigned id = 0, scope = 0;
      char rest = 0;
      const int read = std::sscanf(name.c_str(), "%u:%u%c", &id, &scope, &rest);
      Override number;
      SetNumber(value, &number);
      if ((read == 1 && name.find(':') == std::string::npos) || read == 2) {
        if (number) device->fields[{id, scope}] = *number;
      } else {
        Warn(where + ": expected a field as ID or ID:SCOPE, got \"" + name + "\"");
      }
    }
  }

  void ReadLinks(const Json& links, const std::string& where, DeviceScenario* device) {
    for (const auto& [number, settings] : links.members) {
      const auto link = static_cast<u32>(std::strtoul(number.c_str(), nullptr, 10));
      if (link >= kMaxLinks) continue;
      for (const auto& [name, value] : settings.members) {
        if (const auto key = IndexOf(kLinkKeyNames, kLinkKeyCount, name)) SetNumber(value, &device->links[link][*key]);
        else Warn(where + ": unknown link setting \"" + name + "\" ignored");
      }
    }
  }

  void ReadP2p(const Json& p2p, DeviceScenario* device) {
    for (const auto& [other, status] : p2p.members)
      device->p2p[static_cast<u32>(std::strtoul(other.c_str(), nullptr, 10))] = Unsigned<u32>(status.number);
  }

  void ReadMig(const Json& mig, DeviceScenario* device) {
    for (const Json& item : mig.items) {
      if (device->mig.size() >= kMaxMigDevices) return Warn("more MIG instances than a device can have");
      MigInstance instance;
      instance.uuid = TextOf(item, "uuid");
      instance.gpuInstanceId = Unsigned<u32>(NumberOf(item, "gpuInstanceId", 0));
      instance.computeInstanceId = Unsigned<u32>(NumberOf(item, "computeInstanceId", 0));
      instance.memoryBytes = Unsigned<u64>(NumberOf(item, "memoryBytes", 0));
      instance.slices = Unsigned<u32>(NumberOf(item, "slices", 1));
      device->mig.push_back(std::move(instance));
    }
  }

  void ReadEvents(const Json& events) {
    for (const Json& json : events.items) {
      if (out_.events.size() >= kMaxEvents) return Warn("more than " + std::to_string(kMaxEvents) + " events");
      ScenarioEvent event;
      event.seq = Unsigned<u64>(NumberOf(json, "seq", 0));
      event.device = Unsigned<u32>(NumberOf(json, "device", 0));
      event.data = Unsigned<u64>(NumberOf(json, "code", 0));
      event.gpu_instance = Unsigned<u32>(NumberOf(json, "gpuInstanceId", -1));
      event.compute_instance = Unsigned<u32>(NumberOf(json, "computeInstanceId", -1));
      event.dropped = NumberOf(json, "dropped", 0) != 0;
      const std::string type = TextOf(json, "type");
      for (const EventName& known : kEventNames)
        if (type == known.name) event.type = known.type;
      if (event.type == 0) Warn("unknown event type \"" + type + "\" ignored");
      else if (event.device >= out_.devices.size()) Warn("event of device " + std::to_string(event.device) + ", which is none");
      else out_.events.push_back(event);
      out_.newest_seq = std::max(out_.newest_seq, event.seq);
    }
    std::stable_sort(out_.events.begin(), out_.events.end(), [](const auto& a, const auto& b) { return a.seq < b.seq; });
  }

  void ReadRules(const Json* rules, const char* kind, std::vector<Rule>* out) {
    if (!rules) return;
    for (const Json& json : rules->items) {
      if (out->size() >= kMaxRules) return Warn(std::string("too many ") + kind);
      const std::string call = TextOf(json, "call");
      Rule rule;
      rule.function = FindFunction(call);
      if (rule.function == Function::kCount && call != "*") {
        Warn(std::string("unknown function \"") + call + "\" in " + kind + " ignored");
        continue;
      }
      rule.device = std::max(-1, IntOf(json, "device", -1));
      rule.delay_us = Unsigned<u64>(NumberOf(json, "us", 0));
      rule.code = IntOf(json, "code", kUnknown);
      rule.times = Unsigned<u64>(NumberOf(json, "times", 0));
      rule.identity = call + "/" + std::to_string(rule.device) + "/" + std::to_string(rule.code) + "/" +
                      std::to_string(Unsigned<u64>(NumberOf(json, "seq", 0)));
      if (rule.function == Function::kCount) out_.ruled.set();
      else out_.ruled.set(static_cast<size_t>(rule.function));
      out->push_back(std::move(rule));
    }
  }

  void ReadMissing(const Json& root) {
    if (const Json* missing = root.Find("missing"))
      for (const Json& name : missing->items) {
        const Function function = FindFunction(name.string);
        if (function == Function::kCount) Warn("unknown function \"" + name.string + "\" in missing ignored");
        else out_.missing.set(static_cast<size_t>(function));
      }
    for (size_t i = 0; i < kFunctionCount; i++)
      if (SinceOf(static_cast<Function>(i)) > out_.api_version) out_.missing.set(i);
    if (const Json* versions = root.Find("structVersions"))
      for (const auto& [name, version] : versions->members) {
        const Function function = FindFunction(name);
        if (function != Function::kCount) out_.struct_versions[static_cast<size_t>(function)] = Unsigned<u32>(version.number);
        else Warn("unknown function \"" + name + "\" in structVersions ignored");
      }
  }

  void ReadExcluded(const Json& root) {
    if (const Json* excluded = root.Find("excluded"))
      for (const Json& item : excluded->items)
        if (out_.excluded.size() < kMaxDevices) out_.excluded.push_back({TextOf(item, "uuid"), TextOf(item, "pciBusId")});
  }

  Scenario& out_;
  std::vector<std::string>& warnings_;
  std::string error_;
};

}  // namespace

bool ParsePciBusId(std::string_view text, u32* domain, u32* bus, u32* device) {
  unsigned d = 0, b = 0, s = 0, f = 0;
  char rest = 0;
  const int read = std::sscanf(std::string(text.substr(0, 32)).c_str(), "%8x:%2x:%2x.%1x%c", &d, &b, &s, &f, &rest);
  if (read != 4) return false;
  *domain = d;
  *bus = b;
  *device = s;
  return true;
}

bool ParseScenario(std::string_view text, Scenario* scenario, std::vector<std::string>* warnings, std::string* error) {
  Json root;
  return ParseJson(text, &root, error) && Reader(scenario, warnings).Read(root, error);
}

}  // namespace infernode::nvml_sim
