// The report of the check, of whatever parts have run: one JSON and one Markdown file.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "kvquant/gpu_check.h"

namespace infernode::kv {
namespace {

std::string Today() {
  char date[16];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  return date;
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return quoted + '"';
}

/// The text of a literal that is a string.
std::string Text(const PartResult& result, const char* name) {
  const std::string* value = result.Value(name);
  return value && value->size() > 1 && (*value)[0] == '"' ? value->substr(1, value->size() - 2) : "unknown";
}

const PartResult* Find(const std::vector<PartResult>& results, const std::string& name) {
  for (const PartResult& result : results)
    if (result.part.name == name) return &result;
  return nullptr;
}

bool StartsWith(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

/// What parts of a kind told.
std::vector<const PartResult*> Told(const std::vector<PartResult>& results, const char* kind) {
  std::vector<const PartResult*> told;
  for (const PartResult& result : results)
    if (StartsWith(result.part.name, kind) && !result.values.empty()) told.push_back(&result);
  return told;
}

void WriteValues(FILE* f, const PartResult& result, const char* separator) {
  for (const auto& [name, literal] : result.values) std::fprintf(f, "%s\"%s\": %s", &result.values[0].first == &name ? "" : separator, name.c_str(), literal.c_str());
}

void WriteList(FILE* f, const char* name, const std::vector<const PartResult*>& list) {
  std::fprintf(f, "\"%s\": [", name);
  for (size_t i = 0; i < list.size(); ++i) std::fprintf(f, "%s\n    {", i ? "," : ""), WriteValues(f, *list[i], ", "), std::fprintf(f, "}");
  std::fprintf(f, "]");
}

void WriteJson(FILE* f, const GpuCheckOptions& o, const std::vector<PartResult>& results) {
  const bool simulated = IsSimulated(results);
  const PartResult *device = Find(results, "device"), *parity = Find(results, "parity");
  std::fprintf(f, "{\n  \"simulated\": %s,\n  \"date\": \"%s\",\n  \"seed\": %llu,\n  ", simulated ? "true" : "false", Today().c_str(), static_cast<unsigned long long>(o.seed));
  if (device && !device->values.empty()) WriteValues(f, *device, ",\n  "), std::fprintf(f, ",\n  ");
  std::fprintf(f, "\"parity\": ");
  if (parity && !parity->values.empty()) std::fprintf(f, "{"), WriteValues(f, *parity, ", "), std::fprintf(f, "}");
  else std::fprintf(f, "null");
  const auto formats = Told(results, "format "), chains = Told(results, "chain "), launch = Told(results, "launch");
  if (simulated || formats.size() + chains.size() + launch.size() == 0) {
    std::fprintf(f, ",\n  \"figures\": null");
  } else {
    std::fprintf(f, ",\n  \"figures\": {\"mib\": %zu, \"repeats\": %d, ", o.mib, o.repeats);
    WriteList(f, "formats", formats), std::fprintf(f, ", "), WriteList(f, "chains", chains), std::fprintf(f, ", "), WriteList(f, "launch", launch);
    std::fprintf(f, "}");
  }
  std::fprintf(f, ",\n  \"parts\": [");
  for (const PartResult& r : results)
    std::fprintf(f, "%s\n    {\"part\": \"%s\", \"state\": \"%s\", \"seconds\": %.1f, \"reason\": %s}", &r == &results[0] ? "" : ",", r.part.name.c_str(), PartStateName(r.state), r.seconds,
                 r.reason.empty() ? "null" : Quoted(r.reason).c_str());
  std::fprintf(f, "\n  ]\n}\n");
}

/// A cell, empty for what was not told.
std::string Cell(const PartResult& r, const char* name, int decimals) {
  char text[32] = "";
  const double value = r.Number(name);
  if (!std::isnan(value)) std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

void PrintFormats(FILE* f, const GpuCheckOptions& o, const std::vector<const PartResult*>& formats) {
  if (formats.empty()) return;
  std::fprintf(f,
               "\n%zu MiB of bf16, pages of 16 x 8 x 128 in a shuffled table, median of %d. Shares are bytes moved per second by those of a device-to-device copy, measured\n"
               "beside each format, so the limit is 1 and the gap what is missing to it. Few blocks: one for every 8 multiprocessors.\n\n",
               o.mib, o.repeats);
  std::fprintf(f, "| format | bits/value | copy, GB/s | budget | encode | gap | decode | gap | encode, few blocks |\n|---|---|---|---|---|---|---|---|---|\n");
  for (const PartResult* r : formats) {
    const double encode = r->Number("encode"), decode = r->Number("decode"), budget = r->Number("budget");
    const auto missed = [&](double share) { return share < budget ? " **missed**" : ""; };
    std::fprintf(f, "| %s | %s | %s | %s | %s%s | %.2f | %s%s | %.2f | %s |\n", Text(*r, "format").c_str(), Cell(*r, "bitsPerValue", 2).c_str(), Cell(*r, "copyGBps", 0).c_str(),
                 Cell(*r, "budget", 2).c_str(), Cell(*r, "encode", 2).c_str(), missed(encode), 1 - encode, Cell(*r, "decode", 2).c_str(), missed(decode), 1 - decode,
                 Cell(*r, "encodeFewBlocks", 2).c_str());
  }
}

void PrintChains(FILE* f, const GpuCheckOptions& o, const std::vector<const PartResult*>& chains) {
  if (chains.empty()) return;
  std::fprintf(f,
               "\nEnd to end for 80 layers x K and V (int8_head), between a block table and records in page-locked memory of the host; microseconds, median of %d; in brackets what the\n"
               "calling thread spends before it waits: the launch cost. The bare copy of the same bytes is the limit. The source documents had 500 for the chain; a tenth is aimed at.\n\n",
               o.repeats);
  std::fprintf(f, "| direction | records | KiB | bare copy | eager per layer | eager batched | graph | graph to per layer | graph over the copy |\n|---|---|---|---|---|---|---|---|---|\n");
  for (const PartResult* r : chains) {
    const double graph = r->Number("graphUs");
    std::fprintf(f, "| %s | %s | %s | %s | %s (%s) | %s (%s) | %s (%s) | 1 : %.1f | %.1f |\n", Text(*r, "direction").c_str(), Cell(*r, "records", 0).c_str(), Cell(*r, "kib", 0).c_str(),
                 Cell(*r, "copyUs", 1).c_str(), Cell(*r, "perLayerUs", 1).c_str(), Cell(*r, "perLayerThreadUs", 1).c_str(), Cell(*r, "batchedUs", 1).c_str(),
                 Cell(*r, "batchedThreadUs", 1).c_str(), Cell(*r, "graphUs", 1).c_str(), Cell(*r, "graphThreadUs", 1).c_str(), r->Number("perLayerUs") / graph, graph - r->Number("copyUs"));
  }
}

void WriteMarkdown(FILE* f, const GpuCheckOptions& o, const std::vector<PartResult>& results) {
  std::fprintf(f, "# KV kernels on the GPU\n\n");
  if (const PartResult* d = Find(results, "device"); d && !d->values.empty()) {
    std::fprintf(f, "%s, compute capability %s, driver for CUDA %s, image %s; %s.", Text(*d, "gpu").c_str(), Text(*d, "computeCapability").c_str(), Text(*d, "driverCuda").c_str(),
                 Text(*d, "image").c_str(), Today().c_str());
    if (d->Number("peakGBps") > 0) std::fprintf(f, " Memory clock and bus width allow %s GB/s.", Cell(*d, "peakGBps", 0).c_str());
    std::fprintf(f, "\n\n");
  }
  if (IsSimulated(results)) std::fprintf(f, "**A simulator, not a GPU: this shows that the check runs. There are no times.**\n\n");
  if (const PartResult* p = Find(results, "parity"); p && !p->values.empty())
    std::fprintf(f, "Parity with the scalar reference: %s cases, %s failures (seed %llu)%s.\n", Cell(*p, "cases", 0).c_str(), Cell(*p, "failures", 0).c_str(), static_cast<unsigned long long>(o.seed),
                 p->state == PartState::kDone || p->state == PartState::kFailed ? "" : ", not all of it run");
  for (const PartResult& r : results)
    if (r.state != PartState::kDone) std::fprintf(f, "\n**%s: %s**%s%s\n", r.part.name.c_str(), PartStateName(r.state), r.reason.empty() ? "" : ": ", r.reason.c_str());
  if (IsSimulated(results)) return;
  PrintFormats(f, o, Told(results, "format "));
  PrintChains(f, o, Told(results, "chain "));
  for (const PartResult* r : Told(results, "launch")) std::fprintf(f, "\nOne launch of one record costs its thread %s us.\n", Cell(*r, "launchUs", 2).c_str());
}

/// By another file and a rename: a reader, or an end in between, finds the file of before.
bool Replace(const std::string& path, const std::function<void(FILE*)>& write) {
  const std::string next = path + ".next";
  FILE* f = std::fopen(next.c_str(), "w");
  if (!f) return std::perror(next.c_str()), false;
  write(f);
  return std::fclose(f) == 0 && std::rename(next.c_str(), path.c_str()) == 0;
}

}  // namespace

/// The simulated driver's devices say so in their name: nothing of it may pass for a measurement.
bool IsSimulated(const std::vector<PartResult>& results) {
  const PartResult* device = Find(results, "device");
  return device && Text(*device, "gpu").find("simulated") != std::string::npos;
}

bool WriteReport(const GpuCheckOptions& o, const std::vector<PartResult>& results) {
  const std::string base = o.out + (IsSimulated(results) ? "/kv-gpu-simulated" : "/kv-gpu");
  return Replace(base + ".json", [&](FILE* f) { WriteJson(f, o, results); }) && Replace(base + ".md", [&](FILE* f) { WriteMarkdown(f, o, results); });
}

void PrintReport(const GpuCheckOptions& o, const std::vector<PartResult>& results) { WriteMarkdown(stdout, o, results); }

}  // namespace infernode::kv
