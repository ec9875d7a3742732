// The KV kernels on a real GPU: parity with the scalar reference, bandwidth beside a device-to-device copy, launch overhead. Writes one JSON
// and one Markdown file. scripts/gpu-check builds and runs it; over the libcuda simulator it shows that the check itself works, and times nothing.
//
//   infernode-kv-gpu-check [--library libcuda.so.1] [--device 0] [--seed N] [--rounds 2] [--mib 1024] [--repeats 15] [--parity-only 1] [--out DIRECTORY]
//
// `--exercise 1` has the measurements run once over the simulator too, small, and says only which of them could run.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "kvquant/cuda/device_batch.h"
#include "kvquant/cuda/graph_runner.h"
#include "kvquant/formats.h"

namespace {

using namespace infernode;

struct Options {
  std::string library = "libcuda.so.1", out = ".";
  int device = 0, rounds = 2, repeats = 15;
  size_t mib = 1024;
  uint64_t seed = static_cast<uint64_t>(std::time(nullptr));
  bool parity_only = false, exercise = false;
};

uint64_t state;
uint32_t Next() {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return static_cast<uint32_t>(state >> 16);
}

infernode_kv_section SectionOf(const std::string& format, infernode_kv_dtype dtype, bool nhd, uint32_t dim, uint32_t heads, uint32_t pages, uint32_t per_record) {
  infernode_kv_section s{};
  infernode_kv_parse_format(format.c_str(), &s.format);
  s.page = {dtype, 16, heads, dim, nhd ? int64_t{heads} * dim : dim, nhd ? dim : int64_t{16} * dim};
  s.page_stride = int64_t{16} * heads * dim, s.pages = pages, s.pages_per_record = per_record;
  return s;
}

std::vector<int32_t> ShuffledTable(uint32_t pages) {
  std::vector<int32_t> table(pages);
  for (uint32_t i = 0; i < pages; ++i) table[i] = static_cast<int32_t>(i);
  for (uint32_t i = pages; i > 1; --i) std::swap(table[i - 1], table[Next() % i]);
  return table;
}

// --- Parity ---------------------------------------------------------------------------------------------------------------

struct Parity {
  int cases = 0;
  std::vector<std::string> failures;
};

/// Fresh values, one in 50 cases' elements anything at all; poisoned output on both sides.
void CheckParity(const kv::DeviceSession& session, const infernode_kv_section& s, const std::string& name, bool hostile, Parity& parity) {
  const uint32_t records = s.pages / s.pages_per_record;
  const size_t elements = static_cast<size_t>(s.page_stride) * s.pages;
  size_t record_bytes = 0;
  infernode_kv_section_record_bytes(&s, &record_bytes);
  const std::vector<int32_t> table = ShuffledTable(s.pages);
  std::vector<uint16_t> cache(elements), decoded(elements, 0xBEEF), expected(elements, 0xBEEF);
  const bool fp16 = s.page.dtype == INFERNODE_KV_FP16;
  for (uint16_t& v : cache) v = hostile && Next() % 50 == 0 ? static_cast<uint16_t>(Next()) : static_cast<uint16_t>(((fp16 ? 0x3000 : 0x3E00) + Next() % (fp16 ? 0x1800 : 0x280)) | (Next() & 0x8000));
  std::vector<uint8_t> made(records * record_bytes), reference(records * record_bytes, 0x5A);
  kv::DeviceBatch batch(session, s, elements, table.data(), records);
  session.Upload(batch.cache(), cache.data(), 2 * elements);
  session.Fill(batch.records(), 0xA5);
  batch.Launch(true, 1 + Next() % (2 * session.Multiprocessors()));
  session.Download(made.data(), batch.records(), made.size());
  const auto encoded = batch.Outcomes();
  infernode_kv_outcome outcome;
  infernode_kv_encode_paged(nullptr, INFERNODE_KV_SCALAR, &s, cache.data(), elements, table.data(), records, reference.data(), reference.size(), nullptr, &outcome);
  session.Upload(batch.cache(), decoded.data(), 2 * elements);
  batch.Launch(false);
  session.Download(decoded.data(), batch.cache(), 2 * elements);
  const auto read = batch.Outcomes();
  infernode_kv_decode_paged(nullptr, INFERNODE_KV_SCALAR, &s, reference.data(), reference.size(), table.data(), records, expected.data(), elements, nullptr);
  uint64_t nonfinite = 0;
  bool ok = true;
  for (const auto& one : encoded) nonfinite += one.nonfinite, ok &= one.result == INFERNODE_KV_OK;
  for (const auto& one : read) ok &= one.result == INFERNODE_KV_OK;
  ++parity.cases;
  if (made != reference) parity.failures.push_back(name + ": records differ");
  else if (decoded != expected) parity.failures.push_back(name + ": decoded values differ");
  else if (!ok || nonfinite != outcome.nonfinite) parity.failures.push_back(name + ": outcomes differ");
}

Parity CheckAllParity(const kv::DeviceSession& session, int rounds) {
  Parity parity;
  for (int round = 0; round < rounds; ++round)
    for (const char* code : {"int8", "int4s", "int4a", "e4m3", "e5m2"})
      for (const char* grouping : {"head", "tok", "g32", "g64", "g24", "chan", "head_r", "tok_r", "g64_r", "chan_r"})
        for (const infernode_kv_dtype dtype : {INFERNODE_KV_BF16, INFERNODE_KV_FP16}) {
          static const uint32_t dims[] = {128, 64, 256, 96, 5};
          const std::string format = std::string(code) + "_" + grouping;
          const bool rotates = std::strstr(grouping, "_r") != nullptr, nhd = Next() % 2;
          const uint32_t dim = round == 0 ? 128 : dims[Next() % (rotates ? 3 : 5)], per_record = Next() % 2 ? 8 : 1, heads = 1 + Next() % 4;
          const std::string name = format + (dtype ? " fp16" : " bf16") + (nhd ? " nhd " : " hnd ") + std::to_string(per_record) + "x16x" + std::to_string(heads) + "x" + std::to_string(dim);
          CheckParity(session, SectionOf(format, dtype, nhd, dim, heads, 2 * per_record, per_record), name, Next() % 2, parity);
        }
  return parity;
}

// --- Time -----------------------------------------------------------------------------------------------------------------

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Milliseconds of the device between two events around `issue`, median after a warm-up.
template <class Issue>
double DeviceMilliseconds(const kv::DeviceSession& session, int repeats, const Issue& issue) {
  const cuda::Event begin = cuda::NewEvent(session.context(), true), end = cuda::NewEvent(session.context(), true);
  const cuda::Driver& driver = session.context()->driver();
  std::vector<double> times;
  for (int i = -2; i < repeats; ++i) {
    const cuda::Current current(*session.context());
    INFERNODE_CUDA(driver, cuEventRecord, begin.get(), session.stream().get());
    issue();
    INFERNODE_CUDA(driver, cuEventRecord, end.get(), session.stream().get());
    INFERNODE_CUDA(driver, cuEventSynchronize, end.get());
    float ms = 0;
    INFERNODE_CUDA(driver, cuEventElapsedTime, &ms, begin.get(), end.get());
    if (i >= 0) times.push_back(ms);
  }
  return Median(times);
}

struct Row {
  std::string format;
  double budget, bits, encode, decode, encode_few;  // shares of the copy
};

/// Microseconds from a block table on the host to records on the host, 80 layers x K and V, and the part of it that the calling thread
/// spends before it waits.
struct Chain {
  uint32_t records;
  double per_layer, per_layer_cpu, batched, graph;
};

struct Figures {
  double copy_gb_per_s = 0, launch_us = 0;
  std::vector<Row> rows;
  std::vector<Chain> chains;
  /// Parts that could not be measured, and why; the others stand.
  std::vector<std::string> missing;
};

Row Measure(const kv::DeviceSession& session, const Options& o, const char* format, double budget, double copy_bytes_per_ms) {
  const bool channels = std::strstr(format, "chan") != nullptr;
  const uint32_t per_record = channels ? 8 : 1, pages = static_cast<uint32_t>(o.mib * (size_t{1} << 20) / 32768 / 8 * 8), records = pages / per_record;
  const infernode_kv_section s = SectionOf(format, INFERNODE_KV_BF16, true, 128, 8, pages, per_record);
  const size_t elements = static_cast<size_t>(s.page_stride) * pages;
  const std::vector<int32_t> table = ShuffledTable(pages);
  const kv::DeviceBatch batch(session, s, elements, table.data(), records);
  std::vector<uint16_t> cache(elements);
  for (uint16_t& v : cache) v = static_cast<uint16_t>((0x3E00 + Next() % 0x280) | (Next() & 0x8000));
  session.Upload(batch.cache(), cache.data(), 2 * elements);
  const double moved = 2.0 * static_cast<double>(elements) + static_cast<double>(batch.records().bytes());
  const auto share = [&](double ms) { return moved / ms / copy_bytes_per_ms; };
  const double encode = DeviceMilliseconds(session, o.repeats, [&] { batch.Launch(true); });
  const double decode = DeviceMilliseconds(session, o.repeats, [&] { batch.Launch(false); });
  const double few = DeviceMilliseconds(session, o.repeats, [&] { batch.Launch(true, std::max(1u, session.Multiprocessors() / 8)); });
  return {format, budget, 8.0 * static_cast<double>(batch.records().bytes()) / static_cast<double>(elements), share(encode), share(decode), share(few)};
}

/// What the calling thread spends on one launch of one record.
double LaunchMicroseconds(const kv::DeviceSession& session) {
  const infernode_kv_section s = SectionOf("int8_head", INFERNODE_KV_BF16, true, 128, 8, 1, 1);
  const int32_t table[] = {0};
  const kv::DeviceBatch batch(session, s, static_cast<size_t>(s.page_stride), table, 1);
  session.Fill(batch.cache(), 0x3F);
  batch.Launch(true);
  session.Wait();
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    batch.Launch(true);
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
    session.Wait();
  }
  return Median(times);
}

