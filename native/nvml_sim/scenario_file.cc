#include "nvml_sim/scenario_file.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "nvml_sim/event_sets.h"
#include "nvml_sim/json.h"

namespace infernode::nvml_sim {

namespace {

constexpr const char* kFileName = "scenario.json";
/// How often the file itself is looked at when the watch is silent or absent.
constexpr i64 kLookEveryNs = 3'000'000;
/// How long a wait without inotify sleeps between two looks.
constexpr int kBlindWaitMs = 3;

i64 MonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

bool ReadWhole(const std::string& path, std::string* text, struct stat* info) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool good = fstat(fd, info) == 0 && S_ISREG(info->st_mode);
  char buffer[16384];
  // One byte over the parser's limit is enough for it to refuse the file.
  while (good && text->size() <= kMaxJsonBytes) {
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    good = count >= 0;
    if (count <= 0) break;
    text->append(buffer, static_cast<size_t>(count));
  }
  close(fd);
  return good;
}

}  // namespace

const std::string& NodeDirectory() {
  static const auto* const directory = [] {
    Dl_info info{};
    std::string path = dladdr(reinterpret_cast<void*>(&NodeDirectory), &info) && info.dli_fname ? info.dli_fname : "";
    const size_t slash = path.rfind('/');
    return new std::string(slash == std::string::npos ? "." : path.substr(0, slash));
  }();
  return *directory;
}

void ChangeWatch::Open() {
  if (fd_ >= 0) return;
  fd_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd_ < 0) return;
  // The directory, not the file: a rename puts another file in its place.
  constexpr u32 kReplaced = IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM;
  if (inotify_add_watch(fd_, NodeDirectory().c_str(), kReplaced | IN_ONLYDIR) < 0) Close();
}

void ChangeWatch::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

bool ChangeWatch::Take() {
  if (fd_ < 0) return true;
  alignas(inotify_event) char buffer[4096];
  bool changed = false;
  for (;;) {
    const ssize_t count = read(fd_, buffer, sizeof buffer);
    if (count <= 0) return changed;
    for (ssize_t at = 0; at < count;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      const bool overflow = event->mask & (IN_Q_OVERFLOW | IN_IGNORED);
      if (overflow || (event->len > 0 && std::strcmp(event->name, kFileName) == 0)) changed = true;
    }
  }
}

void ChangeWatch::Wait(int timeout_ms) const {
  pollfd poller{fd_, POLLIN, 0};
  poll(&poller, fd_ < 0 ? 0 : 1, fd_ < 0 && timeout_ms > kBlindWaitMs ? kBlindWaitMs : timeout_ms);
}

ScenarioFile& ScenarioFile::Instance() {
  // Never destroyed: a call that hangs outlives every orderly end of the process.
  static auto* const file = new ScenarioFile;
  return *file;
}

ScenarioPtr ScenarioFile::Current() { return Look(false); }
ScenarioPtr ScenarioFile::Refreshed() { return Look(true); }

void ScenarioFile::StartWatching() {
  const std::lock_guard<std::mutex> lock(mutex_);
  watch_.Open();
}

void ScenarioFile::StopWatching() {
  const std::lock_guard<std::mutex> lock(mutex_);
  watch_.Close();
}

ScenarioPtr ScenarioFile::Look(bool always) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const i64 now = MonotonicNs();
  const bool told = watch_.works() && watch_.Take();
  if (always || told || now - looked_ns_ >= kLookEveryNs) {
    looked_ns_ = now;
    Reload();
  }
  return current_;
}

void ScenarioFile::Reload() {
  const std::string path = NodeDirectory() + "/" + kFileName;
  struct stat info {};
  Signature seen;
  const auto sign = [](const struct stat& s) {
    return Signature{s.st_dev, s.st_ino, s.st_size, s.st_mtim.tv_sec * 1'000'000'000LL + s.st_mtim.tv_nsec};
  };
  if (stat(path.c_str(), &info) == 0) seen = sign(info);
  // Equal also when there was never a file, or when this version of it is known to be broken: one warning is enough.
  if (seen == signature_) return;
  signature_ = seen;
  std::string text, error;
  if (seen.size < 0 || !ReadWhole(path, &text, &info)) return Warn(std::string("cannot be read: ") + std::strerror(errno));
  signature_ = sign(info);
  auto scenario = std::make_shared<Scenario>();
  std::vector<std::string> warnings;
  if (!ParseScenario(text, scenario.get(), &warnings, &error)) return Warn(error);
  if (!warnings.empty()) {
    std::string all;
    for (const std::string& warning : warnings) all += (all.empty() ? "" : "; ") + warning;
    std::fprintf(stderr, "infernode nvml simulator: %s: %s\n", path.c_str(), all.c_str());
  }
  current_ = std::move(scenario);
  EventSets::Instance().Deliver(*current_);
}

void ScenarioFile::Warn(const std::string& text) const {
  std::fprintf(stderr, "infernode nvml simulator: %s/%s: %s; %s\n", NodeDirectory().c_str(), kFileName, text.c_str(),
               current_ ? "the last good scenario stays" : "no scenario to fall back on");
}

}  // namespace infernode::nvml_sim
