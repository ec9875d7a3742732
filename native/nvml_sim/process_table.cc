#include "nvml_sim/process_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "nvml_sim/json.h"
#include "nvml_sim/scenario_file.h"

namespace infernode::nvml_sim {

namespace {

/// One look serves all devices of a snapshot.
constexpr i64 kRefreshEveryNs = 2'000'000;
constexpr size_t kMaxEntries = 1024;
/// A registration is some hundred bytes; what is longer than a page is none.
constexpr size_t kMaxFileBytes = 4096;

i64 MonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

std::string ReadSmall(const char* path) {
  std::string text;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  text.resize(kMaxFileBytes);
  const ssize_t count = read(fd, text.data(), text.size());
  text.resize(count < 0 ? 0 : static_cast<size_t>(count));
  close(fd);
  return text;
}

/// Field 22 of /proc/<pid>/stat, which tells a process from a later one of the same pid; "" when it is gone, and when only a
/// zombie is left, because that holds no memory.
std::string StartTimeOf(u32 pid) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%u/stat", pid);
  const std::string stat = ReadSmall(path);
  // The second field is the name in brackets and may hold anything; fields count from behind it.
  size_t at = stat.rfind(')');
  if (at == std::string::npos || at + 2 >= stat.size()) return "";
  at += 2;
  if (stat[at] == 'Z' || stat[at] == 'X') return "";
  for (int field = 3; field < 22 && at != std::string::npos; field++) {
    at = stat.find(' ', at);
    if (at != std::string::npos) at++;
  }
  return at == std::string::npos ? "" : stat.substr(at, stat.find(' ', at) - at);
}

}  // namespace

ProcessTable& ProcessTable::Instance() {
  static auto* const table = new ProcessTable;
  return *table;
}

std::vector<Holder> ProcessTable::HoldersOf(const std::string& uuid) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Refresh();
  std::vector<Holder> holders;
  for (const auto& [path, entry] : entries_) {
    u64 bytes = 0;
    for (const auto& [device, held] : entry.devices)
      if (device == uuid) bytes += held;
    if (bytes > 0) holders.push_back({entry.pid, entry.name, bytes, entry.died_ns == 0});
  }
  return holders;
}

std::string ProcessTable::NameOf(u32 pid) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Refresh();
  for (const auto& [path, entry] : entries_)
    if (entry.pid == pid && entry.died_ns == 0) return entry.name;
  return "";
}

void ProcessTable::Refresh() {
  const i64 now = MonotonicNs();
  if (now - refreshed_ns_ < kRefreshEveryNs) return;
  refreshed_ns_ = now;
  ScanFolder();
  CheckLiveness(now);
}

void ProcessTable::ScanFolder() {
  const std::string folder = NodeDirectory() + "/processes";
  std::map<std::string, Entry> seen;
  if (DIR* directory = opendir(folder.c_str())) {
    while (const dirent* item = readdir(directory)) {
      const size_t length = std::strlen(item->d_name);
      if (length < 6 || std::strcmp(item->d_name + length - 5, ".json") != 0 || seen.size() >= kMaxEntries) continue;
      const std::string path = folder + "/" + item->d_name;
      struct stat info {};
      if (stat(path.c_str(), &info) != 0) continue;
      const i64 modified = info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec;
      const auto known = entries_.find(path);
      Entry& entry = seen[path];
      if (known != entries_.end() && known->second.inode == info.st_ino && known->second.modified_ns == modified) {
        entry = std::move(known->second);
        continue;
      }
      entry.inode = info.st_ino;
      entry.modified_ns = modified;
      ReadEntry(path, &entry);
    }
    closedir(directory);
  }
  entries_ = std::move(seen);
}

/// A file that is no registration holds nothing; it may be half written, and is read again when it changes.
void ProcessTable::ReadEntry(const std::string& path, Entry* entry) {
  Json json;
  std::string error;
  if (!ParseJson(ReadSmall(path.c_str()), &json, &error)) return;
  const Json *pid = json.Find("pid"), *start = json.Find("startTime"), *name = json.Find("name"), *devices = json.Find("devices");
  const Json* delay = json.Find("releaseDelayMs");
  if (!pid || !pid->IsNumber() || pid->number < 1 || pid->number > 4'194'304 || !start || !start->IsString() || !devices || !devices->IsArray())
    return;
  entry->pid = static_cast<u32>(pid->number);
  entry->start_time = start->string;
  entry->name = name && name->IsString() ? name->string : "";
  entry->release_delay_ns = delay && delay->number > 0 ? static_cast<i64>(std::min(delay->number, 3.6e6) * 1e6) : 0;
  for (const Json& device : devices->items) {
    const Json *uuid = device.Find("uuid"), *bytes = device.Find("bytes");
    if (uuid && bytes && bytes->number > 0 && bytes->number < 9e18)
      entry->devices.emplace_back(uuid->string, static_cast<u64>(bytes->number));
  }
}

void ProcessTable::CheckLiveness(i64 now) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    Entry& entry = at->second;
    if (entry.pid != 0 && entry.died_ns == 0 && StartTimeOf(entry.pid) != entry.start_time) entry.died_ns = now;
    if (entry.died_ns == 0 || now - entry.died_ns < entry.release_delay_ns) {
      ++at;
      continue;
    }
    // Unless a new process of the same pid has registered in the meantime.
    struct stat info {};
    if (stat(at->first.c_str(), &info) == 0 && info.st_ino == entry.inode) unlink(at->first.c_str());
    at = entries_.erase(at);
  }
}

}  // namespace infernode::nvml_sim
