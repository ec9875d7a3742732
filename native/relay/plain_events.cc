#include "relay/plain_events.h"

#include <cstring>
#include <string_view>

namespace infernode::relay {

namespace {

constexpr std::string_view kCrlf = "\r\n";
/// A chunk of five digits is larger than a read.
constexpr size_t kMaxSizeDigits = 5;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Takes one chunk off `rest`; false when there is none that is whole.
bool TakeChunk(std::string_view* rest, std::string_view* data) {
  size_t size = 0;
  size_t digits = 0;
  while (digits < rest->size() && digits < kMaxSizeDigits && HexValue((*rest)[digits]) >= 0) size = size * 16 + HexValue((*rest)[digits++]);
  const size_t begin = digits + kCrlf.size();
  if (size == 0 || rest->size() < begin + size + kCrlf.size()) return false;
  if (rest->substr(digits, kCrlf.size()) != kCrlf || rest->substr(begin + size, kCrlf.size()) != kCrlf) return false;
  *data = rest->substr(begin, size);
  rest->remove_prefix(begin + size + kCrlf.size());
  return true;
}

/// The end of the event at the front of `data`, behind its blank line; 0 when it is not plain.
size_t EndOfEvent(std::string_view data) {
  size_t at = 0;
  if (data.substr(0, 6) == "event:") {
    const size_t line = data.find('\n');
    if (line == std::string_view::npos) return 0;
    at = line + 1;
  }
  if (data.substr(at, 5) != "data:") return 0;
  const size_t end = data.find("\n\n", at);
  return end == std::string_view::npos ? 0 : end + 2;
}

}  // namespace

Words::Words(std::vector<std::string> words) : words_(std::move(words)) {
  for (const std::string& word : words_) begins_[static_cast<unsigned char>(word[0])] = true;
}

bool Words::StandIn(const char* text, size_t length) const {
  for (size_t at = 0; at < length; at++) {
    if (!begins_[static_cast<unsigned char>(text[at])]) continue;
    const std::string_view here(text + at, length - at);
    for (const std::string& word : words_) {
      if (here.substr(0, word.size()) != word) continue;
      const std::string_view after = here.substr(word.size());
      if (after.substr(0, 5) != ":null" && after.substr(0, 6) != ": null") return true;
    }
  }
  return false;
}

size_t CountPlainEvents(const char* bytes, size_t length, const Words& words) {
  size_t events = 0;
  std::string_view rest(bytes, length);
  std::string_view data;
  while (!rest.empty()) {
    if (!TakeChunk(&rest, &data)) return 0;
    if (memchr(data.data(), '\r', data.size()) != nullptr || words.StandIn(data.data(), data.size())) return 0;
    while (!data.empty()) {
      const size_t end = EndOfEvent(data);
      if (end == 0) return 0;
      data.remove_prefix(end);
      events++;
    }
  }
  return events;
}

}  // namespace infernode::relay
