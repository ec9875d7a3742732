#include "probe/report.h"

#include <cstdio>

namespace infernode::probe {

std::string JsonString(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    char escaped[8];
    if (c == '"' || c == '\\') out += '\\', out += c;
    else if (static_cast<unsigned char>(c) < 0x20) std::snprintf(escaped, sizeof escaped, "\\u%04x", c), out += escaped;
    else out += c;
  }
  return out + '"';
}

void Report::EndStep(const std::string& result, const std::string& detail) {
  if (steps_.empty() || !steps_.back().result.empty()) return;
  Step& step = steps_.back();
  step.result = result;
  step.detail = detail;
  step.ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - step.start).count();
}

void Report::Begin(const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  EndStep("pass", "");
  steps_.push_back({name, "", "", std::chrono::steady_clock::now(), 0, {}});
}

void Report::Add(const std::string& name, double value) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!steps_.empty()) steps_.back().values.emplace_back(name, value);
}

void Report::Skip(const std::string& why) {
  const std::lock_guard<std::mutex> lock(mutex_);
  EndStep("skipped", why);
}

void Report::Describe(const std::string& device_json, const std::string& image) {
  const std::lock_guard<std::mutex> lock(mutex_);
  device_ = device_json;
  image_ = image;
}

bool Report::Conclude(const std::string& verdict, const std::string& code, const std::string& reason) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (std::exchange(concluded_, true)) return false;
  EndStep(verdict, reason);
  std::string out = "{\"verdict\":" + JsonString(verdict) + ",\"code\":" + JsonString(code) + ",\"reason\":" + JsonString(reason) + ",\"device\":" + device_ +
                    ",\"image\":" + JsonString(image_) + ",\"steps\":[";
  for (const Step& step : steps_) {
    char number[40];
    std::snprintf(number, sizeof number, "%.3f", step.ms);
    out += std::string(&step == &steps_[0] ? "" : ",") + "{\"name\":" + JsonString(step.name) + ",\"result\":" + JsonString(step.result) +
           ",\"detail\":" + JsonString(step.detail) + ",\"ms\":" + number + ",\"values\":{";
    for (const auto& value : step.values) {
      std::snprintf(number, sizeof number, "%.15g", value.second);
      out += std::string(&value == &step.values[0] ? "" : ",") + JsonString(value.first) + ":" + number;
    }
    out += "}}";
  }
  std::printf("%s]}\n", out.c_str());
  std::fflush(stdout);
  return true;
}

}  // namespace infernode::probe
