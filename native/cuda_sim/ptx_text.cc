#include "cuda_sim/ptx_text.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>

namespace infernode::cuda_sim {
namespace {

/// Comments are where the word `.entry` may stand without meaning it.
std::string WithoutComments(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text.compare(i, 2, "//") == 0) i = std::min(text.find('\n', i), text.size());
    else if (text.compare(i, 2, "/*") == 0) i = std::min(text.find("*/", i), text.size() - 2) + 2;
    else out += text[i++];
  }
  return out;
}

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) || c == ',') {
      if (!word.empty()) words.push_back(std::move(word));
      word.clear();
    } else {
      word += c;
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

/// `.param .u64 name` or `.param .align 8 .b8 name[88]`: the width is the number at the end of the type.
bool AddParameter(const std::vector<std::string>& words, std::vector<PtxParameter>* parameters) {
  size_t align = 0, width = 0, count = 1;
  for (size_t i = 1; i < words.size(); ++i) {
    const std::string& w = words[i];
    const size_t bracket = w.find('[');
    if (w == ".align" && i + 1 < words.size()) align = std::strtoul(words[++i].c_str(), nullptr, 10);
    else if (bracket != std::string::npos) count = std::strtoul(w.c_str() + bracket + 1, nullptr, 10);
    else if (w.size() > 2 && w[0] == '.' && std::isdigit(static_cast<unsigned char>(w[2]))) width = std::strtoul(w.c_str() + 2, nullptr, 10) / 8;
  }
  if (width == 0 || count == 0) return false;
  if (align == 0) align = width;
  const size_t end = parameters->empty() ? 0 : parameters->back().offset + parameters->back().bytes;
  parameters->push_back({(end + align - 1) / align * align, width * count});
  return true;
}

/// `at` is behind `.entry`.
bool ParseEntry(const std::string& text, size_t at, PtxText* ptx) {
  const size_t open = text.find_first_of("({", at);
  if (open == std::string::npos) return false;
  const std::vector<std::string> name = Words(text.substr(at, open - at));
  if (name.empty()) return false;
  std::vector<PtxParameter>& parameters = ptx->entries[name[0]];
  if (text[open] == '{') return true;
  const size_t close = text.find(')', open);
  if (close == std::string::npos) return false;
  const std::string list = text.substr(open + 1, close - open - 1);
  for (size_t from = list.find(".param"); from != std::string::npos;) {
    const size_t next = list.find(".param", from + 1);
    if (!AddParameter(Words(list.substr(from, next - from)), &parameters)) return false;
    from = next;
  }
  return true;
}

}  // namespace

bool ParsePtx(const std::string& source, PtxText* ptx, std::string* error) {
  const std::string text = WithoutComments(source);
  int major = 0, minor = 0;
  const size_t version = text.find(".version"), target = text.find(".target sm_");
  if (version == std::string::npos || std::sscanf(text.c_str() + version, ".version %d.%d", &major, &minor) != 2) return *error = "no .version", false;
  if (target == std::string::npos || std::sscanf(text.c_str() + target, ".target sm_%d", &ptx->target) != 1) return *error = "no .target", false;
  ptx->version = 10 * major + minor;
  for (size_t at = text.find(".entry"); at != std::string::npos; at = text.find(".entry", at + 1))
    if (!ParseEntry(text, at + 6, ptx)) return *error = "an .entry that cannot be read", false;
  return true;
}

int NewestPtx(int v) {
  const int major = v / 1000, minor = v % 1000 / 10;
  if (major <= 11) return 70 + minor;
  if (major >= 13) return 90 + minor;
  return minor <= 5 ? 80 + minor : 79 + minor;  // 12.6 has no PTX of its own
}

}  // namespace infernode::cuda_sim
