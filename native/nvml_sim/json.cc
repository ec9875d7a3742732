#include "nvml_sim/json.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace infernode::nvml_sim {

namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  bool Document(Json* value) {
    if (!ParseValue(value, 0)) return false;
    SkipSpace();
    return at_ == text_.size() || Fail("the end of the file");
  }

  std::string Error() const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<ptrdiff_t>(std::min(at_, text_.size())), '\n');
    return "line " + std::to_string(line) + ": expected " + expected_;
  }

 private:
  bool Fail(const char* expected) {
    if (expected_.empty()) expected_ = expected;
    return false;
  }

  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void SkipSpace() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) at_++;
  }

  bool Take(char wanted) {
    SkipSpace();
    if (Peek() != wanted) return false;
    at_++;
    return true;
  }

  bool Word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return Fail("a value");
    at_ += word.size();
    return true;
  }

  bool ParseValue(Json* value, int depth) {
    if (depth > kMaxJsonDepth) return Fail("less nesting");
    SkipSpace();
    switch (Peek()) {
      case '{':
        return ParseObject(value, depth);
      case '[':
        return ParseArray(value, depth);
      case '"':
        value->type = Json::Type::kString;
        return ParseString(&value->string);
      case 't':
      case 'f':
        value->type = Json::Type::kBool;
        value->boolean = Peek() == 't';
        return Word(value->boolean ? "true" : "false");
      case 'n':
        value->type = Json::Type::kNull;
        return Word("null");
      default:
        return ParseNumber(value);
    }
  }

  bool ParseObject(Json* value, int depth) {
    value->type = Json::Type::kObject;
    at_++;
    if (Take('}')) return true;
    do {
      std::pair<std::string, Json> member;
      SkipSpace();
      if (Peek() != '"') return Fail("a name in double quotes");
      if (!ParseString(&member.first)) return false;
      if (!Take(':')) return Fail("':'");
      if (!ParseValue(&member.second, depth + 1)) return false;
      value->members.push_back(std::move(member));
    } while (Take(','));
    return Take('}') || Fail("',' or '}'");
  }

  bool ParseArray(Json* value, int depth) {
    value->type = Json::Type::kArray;
    at_++;
    if (Take(']')) return true;
    do {
      Json item;
      if (!ParseValue(&item, depth + 1)) return false;
      value->items.push_back(std::move(item));
    } while (Take(','));
    return Take(']') || Fail("',' or ']'");
  }

  size_t Digits() {
    const size_t start = at_;
    while (Peek() >= '0' && Peek() <= '9') at_++;
    return at_ - start;
  }

  bool ParseNumber(Json* value) {
    const size_t start = at_;
    if (Peek() == '-') at_++;
    const char first = Peek();
    const size_t whole = Digits();
    if (whole == 0) return Fail("a value");
    if (whole > 1 && first == '0') return Fail("a number without leading zeros");
    if (Peek() == '.') {
      at_++;
      if (Digits() == 0) return Fail("digits after the point");
    }
    if (Peek() == 'e' || Peek() == 'E') {
      at_++;
      if (Peek() == '+' || Peek() == '-') at_++;
      if (Digits() == 0) return Fail("digits in the exponent");
    }
    value->type = Json::Type::kNumber;
    value->number = std::strtod(std::string(text_.substr(start, at_ - start)).c_str(), nullptr);
    return true;
  }

  bool ParseString(std::string* out) {
    at_++;
    while (at_ < text_.size() && text_[at_] != '"') {
      const auto byte = static_cast<unsigned char>(text_[at_++]);
      if (byte < 0x20) return Fail("no control characters in a string");
      if (byte != '\\') out->push_back(static_cast<char>(byte));
      else if (!ParseEscape(out)) return false;
    }
    if (at_ >= text_.size()) return Fail("a closing '\"'");
    at_++;
    return true;
  }

  bool ParseEscape(std::string* out) {
    static constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    const char escape = Peek();
    at_++;
    if (escape == 'u') return ParseUnicode(out);
    const size_t index = kFrom.find(escape);
    if (escape == '\0' || index == std::string_view::npos) return Fail("a JSON escape");
    out->push_back(kTo[index]);
    return true;
  }

  bool Hex4(uint32_t* code) {
    *code = 0;
    for (int i = 0; i < 4; i++, at_++) {
      const char c = Peek();
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) return Fail("four hexadecimal digits");
      *code = *code * 16 + static_cast<uint32_t>(digit);
    }
    return true;
  }

  bool ParseUnicode(std::string* out) {
    uint32_t code = 0, low = 0;
    if (!Hex4(&code)) return false;
    if (code >= 0xD800 && code < 0xDC00) {
      if (text_.substr(at_, 2) != "\\u") return Fail("the second half of a surrogate pair");
      at_ += 2;
      if (!Hex4(&low)) return false;
      if (low < 0xDC00 || low > 0xDFFF) return Fail("the second half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    AppendUtf8(code, out);
    return true;
  }

  static void AppendUtf8(uint32_t code, std::string* out) {
    const auto tail = [&](int shift) { out->push_back(static_cast<char>(0x80 | ((code >> shift) & 0x3F))); };
    if (code < 0x80) {
      out->push_back(static_cast<char>(code));
    } else if (code < 0x800) {
      out->push_back(static_cast<char>(0xC0 | (code >> 6)));
      tail(0);
    } else if (code < 0x10000) {
      out->push_back(static_cast<char>(0xE0 | (code >> 12)));
      tail(6), tail(0);
    } else {
      out->push_back(static_cast<char>(0xF0 | (code >> 18)));
      tail(12), tail(6), tail(0);
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string expected_;
};

}  // namespace

const Json* Json::Find(std::string_view name) const {
  const auto found = std::find_if(members.rbegin(), members.rend(), [&](const auto& member) { return member.first == name; });
  return found == members.rend() ? nullptr : &found->second;
}

bool ParseJson(std::string_view text, Json* value, std::string* error) {
  *value = Json{};
  if (text.size() > kMaxJsonBytes) {
    *error = "expected at most " + std::to_string(kMaxJsonBytes) + " bytes, got " + std::to_string(text.size());
    return false;
  }
  Parser parser(text);
  if (parser.Document(value)) return true;
  *error = parser.Error();
  return false;
}

}  // namespace infernode::nvml_sim
