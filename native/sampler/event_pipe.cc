#include "sampler/event_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace infernode::sampler {

namespace {

/// UUIDs come from a vendor library: only what can stand in a JSON string as it is.
std::string Quoted(const std::string& text) {
  if (text.empty()) return "null";
  std::string quoted = "\"";
  for (const char c : text.substr(0, 96))
    if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') quoted += c;
  return quoted + '"';
}

}  // namespace

EventPipe::EventPipe(int fd, std::atomic<uint64_t>* written, std::atomic<uint64_t>* dropped)
    : fd_(fd), written_(written), dropped_(dropped) {
  const int flags = fcntl(fd_, F_GETFL);
  if (flags >= 0) fcntl(fd_, F_SETFL, flags | O_NONBLOCK);
}

void EventPipe::WriteEvent(const nvml::Event& event) {
  Write(std::string("{\"kind\":\"") + event.kind + "\",\"uuid\":" + Quoted(event.uuid) + ",\"code\":" + std::to_string(event.code) +
            ",\"type\":" + std::to_string(event.type) + ",\"at\":" + std::to_string(event.at_ns) + "}\n",
        true);
}

void EventPipe::WriteNote(const char* kind) { Write(std::string("{\"kind\":\"") + kind + "\"}\n", false); }

void EventPipe::Write(const std::string& line, bool count) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto put = [this](const std::string& text) -> size_t {
    const ssize_t done = write(fd_, text.data(), text.size());
    return done > 0 ? static_cast<size_t>(done) : 0;
  };
  if (!rest_.empty()) rest_.erase(0, put(rest_));
  const size_t done = rest_.empty() ? put(line) : 0;
  if (done > 0 && done < line.size()) rest_ = line.substr(done);
  if (count) (done > 0 ? written_ : dropped_)->fetch_add(1, std::memory_order_relaxed);
}

}  // namespace infernode::sampler
