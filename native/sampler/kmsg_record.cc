#include "sampler/kmsg_record.h"

#include <algorithm>

namespace infernode::sampler {

namespace {

/// Digits up to `end`, which is passed over. False when there is anything else, or too many of them.
bool TakeNumber(const std::string& line, size_t* at, char end, uint64_t* number) {
  const size_t begin = *at;
  uint64_t value = 0;
  for (; *at < line.size() && line[*at] >= '0' && line[*at] <= '9'; ++*at) {
    if (*at - begin >= 19) return false;
    value = value * 10 + static_cast<uint64_t>(line[*at] - '0');
  }
  if (*at == begin || *at >= line.size() || line[*at] != end) return false;
  ++*at;
  *number = value;
  return true;
}

/// Where the text begins, or 0 when there is no header.
size_t TakeHeader(const std::string& line, KmsgRecord* record) {
  size_t at = 0;
  uint64_t priority = 0, sequence = 0, timestamp = 0;
  if (!TakeNumber(line, &at, ',', &priority) || !TakeNumber(line, &at, ',', &sequence) || !TakeNumber(line, &at, ',', &timestamp)) return 0;
  const size_t text = line.find(';', at);
  if (text == std::string::npos || text - at > 64) return 0;
  record->priority = static_cast<uint32_t>(std::min<uint64_t>(priority, UINT32_MAX));
  record->sequence = sequence;
  record->timestamp_us = timestamp;
  record->has_header = true;
  return text + 1;
}

}  // namespace

bool ParseKmsg(const std::string& line, KmsgRecord* record) {
  *record = {};
  const size_t begin = TakeHeader(line, record);
  const size_t end = std::min(line.find('\n', begin), line.size());
  record->text = line.substr(begin, std::min(end - begin, kMaxKmsgText));
  return std::all_of(record->text.begin(), record->text.end(), [](char c) { return (c >= ' ' && c < 0x7f) || c == '\t'; });
}

}  // namespace infernode::sampler