template <class Work>
double WallMicroseconds(int repeats, const Work& work) {
  std::vector<double> times;
  for (int i = -2; i < repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    if (i >= 0) times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
  }
  return Median(times);
}

constexpr uint32_t kChainSections = 160, kChainPages = 16;

/// One launch, and its copies, for each section; one for all of them; and that replayed as a graph.
Chain MeasureChain(const kv::DeviceSession& session, const Options& o, uint32_t records) {
  const infernode_kv_section s = SectionOf("int8_head", INFERNODE_KV_BF16, true, 128, 8, kChainPages, 1);
  const size_t elements = static_cast<size_t>(s.page_stride) * kChainPages;
  const std::vector<int32_t> table = ShuffledTable(kChainPages);
  Chain chain{records, 0, 0, 0, 0};
  {
    std::vector<kv::DeviceBatch> layers;
    layers.reserve(kChainSections);
    for (uint32_t i = 0; i < kChainSections; ++i) layers.emplace_back(session, s, elements, table.data(), records);
    const cuda::PinnedMemory host(session.context(), layers[0].records().bytes() * kChainSections);
    std::vector<double> issued;
    chain.per_layer = WallMicroseconds(o.repeats, [&] {
      const auto begin = std::chrono::steady_clock::now();
      for (uint32_t i = 0; i < kChainSections; ++i) {
        layers[i].Launch(true);
        session.Download(host.as<uint8_t>() + i * layers[i].records().bytes(), layers[i].records(), layers[i].records().bytes());
      }
      issued.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
      session.Wait();
    });
    chain.per_layer_cpu = Median(issued);
  }
  kv::GraphOptions options;
  options.sections.assign(kChainSections, s);
  options.counts = {records};
  options.capacity = records;
  kv::GraphRunner runner(kv::DeviceSession::Open(o.library.c_str(), o.device), options);
  const cuda::DeviceMemory cache = session.Allocate(2 * elements);
  session.Fill(cache, 0x3F);
  session.Wait();
  runner.Bind(std::vector<uint64_t>(kChainSections, cache.get()));
  std::vector<uint8_t> out(runner.RecordBytes(records));
  const auto run = [&] { runner.Run(table.data(), records, out.data(), out.size()); };
  chain.batched = WallMicroseconds(o.repeats, run);
  runner.Capture();
  chain.graph = WallMicroseconds(o.repeats, run);
  return chain;
}

