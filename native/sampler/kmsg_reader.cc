#include "sampler/kmsg_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "nvml/call_slot.h"

namespace infernode::sampler {

namespace {

/// A record of /dev/kmsg has at most 8 KiB in current kernels.
constexpr size_t kBufferBytes = 16 * 1024;
/// A line of a file; longer ones are passed over and counted.
constexpr size_t kMaxLineBytes = 16 * 1024;
/// How much of a file is read back at the start: about the size of a kernel's own buffer.
constexpr off_t kReplayBytes = 1024 * 1024;
constexpr int kReopenMs = 5000;
/// For a file whose directory cannot be watched, or that is replaced by a rename.
constexpr int kLookMs = 1000;

int64_t Seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec;
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
}

}  // namespace

void KmsgReader::Run() {
  for (;;) {
    std::string reason = Open();
    if (reason.empty()) {
      Say("reading", "");
      reason = is_file_ ? FollowFile() : FollowDevice();
      if (!reason.empty()) Say("unreadable", reason);
    }
    Close();
    if (!reason.empty()) poll(nullptr, 0, kReopenMs);
  }
}

std::string KmsgReader::Open() {
  fd_ = open(options_.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (fd_ < 0) {
    const std::string reason = options_.path + ": " + std::strerror(errno);
    Say(errno == ENOENT ? "absent" : "unreadable", reason);
    return reason;
  }
  struct stat status {};
  if (fstat(fd_, &status) == 0 && (S_ISREG(status.st_mode) || S_ISCHR(status.st_mode))) {
    is_file_ = S_ISREG(status.st_mode);
    device_ = status.st_dev;
    inode_ = status.st_ino;
    return "";
  }
  const std::string reason = options_.path + ": expected a character device or a file";
  Say("unreadable", reason);
  return reason;
}

void KmsgReader::Close() {
  if (fd_ >= 0) close(fd_);
  if (notify_ >= 0) close(notify_);
  fd_ = notify_ = -1;
  line_.clear();
  too_long_ = false;
}

std::string KmsgReader::FollowDevice() {
  std::string buffer(kBufferBytes, '\0');
  for (;;) {
    const ssize_t size = read(fd_, &buffer[0], buffer.size());
    if (size > 0) {
      Take(buffer.substr(0, static_cast<size_t>(size)));
    } else if (size < 0 && errno == EPIPE) {
      // The kernel overwrote what was not read yet; the next read gives the oldest record that is left.
      overrun_ = true;
    } else if (size < 0 && errno == EINVAL) {
      invalid_++;
      if (expected_ > 0) expected_++;
    } else if (size < 0 && errno == EAGAIN) {
      SayCounts();
      pollfd input{fd_, POLLIN, 0};
      // POLLERR stands for "records were lost" here, and the next read says EPIPE.
      poll(&input, 1, -1);
    } else if (size == 0 || errno != EINTR) {
      return options_.path + ": " + (size == 0 ? "end of file" : std::strerror(errno));
    }
  }
}

std::string KmsgReader::FollowFile() {
  notify_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (notify_ >= 0) inotify_add_watch(notify_, DirectoryOf(options_.path).c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE);
  StartOfFile();
  for (;;) {
    while (ReadChunk()) continue;
    SayCounts();
    pollfd input{notify_, POLLIN, 0};
    poll(&input, notify_ >= 0 ? 1 : 0, kLookMs);
    char events[4096];
    while (notify_ >= 0 && read(notify_, events, sizeof events) > 0) continue;
    struct stat named {}, open_file {};
    if (stat(options_.path.c_str(), &named) != 0) return options_.path + ": " + std::strerror(errno);
    if (fstat(fd_, &open_file) != 0) return options_.path + ": " + std::strerror(errno);
    const bool replaced = named.st_dev != device_ || named.st_ino != inode_;
    if (!replaced && static_cast<uint64_t>(open_file.st_size) >= offset_) continue;
    // Rotated or truncated: what is in it now is all new.
    while (ReadChunk()) continue;
    Close();
    const std::string reason = Open();
    if (!reason.empty()) return reason;
    notify_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (notify_ >= 0) inotify_add_watch(notify_, DirectoryOf(options_.path).c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE);
    offset_ = 0;
    expected_ = 0;
    pipe_.WriteNote("kmsg-restart");
  }
}

/// Records of this boot only. A file that nobody wrote to since the boot holds none; a sequence number that falls begins another
/// boot; lines without a header tell no time, so that only those to come count.
void KmsgReader::StartOfFile() {
  struct stat status {};
  fstat(fd_, &status);
  const int64_t booted_at = Seconds(CLOCK_REALTIME) - Seconds(CLOCK_BOOTTIME);
  const off_t begin = status.st_mtime + 1 < booted_at ? status.st_size : std::max<off_t>(0, status.st_size - kReplayBytes);
  offset_ = static_cast<uint64_t>(begin);
  lseek(fd_, begin, SEEK_SET);
  // The first line may be a half.
  if (begin > 0 && begin < status.st_size) too_long_ = true;
  std::vector<std::string> lines;
  std::string rest;
  char buffer[kBufferBytes];
  uint64_t before = 0;
  for (ssize_t size; (size = read(fd_, buffer, sizeof buffer)) > 0;) {
    offset_ += static_cast<uint64_t>(size);
    for (ssize_t i = 0; i < size; i++) {
      if (buffer[i] != '\n') {
        if (rest.size() < kMaxLineBytes) rest += buffer[i];
        continue;
      }
      KmsgRecord record;
      if (!too_long_ && ParseKmsg(rest, &record) && record.has_header) {
        if (record.sequence < before) lines.clear();
        before = record.sequence;
        lines.push_back(rest);
      }
      too_long_ = false;
      rest.clear();
    }
  }
  for (const std::string& line : lines) Take(line);
  line_ = rest;
}

bool KmsgReader::ReadChunk() {
  char buffer[kBufferBytes];
  const ssize_t size = read(fd_, buffer, sizeof buffer);
  if (size <= 0) return false;
  for (ssize_t i = 0; i < size; i++) {
    offset_++;
    if (buffer[i] == '\n') {
      EndLine();
    } else if (line_.size() < kMaxLineBytes) {
      line_ += buffer[i];
    } else {
      too_long_ = true;
    }
  }
  return true;
}

void KmsgReader::EndLine() {
  if (too_long_) {
    invalid_++;
  } else {
    Take(line_);
  }
  line_.clear();
  too_long_ = false;
}

void KmsgReader::Take(const std::string& line) {
  // A dictionary line of the record before.
  if (is_file_ && (line.empty() || line[0] == ' ')) return;
  KmsgRecord record;
  const bool text = ParseKmsg(line, &record);
  if (record.has_header) NoteSequence(record.sequence);
  if (!text || (!record.has_header && !is_file_)) {
    invalid_++;
    return;
  }
  const auto wanted = [&record](const std::string& word) { return record.text.find(word) != std::string::npos; };
  if (std::none_of(options_.match.begin(), options_.match.end(), wanted)) return;
  const uint64_t now_us = nvml::MonotonicNs() / 1000;
  const bool timed = record.has_header && record.timestamp_us <= now_us;
  const uint64_t age_us = timed ? now_us - record.timestamp_us : 0;
  if (!pipe_.WriteKmsg(record, age_us)) lost_++;
}

void KmsgReader::NoteSequence(uint64_t sequence) {
  if (expected_ > 0 && sequence < expected_ && is_file_) {
    pipe_.WriteNote("kmsg-restart");
  } else if (expected_ > 0 && sequence > expected_) {
    lost_ += sequence - expected_;
  } else if (overrun_) {
    lost_++;
  }
  overrun_ = false;
  expected_ = sequence + 1;
}

void KmsgReader::Say(const char* state, const std::string& reason) {
  if (said_ == state + reason) return;
  said_ = state + reason;
  said_lost_ = lost_;
  said_invalid_ = invalid_;
  pipe_.WriteKmsgState(state, reason, lost_, invalid_);
}

/// After each batch, so that a flood of bad records is one message.
void KmsgReader::SayCounts() {
  if (lost_ == said_lost_ && invalid_ == said_invalid_) return;
  said_.clear();
  Say("reading", "");
}

}  // namespace infernode::sampler
