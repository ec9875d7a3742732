// The KV kernels on a real GPU: parity with the scalar reference, bandwidth beside a device-to-device copy, launch overhead. Writes one JSON
// and one Markdown file. scripts/gpu-check builds and runs it; over the libcuda simulator it shows that the check itself works, and times nothing.
//
//   infernode-kv-gpu-check [--library libcuda.so.1] [--device 0] [--seed N] [--rounds 2] [--mib 1024] [--repeats 15] [--parity-only 1] [--out DIRECTORY]
//
// `--exercise 1` has the measurements run once over the simulator too, small, and says only which of them could run.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "kvquant/gpu_check.h"

namespace {

using namespace infernode;
using namespace infernode::kv;

struct Report {
  std::string gpu, uuid, image, date;
  int driver_cuda, capability;
  bool simulated;
};

void WriteJson(FILE* f, const Report& r, const GpuCheckOptions& o, const Parity& parity, const Figures& figures) {
  std::fprintf(f, "{\n  \"gpu\": \"%s\",\n  \"uuid\": \"%s\",\n  \"simulated\": %s,\n  \"driverCuda\": \"%d.%d\",\n  \"computeCapability\": \"%d.%d\",\n  \"image\": \"%s\",\n  \"date\": \"%s\",\n", r.gpu.c_str(), r.uuid.c_str(),
               r.simulated ? "true" : "false", r.driver_cuda / 1000, r.driver_cuda % 1000 / 10, r.capability / 10, r.capability % 10, r.image.c_str(), r.date.c_str());
  std::fprintf(f, "  \"parity\": {\"seed\": %llu, \"cases\": %d, \"failures\": %zu},\n", static_cast<unsigned long long>(o.seed), parity.cases, parity.failures.size());
  if (figures.rows.empty() && figures.chains.empty() && figures.missing.empty()) {
    std::fprintf(f, "  \"figures\": null\n}\n");
    return;
  }
  std::fprintf(f, "  \"figures\": {\"mib\": %zu, \"repeats\": %d, \"copyGBps\": %.1f, \"launchUs\": %.2f, \"formats\": [", o.mib, o.repeats, figures.copy_gb_per_s, figures.launch_us);
  for (const Row& row : figures.rows)
    std::fprintf(f, "%s\n    {\"format\": \"%s\", \"bitsPerValue\": %.2f, \"budget\": %.2f, \"encode\": %.3f, \"decode\": %.3f, \"encodeFewBlocks\": %.3f}", &row == &figures.rows[0] ? "" : ",", row.format.c_str(), row.bits, row.budget, row.encode,
                 row.decode, row.encode_few);
  std::fprintf(f, "\n  ], \"chains\": [");
  for (const Chain& c : figures.chains)
    std::fprintf(f, "%s\n    {\"records\": %u, \"sections\": %u, \"perLayerUs\": %.1f, \"perLayerThreadUs\": %.1f, \"batchedUs\": %.1f, \"graphUs\": %.1f}", &c == &figures.chains[0] ? "" : ",", c.records, kChainSections, c.per_layer,
                 c.per_layer_cpu, c.batched, c.graph);
  std::fprintf(f, "\n  ], \"notMeasured\": %zu}\n}\n", figures.missing.size());
}

void WriteMarkdown(FILE* f, const Report& r, const GpuCheckOptions& o, const Parity& parity, const Figures& figures) {
  std::fprintf(f, "# KV kernels on the GPU\n\n%s, compute capability %d.%d, driver for CUDA %d.%d, image %s; %s.\n\n", r.gpu.c_str(), r.capability / 10, r.capability % 10, r.driver_cuda / 1000, r.driver_cuda % 1000 / 10, r.image.c_str(), r.date.c_str());
  if (r.simulated) std::fprintf(f, "**A simulator, not a GPU: this shows that the check runs. There are no times.**\n\n");
  std::fprintf(f, "Parity with the scalar reference: %d cases, %zu failures (seed %llu).\n", parity.cases, parity.failures.size(), static_cast<unsigned long long>(o.seed));
  for (const std::string& missing : figures.missing) std::fprintf(f, "\nNot measured: %s\n", missing.c_str());
  if (!figures.chains.empty()) {
    std::fprintf(f, "\nThe chain for 80 layers x K and V, from the block table to records on the host, microseconds, median of %d. The source documents had 500; a tenth of that is aimed at.\n\n", o.repeats);
    std::fprintf(f, "| records | eager per layer | of it before waiting | one batched launch | as a graph | graph to per layer |\n|---|---|---|---|---|---|\n");
    for (const Chain& c : figures.chains) std::fprintf(f, "| %u | %.1f | %.1f | %.1f | %.1f | 1 : %.1f |\n", c.records, c.per_layer, c.per_layer_cpu, c.batched, c.graph, c.per_layer / c.graph);
  }
  if (figures.rows.empty()) return;
  std::fprintf(f, "\n%zu MiB of bf16, pages of 16 x 8 x 128 in a shuffled table, median of %d. Shares are bytes moved per second by those of a device-to-device copy (%.0f GB/s read and written), so the\nlimit is 1. Few blocks: one for every 8 multiprocessors. One launch costs its thread %.1f us.\n\n", o.mib, o.repeats, figures.copy_gb_per_s, figures.launch_us);
  std::fprintf(f, "| format | bits/value | budget | encode | decode | gap of encode to the limit | encode, few blocks |\n|---|---|---|---|---|---|---|\n");
  for (const Row& row : figures.rows) {
    const bool missed = row.encode < row.budget || row.decode < row.budget;
    std::fprintf(f, "| %s | %.2f | %.2f%s | %.2f | %.2f | %.2f | %.2f |\n", row.format.c_str(), row.bits, row.budget, missed ? " **missed**" : "", row.encode, row.decode, 1 - row.encode, row.encode_few);
  }
}

GpuCheckOptions ReadOptions(int count, char** arguments) {
  GpuCheckOptions o;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = arguments[i], value = arguments[i + 1];
    if (name == "--library") o.library = value;
    else if (name == "--out") o.out = value;
    else if (name == "--device") o.device = std::atoi(value.c_str());
    else if (name == "--seed") o.seed = std::strtoull(value.c_str(), nullptr, 10);
    else if (name == "--rounds") o.rounds = std::clamp(std::atoi(value.c_str()), 1, 1000);
    else if (name == "--mib") o.mib = std::clamp<size_t>(std::strtoul(value.c_str(), nullptr, 10), 1, 16384);
    else if (name == "--repeats") o.repeats = std::clamp(std::atoi(value.c_str()), 1, 1001);
    else if (name == "--exercise") o.exercise = value == "1";
    else if (name == "--parity-only") o.parity_only = value == "1";
    else std::fprintf(stderr, "unknown option %s\n", name.c_str()), std::exit(2);
  }
  return o;
}