/// A part that fails takes no other with it.
template <class Part>
void Attempt(Figures& figures, const std::string& name, const Part& part) {
  try {
    part();
  } catch (const std::exception& error) {
    figures.missing.push_back(name + ": " + error.what());
    std::fprintf(stderr, "%s: %s\n", name.c_str(), error.what());
  }
}

Figures MeasureAll(const kv::DeviceSession& session, const Options& o) {
  Figures figures;
  for (const uint32_t records : {1u, 8u}) Attempt(figures, "chain of " + std::to_string(records), [&] { figures.chains.push_back(MeasureChain(session, o, records)); });
  Attempt(figures, "launch", [&] { figures.launch_us = LaunchMicroseconds(session); });
  const size_t bytes = o.mib << 20;
  Attempt(figures, "device-to-device copy", [&] {
    const cuda::DeviceMemory from = session.Allocate(bytes), to = session.Allocate(bytes);
    session.Fill(from, 0x3F);
    const double ms = DeviceMilliseconds(session, o.repeats, [&] { INFERNODE_CUDA(session.context()->driver(), cuMemcpyDtoDAsync_v2, to.get(), from.get(), bytes, session.stream().get()); });
    figures.copy_gb_per_s = 2.0 * static_cast<double>(bytes) / ms / 1e6;
  });
  if (figures.copy_gb_per_s == 0) return figures;
  const std::pair<const char*, double> formats[] = {{"int8_head", .85}, {"int8_tok", .85}, {"e4m3_head", .85}, {"e4m3_tok", .85}, {"int4a_g64", .80}, {"int8_chan", .75}, {"int4a_chan", .75}, {"int8_tok_r", .60}, {"int4a_g64_r", .60}, {"raw", 0}};
  for (const auto& [format, budget] : formats) Attempt(figures, format, [&, format = format, budget = budget] { figures.rows.push_back(Measure(session, o, format, budget, figures.copy_gb_per_s * 1e6)); });
  return figures;
}

