// One record of the kernel log as /dev/kmsg gives it: `prio,seq,timestamp_us,flags;text`, then dictionary lines that begin with a
// space. Files hold the same, or plain lines without the header. Whatever comes is only looked at: no byte of it is trusted.
#pragma once

#include <cstdint>
#include <string>

namespace infernode::sampler {

struct KmsgRecord {
  /// Level in the low three bits, facility above: 0 is the kernel itself, anything else was written by a program.
  uint32_t priority = 0;
  uint64_t sequence = 0;
  /// Since boot; 0 where the line has no header.
  uint64_t timestamp_us = 0;
  bool has_header = false;
  std::string text;
};

/// Text beyond this is cut off; the driver's longest lines have about 400 characters.
constexpr size_t kMaxKmsgText = 1024;

/// False for what is no text: control characters (a record escapes them as \xNN) or bytes that are not ASCII.
bool ParseKmsg(const std::string& line, KmsgRecord* record);

}  // namespace infernode::sampler