std::string Today() {
  char date[16];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  return date;
}

template <class Write>
bool WriteFile(const std::string& path, const Write& write) {
  FILE* f = std::fopen(path.c_str(), "w");
  if (!f) return std::perror(path.c_str()), false;
  write(f);
  return std::fclose(f) == 0;
}

int Run(const GpuCheckOptions& o) {
  const auto session = DeviceSession::Open(o.library.c_str(), o.device);
  const cuda::Context& context = *session->context();
  const std::string gpu = context.Name();
  // The simulated driver's devices say so in their name: nothing of it may pass for a measurement.
  const Report report{gpu, context.Uuid(), session->Kernel(true, false, false).module.image, Today(), context.driver().version(), context.ComputeCapability(), gpu.find("simulated") != std::string::npos};
  GpuCheckRandom random(o.seed);
  const Parity parity = CheckAllParity(*session, random, o.rounds);
  for (const std::string& failure : parity.failures) std::fprintf(stderr, "%s (seed %llu)\n", failure.c_str(), static_cast<unsigned long long>(o.seed));
  if (report.simulated && o.exercise) {
    GpuCheckOptions small = o;
    small.mib = 1, small.repeats = 1;
    const Figures run = MeasureAll(*session, random, small);
    std::printf("measurements that ran: %zu formats, %zu chains; not: %zu\n", run.rows.size(), run.chains.size(), run.missing.size());
    if (!run.missing.empty()) return 1;
  }
  const Figures figures = report.simulated || o.parity_only ? Figures{} : MeasureAll(*session, random, o);
  const std::string base = o.out + (report.simulated ? "/kv-gpu-simulated" : "/kv-gpu");
  if (!o.parity_only && !(WriteFile(base + ".json", [&](FILE* f) { WriteJson(f, report, o, parity, figures); }) && WriteFile(base + ".md", [&](FILE* f) { WriteMarkdown(f, report, o, parity, figures); }))) return 1;
  WriteMarkdown(stdout, report, o, parity, figures);
  return parity.failures.empty() ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return Run(ReadOptions(count, arguments));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "infernode-kv-gpu-check: %s\n", error.what());
    return 3;
  }
}
