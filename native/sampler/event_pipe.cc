#include "sampler/event_pipe.h"

#include <fcntl.h>
#include <poll.h>
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

/// How long a record of the kernel log waits for a reader that does not keep up, in waits of 100 ms.
constexpr int kWaitMs = 100;
constexpr int kWaits = 50;

/// Printable text as a JSON string.
std::string Escaped(const std::string& text) {
  std::string escaped = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c >= ' ' && c < 0x7f ? c : ' ';
  }
  return escaped + '"';
}

}  // namespace

EventPipe::EventPipe(int fd, std::atomic<uint64_t>* written, std::atomic<uint64_t>* dropped)
    : fd_(fd), written_(written), dropped_(dropped) {
  const int flags = fcntl(fd_, F_GETFL);
  if (flags >= 0) fcntl(fd_, F_SETFL, flags | O_NONBLOCK);
}

void EventPipe::WriteEvent(const nvml::Event& event) {
  const std::string instance = event.gpu_instance == UINT32_MAX ? "" : ",\"instance\":" + std::to_string(event.gpu_instance);
  Write(std::string("{\"kind\":\"") + event.kind + "\",\"uuid\":" + Quoted(event.uuid) + ",\"code\":" + std::to_string(event.code) +
            ",\"type\":" + std::to_string(event.type) + ",\"at\":" + std::to_string(event.at_ns) + instance + "}\n",
        true);
}

void EventPipe::WriteNote(const char* kind) { Write(std::string("{\"kind\":\"") + kind + "\"}\n", false); }

bool EventPipe::WriteKmsg(const KmsgRecord& record, uint64_t age_us) {
  const std::string line = "{\"kind\":\"kmsg\",\"seq\":" + (record.has_header ? std::to_string(record.sequence) : "null") + ",\"prio\":" + std::to_string(record.priority) +
                           ",\"age\":" + std::to_string(age_us) + ",\"text\":" + Escaped(record.text) + "}\n";
  for (int i = 0; i < kWaits; i++) {
    if (TryWrite(line)) return true;
    pollfd output{fd_, POLLOUT, 0};
    poll(&output, 1, kWaitMs);
  }
  return false;
}

void EventPipe::WriteKmsgState(const char* state, const std::string& reason, uint64_t lost, uint64_t invalid) {
  Write(std::string("{\"kind\":\"kmsg-state\",\"state\":\"") + state + "\",\"reason\":" + Escaped(reason.substr(0, 512)) +
            ",\"lost\":" + std::to_string(lost) + ",\"invalid\":" + std::to_string(invalid) + "}\n",
        false);
}

void EventPipe::Write(const std::string& line, bool count) {
  const bool done = TryWrite(line);
  if (count) (done ? written_ : dropped_)->fetch_add(1, std::memory_order_relaxed);
}

bool EventPipe::TryWrite(const std::string& line) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto put = [this](const std::string& text) -> size_t {
    const ssize_t done = write(fd_, text.data(), text.size());
    return done > 0 ? static_cast<size_t>(done) : 0;
  };
  if (!rest_.empty()) rest_.erase(0, put(rest_));
  const size_t done = rest_.empty() ? put(line) : 0;
  if (done > 0 && done < line.size()) rest_ = line.substr(done);
  return done > 0;
}

}  // namespace infernode::sampler
