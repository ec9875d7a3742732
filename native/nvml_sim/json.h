// A JSON reader for the files of a simulated node. Strict (RFC 8259) and bounded: people edit these files by hand while
// processes read them, so whatever stands in them must end in a value or in one sentence that says where it went wrong.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace infernode::nvml_sim {

struct Json {
  enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };

  Type type = Type::kNull;
  bool boolean = false;
  double number = 0;
  std::string string;
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> members;

  /// The member of that name, the last one if it is there twice; null when this is no object or has none.
  const Json* Find(std::string_view name) const;
  bool IsNumber() const { return type == Type::kNumber; }
  bool IsString() const { return type == Type::kString; }
  bool IsArray() const { return type == Type::kArray; }
  bool IsObject() const { return type == Type::kObject; }
  bool IsNull() const { return type == Type::kNull; }
};

/// A scenario of 64 GPUs with every setting stays below a tenth of it.
constexpr size_t kMaxJsonBytes = 4 << 20;
constexpr int kMaxJsonDepth = 16;

/// False with `error` set ("line 3: expected ..."); `value` is unspecified then.
bool ParseJson(std::string_view text, Json* value, std::string* error);

}  // namespace infernode::nvml_sim
