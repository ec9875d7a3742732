#include "keeper/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace keeper {
namespace {
/// Room for the bursts of a start (tracebacks of all workers at once) while the disk is busy.
constexpr size_t kWaitingLimit = 1 << 20;
}  // namespace

LogSink::LogSink(std::string name, long long max_bytes) : name_(std::move(name)), file_limit_(std::max(4096LL, max_bytes / 2)) {
  file_ = open(name_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  struct stat info;
  if (file_ >= 0 && fstat(file_, &info) == 0) file_bytes_ = info.st_size;
  writer_ = std::thread([this] { Run(); });
}

LogSink::~LogSink() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  writer_.join();
  if (file_ >= 0) close(file_);
}

void LogSink::Write(const char* bytes, size_t length) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const size_t room = kWaitingLimit - std::min(kWaitingLimit, waiting_.size());
    const size_t taken = std::min(room, length);
    waiting_.append(bytes, taken);
    dropped_ += static_cast<long long>(length - taken);
  }
  wake_.notify_one();
}

void LogSink::Flush(int limit_ms) {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_.wait_for(lock, std::chrono::milliseconds(limit_ms), [this] { return waiting_.empty() && !busy_; });
}

long long LogSink::dropped_bytes() {
  std::lock_guard<std::mutex> lock(mutex_);
  return dropped_;
}

void LogSink::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    std::string bytes;
    bytes.swap(waiting_);
    if (dropped_ != dropped_said_) {
      bytes += "\n[infernode-keeper: " + std::to_string(dropped_ - dropped_said_) + " bytes of output dropped]\n";
      dropped_said_ = dropped_;
    }
    busy_ = true;
    lock.unlock();
    Append(bytes);
    lock.lock();
    busy_ = false;
    idle_.notify_all();
  }
}

void LogSink::Append(const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    if (file_bytes_ >= file_limit_) Rotate();
    const size_t room = static_cast<size_t>(std::max(1LL, file_limit_ - file_bytes_));
    const size_t length = std::min(bytes.size() - at, room);
    const ssize_t written = file_ < 0 ? -1 : write(file_, bytes.data() + at, length);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      // A full disk: the rest of this piece is lost, the next piece tries again.
      std::lock_guard<std::mutex> lock(mutex_);
      dropped_ += static_cast<long long>(bytes.size() - at);
      return;
    }
    at += static_cast<size_t>(written);
    file_bytes_ += written;
  }
}

void LogSink::Rotate() {
  rename(name_.c_str(), (name_ + ".1").c_str());
  if (file_ >= 0) close(file_);
  file_ = open(name_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  file_bytes_ = 0;
}

}  // namespace keeper
