#include "keeper/options.h"

#include <stdlib.h>
#include <string.h>

#include <functional>
#include <map>

namespace keeper {
namespace {

bool ParseNumber(const char* text, long long least, long long* out) {
  char* end = nullptr;
  *out = strtoll(text, &end, 10);
  return *text && !*end && *out >= least;
}

bool ParseWord(const std::string& word, const std::string& on, const std::string& off, bool* out) {
  *out = word == on;
  return word == on || word == off;
}

bool ParseLeader(const std::string& text, Options* out) {
  const size_t colon = text.find(':');
  long long pid = 0;
  if (colon == std::string::npos || !ParseNumber(text.substr(0, colon).c_str(), 2, &pid)) return false;
  out->leader_pid = static_cast<int>(pid);
  out->leader_start_time = text.substr(colon + 1);
  return !out->leader_start_time.empty();
}

bool Check(const Options& options, std::string* error) {
  if (options.dir.empty())
    *error = "expected --dir RUNDIR";
  else if (!options.sweep && options.argv.size() < 2)
    *error = "expected the engine's command behind --";
  return error->empty();
}

}  // namespace

bool ParseOptions(int argc, char** argv, Options* out, std::string* error) {
  using Setter = std::function<bool(const char*)>;
  const std::map<std::string, Setter> setters = {
      {"--dir", [&](const char* v) { return !(out->dir = v).empty(); }},
      {"--log-max-bytes", [&](const char* v) { return ParseNumber(v, 8192, &out->log_max_bytes); }},
      {"--cgroup", [&](const char* v) { return ParseWord(v, "auto", "off", &out->cgroup); }},
      {"--orphans", [&](const char* v) { return ParseWord(v, "end", "keep", &out->end_orphans); }},
      {"--orphan-grace-ms", [&](const char* v) { return ParseNumber(v, 0, &out->orphan_grace_ms); }},
      {"--hold-name", [&](const char* v) { return (out->hold_name = v).size() < 100; }},
      {"--argv-hash", [&](const char* v) { return (out->argv_hash = v).size() <= 128; }},
      {"--leader", [&](const char* v) { return ParseLeader(v, out); }},
      {"--cgroup-path", [&](const char* v) { return !(out->cgroup_path = v).empty(); }},
  };
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--") == 0) {
      out->argv.assign(argv + i + 1, argv + argc);
      out->argv.push_back(nullptr);
      break;
    }
    if (strcmp(argv[i], "--sweep") == 0) {
      out->sweep = true;
      continue;
    }
    const auto setter = setters.find(argv[i]);
    if (setter == setters.end() || i + 1 >= argc || !setter->second(argv[i + 1])) {
      *error = std::string("unknown option or bad value: ") + argv[i];
      return false;
    }
    i++;
  }
  return Check(*out, error);
}

}  // namespace keeper
