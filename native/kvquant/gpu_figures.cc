// Times of the KV kernels on a device: beside a device-to-device copy, per launch, and for the whole chain eager, batched and as a graph.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "kvquant/cuda/graph_runner.h"
#include "kvquant/formats.h"
#include "kvquant/gpu_check.h"

namespace infernode::kv {

namespace {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Milliseconds of the device between two events around `issue`, median after a warm-up.
template <class Issue>
double DeviceMilliseconds(const DeviceSession& session, int repeats, const Issue& issue) {
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

Row Measure(const DeviceSession& session, GpuCheckRandom& random, const GpuCheckOptions& o, const char* format, double budget, double copy_bytes_per_ms) {
  const bool channels = std::strstr(format, "chan") != nullptr;
  const uint32_t per_record = channels ? 8 : 1, pages = static_cast<uint32_t>(o.mib * (size_t{1} << 20) / 32768 / 8 * 8), records = pages / per_record;
  const infernode_kv_section s = SectionOf(format, INFERNODE_KV_BF16, true, 128, 8, pages, per_record);
  const size_t elements = static_cast<size_t>(s.page_stride) * pages;
  const std::vector<int32_t> table = ShuffledTable(random, pages);
  const DeviceBatch batch(session, s, elements, table.data(), records);
  std::vector<uint16_t> cache(elements);
  for (uint16_t& v : cache) v = static_cast<uint16_t>((0x3E00 + random() % 0x280) | (random() & 0x8000));
  session.Upload(batch.cache(), cache.data(), 2 * elements);
  const double moved = 2.0 * static_cast<double>(elements) + static_cast<double>(batch.records().bytes());
  const auto share = [&](double ms) { return moved / ms / copy_bytes_per_ms; };
  const double encode = DeviceMilliseconds(session, o.repeats, [&] { batch.Launch(true); });
  const double decode = DeviceMilliseconds(session, o.repeats, [&] { batch.Launch(false); });
  const double few = DeviceMilliseconds(session, o.repeats, [&] { batch.Launch(true, std::max(1u, session.Multiprocessors() / 8)); });
  return {format, budget, 8.0 * static_cast<double>(batch.records().bytes()) / static_cast<double>(elements), share(encode), share(decode), share(few)};
}

/// What the calling thread spends on one launch of one record.
double LaunchMicroseconds(const DeviceSession& session) {
  const infernode_kv_section s = SectionOf("int8_head", INFERNODE_KV_BF16, true, 128, 8, 1, 1);
  const int32_t table[] = {0};
  const DeviceBatch batch(session, s, static_cast<size_t>(s.page_stride), table, 1);
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

constexpr uint32_t kChainPages = 16;

/// One launch, and its copies, for each section; one for all of them; and that replayed as a graph.
Chain MeasureChain(const DeviceSession& session, GpuCheckRandom& random, const GpuCheckOptions& o, uint32_t records) {
  const infernode_kv_section s = SectionOf("int8_head", INFERNODE_KV_BF16, true, 128, 8, kChainPages, 1);
  const size_t elements = static_cast<size_t>(s.page_stride) * kChainPages;
  const std::vector<int32_t> table = ShuffledTable(random, kChainPages);
  Chain chain{records, 0, 0, 0, 0};
  {
    std::vector<DeviceBatch> layers;
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
  GraphOptions options;
  options.sections.assign(kChainSections, s);
  options.counts = {records};
  options.capacity = records;
  GraphRunner runner(DeviceSession::Open(o.library.c_str(), o.device), options);
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

}  // namespace

Figures MeasureAll(const DeviceSession& session, GpuCheckRandom& random, const GpuCheckOptions& o) {
  Figures figures;
  for (const uint32_t records : {1u, 8u}) Attempt(figures, "chain of " + std::to_string(records), [&] { figures.chains.push_back(MeasureChain(session, random, o, records)); });
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
  for (const auto& [format, budget] : formats) Attempt(figures, format, [&, format = format, budget = budget] { figures.rows.push_back(Measure(session, random, o, format, budget, figures.copy_gb_per_s * 1e6)); });
  return figures;
}

}  // namespace infernode::kv