// --- Report ---------------------------------------------------------------------------------------------------------------

struct Report {
  std::string gpu, uuid, image, date;
  int driver_cuda, capability;
  bool simulated;
};

void WriteJson(FILE* f, const Report& r, const Options& o, const Parity& parity, const Figures& figures) {
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

void WriteMarkdown(FILE* f, const Report& r, const Options& o, const Parity& parity, const Figures& figures) {
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

Options ReadOptions(int count, char** arguments) {
  Options o;
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

int Run(const Options& o) {
  const auto session = kv::DeviceSession::Open(o.library.c_str(), o.device);
  const cuda::Context& context = *session->context();
  const std::string gpu = context.Name();
  // The simulated driver's devices say so in their name: nothing of it may pass for a measurement.
  const Report report{gpu, context.Uuid(), session->Kernel(true, false, false).module.image, Today(), context.driver().version(), context.ComputeCapability(), gpu.find("simulated") != std::string::npos};
  state = o.seed * 0x9E3779B97F4A7C15u | 1;
  const Parity parity = CheckAllParity(*session, o.rounds);
  for (const std::string& failure : parity.failures) std::fprintf(stderr, "%s (seed %llu)\n", failure.c_str(), static_cast<unsigned long long>(o.seed));
  if (report.simulated && o.exercise) {
    Options small = o;
    small.mib = 1, small.repeats = 1;
    const Figures run = MeasureAll(*session, small);
    std::printf("measurements that ran: %zu formats, %zu chains; not: %zu\n", run.rows.size(), run.chains.size(), run.missing.size());
    if (!run.missing.empty()) return 1;
  }
  const Figures figures = report.simulated || o.parity_only ? Figures{} : MeasureAll(*session, o);
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
