// A client of an NVML library for tests, deliberately simple: dlopen, dlsym, call. It reads requests from stdin, one per line
// ("<id> <command> <arguments>"), runs each on a thread of its own, so that a call that hangs holds up nothing else, and
// prints "<id> <return code> name=value ...". It ends with stdin. The tests (test/native/nvml-sim-*.test.ts) hold the answers
// against what they wrote into the scenario. Struct layouts are those of native/nvml/nvml_abi.h, not of the simulator.
#include <dlfcn.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "nvml/nvml_abi.h"

namespace {

using namespace infernode::nvml;
using Words = std::vector<std::string>;

void* library = nullptr;
/// What a library answers whose symbol table lacks the function; no return code of NVML.
constexpr int kNoSymbol = -1;

template <typename... Parameters, typename... Arguments>
int Call(const char* name, int (*)(Parameters...), Arguments... arguments) {
  auto* function = reinterpret_cast<int (*)(Parameters...)>(dlsym(library, name));
  return function ? function(arguments...) : kNoSymbol;
}
template <typename... Parameters>
constexpr int (*Signature)(Parameters...) = nullptr;

struct Answer {
  int code = 0;
  std::ostringstream text;
  template <typename T>
  Answer& Add(const char* name, T value) {
    text << ' ' << name << '=' << value;
    return *this;
  }
};

uint64_t Number(const Words& words, size_t index, uint64_t otherwise = 0) {
  return index < words.size() ? std::strtoull(words[index].c_str(), nullptr, 0) : otherwise;
}

std::string Word(const Words& words, size_t index) { return index < words.size() ? words[index] : ""; }

/// A handle looked up before, by number; else the device of that index. What has no handle any more can still be called on.
std::mutex handles_mutex;
std::map<uint64_t, Device> handles;

int HandleOf(uint64_t index, Device* device) {
  {
    const std::lock_guard<std::mutex> lock(handles_mutex);
    const auto found = handles.find(index);
    if (found != handles.end()) {
      *device = found->second;
      return kSuccess;
    }
  }
  const int code = Call("nvmlDeviceGetHandleByIndex_v2", Signature<uint32_t, Device*>, static_cast<uint32_t>(index), device);
  if (code != kSuccess) return code;
  const std::lock_guard<std::mutex> lock(handles_mutex);
  handles[index] = *device;
  return kSuccess;
}

using DeviceCommand = std::function<void(Device, const Words&, Answer&)>;
using Command = std::function<void(const Words&, Answer&)>;

/// `command INDEX ...`
Command OnDevice(DeviceCommand run) {
  return [run](const Words& words, Answer& answer) {
    Device device = nullptr;
    answer.code = HandleOf(Number(words, 0), &device);
    if (answer.code == kSuccess) run(device, words, answer);
  };
}

void Text(Answer& answer, const char* function, Device device, const char* name) {
  char buffer[96] = "";
  answer.code = Call(function, Signature<Device, char*, uint32_t>, device, buffer, static_cast<uint32_t>(sizeof buffer));
  std::string text = buffer;
  for (char& c : text)
    if (c == ' ') c = '_';
  answer.Add(name, text);
}

void Memory(Device device, const Words& words, Answer& answer) {
  MemoryV2 memory{};
  memory.version = static_cast<uint32_t>(Number(words, 1, StructVersion<MemoryV2>(2)));
  answer.code = Call("nvmlDeviceGetMemoryInfo_v2", Signature<Device, MemoryV2*>, device, &memory);
  answer.Add("total", memory.total).Add("reserved", memory.reserved).Add("used", memory.used).Add("free", memory.free);
}

void MemoryFirst(Device device, const Words&, Answer& answer) {
  MemoryV1 memory{};
  answer.code = Call("nvmlDeviceGetMemoryInfo", Signature<Device, MemoryV1*>, device, &memory);
  answer.Add("total", memory.total).Add("used", memory.used).Add("free", memory.free);
}

void Processes(Device device, const Words&, Answer& answer) {
  uint32_t count = 0;
  const auto list = Signature<Device, uint32_t*, ProcessInfo*>;
  const char* name = "nvmlDeviceGetComputeRunningProcesses_v3";
  answer.code = Call(name, list, device, &count, static_cast<ProcessInfo*>(nullptr));
  answer.Add("asked", answer.code).Add("count", count);
  std::vector<ProcessInfo> infos(count);
  if (answer.code == kInsufficientSize) answer.code = Call(name, list, device, &count, infos.data());
  if (answer.code != kSuccess) return;
  for (uint32_t i = 0; i < count; i++) answer.Add("pid", infos[i].pid).Add("bytes", infos[i].used_gpu_memory);
}

void Field(Device device, const Words& words, Answer& answer) {
  FieldValue field{};
  field.field_id = static_cast<uint32_t>(Number(words, 1));
  field.scope_id = static_cast<uint32_t>(Number(words, 2));
  answer.code = Call("nvmlDeviceGetFieldValues", Signature<Device, int, FieldValue*>, device, 1, &field);
  if (answer.code != kSuccess) return;
  answer.Add("own", field.result).Add("type", field.value_type);
  if (field.value_type == kValueU32) answer.Add("value", field.value.as_u32);
  else if (field.value_type == kValueI32) answer.Add("value", field.value.as_i32);
  else answer.Add("value", field.value.as_u64);
}

/// `u32 INDEX FUNCTION [argument]`: any getter of one unsigned int, with or without an unsigned argument before it.
void Unsigned(Device device, const Words& words, Answer& answer) {
  uint32_t value = 0;
  const std::string name = Word(words, 1);
  answer.code = words.size() > 2 ? Call(name.c_str(), Signature<Device, uint32_t, uint32_t*>, device,
                                        static_cast<uint32_t>(Number(words, 2)), &value)
                                 : Call(name.c_str(), Signature<Device, uint32_t*>, device, &value);
  answer.Add("value", value);
}

/// `u64 INDEX FUNCTION [argument [argument]]`
void Unsigned64(Device device, const Words& words, Answer& answer) {
  uint64_t value = 0;
  const std::string name = Word(words, 1);
  const auto first = static_cast<uint32_t>(Number(words, 2)), second = static_cast<uint32_t>(Number(words, 3));
  if (words.size() > 3) answer.code = Call(name.c_str(), Signature<Device, uint32_t, uint32_t, uint64_t*>, device, first, second, &value);
  else if (words.size() > 2) answer.code = Call(name.c_str(), Signature<Device, uint32_t, uint64_t*>, device, first, &value);
  else answer.code = Call(name.c_str(), Signature<Device, uint64_t*>, device, &value);
  answer.Add("value", value);
}

/// `versioned INDEX FUNCTION WORD SIZE`: a call with a struct of that size and version word; prints its words.
void Versioned(Device device, const Words& words, Answer& answer) {
  std::vector<uint32_t> data(512);
  data[0] = static_cast<uint32_t>(Number(words, 2));
  const std::string name = Word(words, 1);
  answer.code = Call(name.c_str(), Signature<Device, void*>, device, static_cast<void*>(data.data()));
  for (size_t i = 1; i < Number(words, 3) / 4; i++) answer.Add("word", data[i]);
}

void RemappedRows(Device device, const Words&, Answer& answer) {
  uint32_t values[4] = {};
  answer.code = Call("nvmlDeviceGetRemappedRows", Signature<Device, uint32_t*, uint32_t*, uint32_t*, uint32_t*>, device, values,
                     values + 1, values + 2, values + 3);
  answer.Add("correctable", values[0]).Add("uncorrectable", values[1]).Add("pending", values[2]).Add("failure", values[3]);
}

void Identity(Device device, const Words&, Answer& answer) {
  Text(answer, "nvmlDeviceGetName", device, "name");
  Text(answer, "nvmlDeviceGetSerial", device, "serial");
  Text(answer, "nvmlDeviceGetUUID", device, "uuid");
  uint32_t architecture = 0;
  int major = 0, minor = 0;
  PciInfo pci{};
  Call("nvmlDeviceGetArchitecture", Signature<Device, uint32_t*>, device, &architecture);
  Call("nvmlDeviceGetCudaComputeCapability", Signature<Device, int*, int*>, device, &major, &minor);
  answer.code = Call("nvmlDeviceGetPciInfo_v3", Signature<Device, PciInfo*>, device, &pci);
  answer.Add("architecture", architecture).Add("capability", std::to_string(major) + "." + std::to_string(minor));
  answer.Add("pci", pci.bus_id).Add("legacy", pci.bus_id_legacy);
}

void Mig(Device device, const Words& words, Answer& answer) {
  Device mig = nullptr;
  answer.code = Call("nvmlDeviceGetMigDeviceHandleByIndex", Signature<Device, uint32_t, Device*>, device,
                     static_cast<uint32_t>(Number(words, 1)), &mig);
  if (answer.code != kSuccess) return;
  uint32_t instance = 0, temperature = 0;
  Text(answer, "nvmlDeviceGetUUID", mig, "uuid");
  Call("nvmlDeviceGetGpuInstanceId", Signature<Device, uint32_t*>, mig, &instance);
  answer.Add("instance", instance);
  answer.Add("temperatureCode", Call("nvmlDeviceGetTemperature", Signature<Device, uint32_t, uint32_t*>, mig, 0u, &temperature));
  Words none;
  Memory(mig, none, answer);
}

void P2p(Device device, const Words& words, Answer& answer) {
  Device other = nullptr;
  uint32_t status = 0;
  answer.code = HandleOf(Number(words, 1), &other);
  if (answer.code == kSuccess)
    answer.code = Call("nvmlDeviceGetP2PStatus", Signature<Device, Device, uint32_t, uint32_t*>, device, other,
                       static_cast<uint32_t>(Number(words, 2)), &status);
  answer.Add("status", status);
}

std::mutex sets_mutex;
std::map<uint64_t, EventSet> sets;

/// `register SET MASK INDEX...`: makes the set when it is new.
void Register(const Words& words, Answer& answer) {
  EventSet set = nullptr;
  {
    const std::lock_guard<std::mutex> lock(sets_mutex);
    EventSet& known = sets[Number(words, 0)];
    if (!known) answer.code = Call("nvmlEventSetCreate", Signature<EventSet*>, &known);
    set = known;
  }
  for (size_t i = 2; i < words.size() && answer.code == kSuccess; i++) {
    Device device = nullptr;
    answer.code = HandleOf(Number(words, i), &device);
    if (answer.code == kSuccess)
      answer.code = Call("nvmlDeviceRegisterEvents", Signature<Device, uint64_t, EventSet>, device, Number(words, 1), set);
  }
}

/// `wait SET TIMEOUT_MS`
void Wait(const Words& words, Answer& answer) {
  EventSet set = nullptr;
  {
    const std::lock_guard<std::mutex> lock(sets_mutex);
    set = sets[Number(words, 0)];
  }
  EventData data{};
  answer.code = Call("nvmlEventSetWait_v2", Signature<EventSet, EventData*, uint32_t>, set, &data, static_cast<uint32_t>(Number(words, 1)));
  if (answer.code != kSuccess) return;
  answer.Add("type", data.event_type).Add("data", data.event_data);
  char uuid[96] = "";
  Call("nvmlDeviceGetUUID", Signature<Device, char*, uint32_t>, data.device, uuid, static_cast<uint32_t>(sizeof uuid));
  answer.Add("uuid", uuid);
}

void Find(const Words& words, Answer& answer) {
  const std::string by = "nvmlDeviceGetHandleBy" + Word(words, 0), what = Word(words, 1);
  Device device = nullptr;
  uint32_t index = 0;
  answer.code = Call(by.c_str(), Signature<const char*, Device*>, what.c_str(), &device);
  if (answer.code == kSuccess) answer.code = Call("nvmlDeviceGetIndex", Signature<Device, uint32_t*>, device, &index);
  answer.Add("index", index);
}

void SystemText(Answer& answer, const char* function, const char* name) {
  char buffer[80] = "";
  answer.code = Call(function, Signature<char*, uint32_t>, buffer, static_cast<uint32_t>(sizeof buffer));
  answer.Add(name, buffer);
}

void Forget(const Words&, Answer&) {
  const std::lock_guard<std::mutex> lock(handles_mutex);
  handles.clear();
}

void ErrorText(const Words& words, Answer& answer) {
  auto* function = reinterpret_cast<const char* (*)(int)>(dlsym(library, "nvmlErrorString"));
  const char* text = function ? function(static_cast<int>(Number(words, 0))) : nullptr;
  answer.Add("text", text ? text : "");
}

const std::map<std::string, Command>& Commands() {
  static const std::map<std::string, Command> commands = {
      {"init", [](const Words&, Answer& a) { a.code = Call("nvmlInit_v2", Signature<>); }},
      {"shutdown", [](const Words&, Answer& a) { a.code = Call("nvmlShutdown", Signature<>); }},
      {"forget", Forget},
      {"error", ErrorText},
      {"symbol", [](const Words& w, Answer& a) { a.code = dlsym(library, Word(w, 0).c_str()) ? 0 : kNoSymbol; }},
      {"count",
       [](const Words&, Answer& a) {
         uint32_t count = 0;
         a.code = Call("nvmlDeviceGetCount_v2", Signature<uint32_t*>, &count);
         a.Add("count", count);
       }},
      {"driver", [](const Words&, Answer& a) { SystemText(a, "nvmlSystemGetDriverVersion", "version"); }},
      {"nvml", [](const Words&, Answer& a) { SystemText(a, "nvmlSystemGetNVMLVersion", "version"); }},
      {"find", Find},
      {"identity", OnDevice(Identity)},
      {"memory", OnDevice(Memory)},
      {"memory1", OnDevice(MemoryFirst)},
      {"processes", OnDevice(Processes)},
      {"field", OnDevice(Field)},
      {"u32", OnDevice(Unsigned)},
      {"u64", OnDevice(Unsigned64)},
      {"versioned", OnDevice(Versioned)},
      {"rows", OnDevice(RemappedRows)},
      {"mig", OnDevice(Mig)},
      {"p2p", OnDevice(P2p)},
      {"register", Register},
      {"wait", Wait},
  };
  return commands;
}

std::mutex output_mutex;

void Run(const std::string& id, const std::string& name, const Words& words) {
  Answer answer;
  const auto found = Commands().find(name);
  if (found == Commands().end()) answer.code = -2;
  else found->second(words, answer);
  const std::lock_guard<std::mutex> lock(output_mutex);
  std::printf("%s %d%s\n", id.c_str(), answer.code, answer.text.str().c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || !(library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL))) {
    std::fprintf(stderr, "expected the path of an NVML library: %s\n", argc == 2 ? dlerror() : "no argument");
    return 2;
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream stream(line);
    std::string id, name;
    stream >> id >> name;
    Words words;
    for (std::string word; stream >> word;) words.push_back(word);
    std::thread(Run, id, name, words).detach();
  }
  // Without an orderly end: a thread may hang in the library.
  std::quick_exit(0);
}
