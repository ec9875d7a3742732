// What a step of an engine pays for its KV blocks: 80 layers x K and V between a block table and records in page-locked memory of the host,
// launched layer by layer, in one batch, and as a replayed graph, beside the bare copy of the same bytes.
#include <chrono>
#include <cstring>

#include "kvquant/cuda/graph_runner.h"
#include "kvquant/cuda/stream_workspace.h"
#include "kvquant/gpu_check.h"

namespace infernode::kv {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kChainPages = 16;

/// The engine's side: caches, a stream, a block table, records on the device and on the host; and what records must be.
struct Engine {
  Engine(const DeviceSession& s, GpuCheckRandom& random, uint32_t count)
      : session(s), records(count), values(RandomValues(random, static_cast<size_t>(section.page_stride) * kChainPages)), table(ShuffledTable(random, kChainPages)) {
    size_t record_bytes = 0;
    infernode_kv_section_record_bytes(&section, &record_bytes);
    section_bytes = records * record_bytes;
    expected.resize(section_bytes);
    infernode_kv_encode_paged(nullptr, INFERNODE_KV_SCALAR, &section, values.data(), values.size(), table.data(), records, expected.data(), section_bytes, nullptr, nullptr);
    decoded.assign(values.size(), 0xA5A5);
    infernode_kv_decode_paged(nullptr, INFERNODE_KV_SCALAR, &section, expected.data(), section_bytes, table.data(), records, decoded.data(), decoded.size(), nullptr);
    for (uint32_t i = 0; i < kChainSections; ++i) memory.push_back(s.Allocate(2 * values.size())), caches.push_back(memory[i].get());
    device = s.Allocate(bytes());
    host = cuda::PinnedMemory(s.context(), bytes());
  }

  size_t bytes() const { return kChainSections * section_bytes; }
  cuda::CUstream stream() const { return session.stream().get(); }
  StreamWorkspace::Records Place(uint32_t i, uint32_t sections) const { return {device.get() + i * section_bytes, sections * section_bytes, host.as<uint8_t>() + i * section_bytes}; }

  /// Encoding must make records of poison, decoding must make pages of it.
  void Poison(bool encode) {
    for (uint32_t i = 0; i < kChainSections; ++i) {
      if (encode) session.Upload(memory[i], values.data(), 2 * values.size()), std::memset(host.as<uint8_t>() + i * section_bytes, 0xA5, section_bytes);
      else session.Fill(memory[i], 0xA5), std::memcpy(host.as<uint8_t>() + i * section_bytes, expected.data(), section_bytes);
    }
    session.Wait();
  }
  void ExpectPages() const {
    std::vector<uint16_t> found(values.size());
    for (uint32_t i = 0; i < kChainSections; i += kChainSections - 1) {
      session.Download(found.data(), memory[i], 2 * found.size());
      session.Wait();
      if (found != decoded) throw std::runtime_error("the pages of section " + std::to_string(i) + " are not the scalar reference's");
    }
  }
  void ExpectRecords(uint32_t i, const uint8_t* made) const {
    if (std::memcmp(made, expected.data(), section_bytes) != 0) throw std::runtime_error("the records of section " + std::to_string(i) + " are not the scalar reference's");
  }

