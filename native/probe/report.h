// What a probe says, as JSON on standard output. Several threads may speak; the verdict is printed once.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace infernode::probe {

/// With quotation marks.
std::string JsonString(const std::string& text);

using Values = std::vector<std::pair<std::string, double>>;

class Report {
 public:
  /// Ends the step before with "pass".
  void Begin(const std::string& step);
  /// Numbers of the running step, in the units that their names end in.
  void Add(const std::string& name, double value);
  void Skip(const std::string& why);
  void Describe(const std::string& device_json, const std::string& image);
  /// Prints and flushes, the first time only; false when it was printed before. The running step is what a failure is blamed on.
  bool Conclude(const std::string& verdict, const std::string& code, const std::string& reason);

 private:
  struct Step {
    std::string name, result, detail;
    std::chrono::steady_clock::time_point start;
    double ms = 0;
    Values values;
  };
  void EndStep(const std::string& result, const std::string& detail);

  std::mutex mutex_;
  std::vector<Step> steps_;
  std::string device_ = "null", image_;
  bool concluded_ = false;
};

}  // namespace infernode::probe
