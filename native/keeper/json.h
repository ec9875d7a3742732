// Just enough JSON to write flat records and one-line answers.
#pragma once
#include <string>
#include <vector>

namespace keeper {

/// A JSON string literal, quotes included; bytes that are not UTF-8 text are passed on as they are.
std::string Quote(const std::string& text);
/// The literal, or `null` for an empty text.
std::string QuoteOrNull(const std::string& text);
std::string List(const std::vector<int>& numbers);

/// Writes `name` in the current directory by temporary file and rename, so that readers see it whole or not at all. No
/// fsync: these records speak of processes of this boot and are worthless after the next. False when it failed.
bool WriteByRename(const std::string& name, const std::string& text);

/// Wraps a record in the form of all state documents: `{"schema":1,"bootId":...,"data":...}`.
std::string StateDocument(const std::string& data);

/// Whole content of a small file, without the trailing newline; empty when it cannot be read.
std::string ReadSmallFile(const std::string& path);

/// Milliseconds since the epoch, for display.
long long UnixMs();
/// Milliseconds of the monotonic clock, for deadlines.
long long MonotonicMs();

}  // namespace keeper
