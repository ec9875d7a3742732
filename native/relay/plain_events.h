// Which bytes of an event stream may pass unread: whole chunks of whole events that hold none of the words that make an event
// worth reading. Anything else is for the reader in src/gateway, which is the only one that knows what an event means.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace infernode::relay {

/// The words, found in one pass. A word followed by `:null` or `: null` says nothing, and does not count.
class Words {
 public:
  explicit Words(std::vector<std::string> words);
  bool StandIn(const char* text, size_t length) const;

 private:
  std::vector<std::string> words_;
  std::array<bool, 256> begins_{};
};

/// How many events `bytes` are, when they are nothing but chunks of HTTP/1.1 that each hold whole plain events (line feeds only, an `event:`
/// line at most before `data:`); else 0.
size_t CountPlainEvents(const char* bytes, size_t length, const Words& words);

}  // namespace infernode::relay