  const DeviceSession& session;
  uint32_t records;
  infernode_kv_section section = SectionOf("int8_head", INFERNODE_KV_BF16, true, 128, 8, kChainPages, 1);
  std::vector<uint16_t> values, decoded;
  std::vector<int32_t> table;
  size_t section_bytes = 0;
  std::vector<uint8_t> expected;
  std::vector<cuda::DeviceMemory> memory;
  std::vector<uint64_t> caches;
  cuda::DeviceMemory device;
  cuda::PinnedMemory host;
};

/// Tells the median of the whole, and of what the calling thread spends on issuing it.
template <class Issue, class End>
void TellTimes(const Engine& engine, int repeats, const std::string& name, const Issue& issue, const End& end) {
  std::vector<double> whole, thread;
  for (int i = -2; i < repeats; ++i) {
    const auto begin = Clock::now();
    issue();
    const auto issued = Clock::now();
    engine.session.Wait();
    end();
    const auto ended = Clock::now();
    if (i < 0) continue;
    whole.push_back(std::chrono::duration<double, std::micro>(ended - begin).count());
    thread.push_back(std::chrono::duration<double, std::micro>(issued - begin).count());
  }
  Tell((name + "Us").c_str(), Median(whole), 1);
  Tell((name + "ThreadUs").c_str(), Median(thread), 1);
}

void ExpectOk(const LaunchOutcome& outcome) {
  if (outcome.result != INFERNODE_KV_OK) throw std::runtime_error("record " + std::to_string(outcome.bad_record) + ": " + infernode_kv_message(outcome.result));
}

/// `sections` of them in each launch: 1 is layer by layer.
void TimeWorkspaces(std::shared_ptr<DeviceSession> session, Engine& engine, int repeats, bool encode, uint32_t sections, const std::string& name) {
  std::vector<std::unique_ptr<StreamWorkspace>> workspaces;
  for (uint32_t i = 0; i < kChainSections; i += sections)
    workspaces.push_back(std::make_unique<StreamWorkspace>(session, SectionSet(std::vector<infernode_kv_section>(sections, engine.section), engine.records),
                                                           std::vector<uint64_t>(engine.caches.begin() + i, engine.caches.begin() + i + sections), 0));
  engine.Poison(encode);
  const auto issue = [&] {
    uint32_t i = 0;
    for (const auto& workspace : workspaces) workspace->Run(encode, engine.stream(), engine.table.data(), engine.records, engine.Place(i, sections)), i += sections;
  };
  const auto end = [&] {
    for (const auto& workspace : workspaces) ExpectOk(workspace->Outcome());
  };
  issue(), engine.session.Wait(), end();
  for (uint32_t i = 0; encode && i < kChainSections; ++i) engine.ExpectRecords(i, engine.host.as<uint8_t>() + i * engine.section_bytes);
  if (!encode) engine.ExpectPages();
  TellTimes(engine, repeats, name, issue, end);
}

void TimeGraph(std::shared_ptr<DeviceSession> session, Engine& engine, int repeats, bool encode) {
  GraphOptions options;
  options.encode = encode;
  options.sections.assign(kChainSections, engine.section);
  options.counts = {engine.records};
  options.capacity = engine.records;
  GraphRunner runner(session, options);
  engine.Poison(encode);
  runner.Bind(engine.caches);
  runner.Capture();
  for (uint32_t i = 0; i < kChainSections; ++i) {
    if (encode) std::memset(runner.RecordsInPlace(i, engine.records), 0xA5, engine.section_bytes);
    else std::memcpy(runner.RecordsInPlace(i, engine.records), engine.expected.data(), engine.section_bytes);
  }
  const auto issue = [&] { runner.Start(engine.stream(), engine.table.data(), engine.records); };
  const auto end = [&] { ExpectOk(runner.Outcome()); };
  issue(), engine.session.Wait(), end();
  for (uint32_t i = 0; encode && i < kChainSections; ++i) engine.ExpectRecords(i, runner.RecordsInPlace(i, engine.records));
  if (!encode) engine.ExpectPages();
  TellTimes(engine, repeats, "graph", issue, end);
}

void TimeCopy(Engine& engine, int repeats, bool encode) {
  TellTimes(engine, repeats, "copy", [&] {
    if (encode) engine.session.Download(engine.host.get(), engine.device, engine.bytes());
    else engine.session.Upload(engine.device, engine.host.get(), engine.bytes());
  }, [] {});
}

}  // namespace

void MeasureChain(std::shared_ptr<DeviceSession> session, GpuCheckRandom& random, const GpuCheckOptions& o, bool encode, uint32_t records) {
  Engine engine(*session, random, records);
  Tell("direction", encode ? "encode" : "decode");
  Tell("records", records, 0);
  Tell("sections", kChainSections, 0);
  Tell("kib", static_cast<double>(engine.bytes()) / 1024, 0);
  TimeCopy(engine, o.repeats, encode);
  TimeWorkspaces(session, engine, o.repeats, encode, 1, "perLayer");
  TimeWorkspaces(session, engine, o.repeats, encode, kChainSections, "batched");
  TimeGraph(session, engine, o.repeats, encode);
}

}  // namespace infernode::kv
