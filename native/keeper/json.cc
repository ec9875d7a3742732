#include "keeper/json.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

namespace keeper {

std::string Quote(const std::string& text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20) {
      char escape[8];
      snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out += static_cast<char>(c);
    }
  }
  return out + "\"";
}

std::string QuoteOrNull(const std::string& text) { return text.empty() ? "null" : Quote(text); }

std::string List(const std::vector<int>& numbers) {
  std::string out = "[";
  for (int number : numbers) out += (out.size() > 1 ? "," : "") + std::to_string(number);
  return out + "]";
}

bool WriteByRename(const std::string& name, const std::string& text) {
  const std::string temporary = name + ".tmp";
  int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return false;
  const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(file);
  if (written && rename(temporary.c_str(), name.c_str()) == 0) return true;
  unlink(temporary.c_str());
  return false;
}

std::string StateDocument(const std::string& data) {
  return "{\"schema\":1,\"bootId\":" + Quote(ReadSmallFile("/proc/sys/kernel/random/boot_id")) + ",\"data\":" + data +
         "}\n";
}

std::string ReadSmallFile(const std::string& path) {
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return "";
  std::string text;
  char chunk[16384];
  for (ssize_t n; (n = read(file, chunk, sizeof chunk)) > 0 && text.size() < (1u << 20);) text.append(chunk, n);
  close(file);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

namespace {
long long Now(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}
}  // namespace

long long UnixMs() { return Now(CLOCK_REALTIME); }
long long MonotonicMs() { return Now(CLOCK_MONOTONIC); }

}  // namespace keeper
