// Times of the KV kernels on a device: beside a device-to-device copy, and per launch. What is timed is looked at too: records are those of the
// scalar reference, or there is no time.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>

#include "kvquant/cuda/device_batch.h"
#include "kvquant/gpu_check.h"

namespace infernode::kv {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::vector<uint16_t> RandomValues(GpuCheckRandom& random, size_t count) {
  std::vector<uint16_t> values(count);
  for (uint16_t& v : values) v = static_cast<uint16_t>((0x3E00 + random() % 0x280) | (random() & 0x8000));
  return values;
}

namespace {

using Clock = std::chrono::steady_clock;

double Microseconds(Clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

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

/// A record now and then, the first and the last included, is the reference's.
void ExpectRecords(const infernode_kv_section& s, const std::vector<uint16_t>& cache, const int32_t* table, uint32_t records, const uint8_t* made) {
  size_t bytes = 0;
  infernode_kv_section_record_bytes(&s, &bytes);
  std::vector<uint8_t> expected(bytes);
  for (uint32_t r = 0; r < records; r = r + 1 == records ? records : std::min(r + 1 + records / 50, records - 1)) {
    infernode_kv_encode_paged(nullptr, INFERNODE_KV_SCALAR, &s, cache.data(), cache.size(), table + size_t{r} * s.pages_per_record, 1, expected.data(), bytes, nullptr, nullptr);
    if (std::memcmp(expected.data(), made + r * bytes, bytes) != 0) throw std::runtime_error("record " + std::to_string(r) + " is not the scalar reference's");
  }
}

double CopyMilliseconds(const DeviceSession& session, size_t bytes, int repeats) {
  const cuda::DeviceMemory from = session.Allocate(bytes), to = session.Allocate(bytes);
  session.Fill(from, 0x3F);
  return DeviceMilliseconds(session, repeats, [&] { INFERNODE_CUDA(session.context()->driver(), cuMemcpyDtoDAsync_v2, to.get(), from.get(), bytes, session.stream().get()); });
}

/// Share of the copy that a format is held to.
double BudgetOf(const std::string& format) {
  static const std::map<std::string, double> budgets{{"int8_head", .85}, {"int8_tok", .85}, {"e4m3_head", .85}, {"e4m3_tok", .85}, {"int4a_g64", .80},
                                                     {"int8_chan", .75}, {"int4a_chan", .75}, {"int8_tok_r", .60}, {"int4a_g64_r", .60}};
  const auto known = budgets.find(format);
  return known == budgets.end() ? 0 : known->second;
}

}  // namespace

void MeasureFormat(const DeviceSession& session, GpuCheckRandom& random, const GpuCheckOptions& o, const std::string& format) {
  const uint32_t per_record = format.find("chan") != std::string::npos ? 8 : 1, pages = static_cast<uint32_t>(o.mib * (size_t{1} << 20) / 32768 / 8 * 8), records = pages / per_record;
  const infernode_kv_section s = SectionOf(format, INFERNODE_KV_BF16, true, 128, 8, pages, per_record);
  Tell("format", format);
  Tell("budget", BudgetOf(format), 2);
  const double copy_bytes_per_ms = 2.0 * static_cast<double>(o.mib << 20) / CopyMilliseconds(session, o.mib << 20, o.repeats);
  Tell("copyGBps", copy_bytes_per_ms / 1e6, 1);
  const size_t elements = static_cast<size_t>(s.page_stride) * pages;
  const std::vector<int32_t> table = ShuffledTable(random, pages);
  const std::vector<uint16_t> cache = RandomValues(random, elements);
  const DeviceBatch batch(session, s, elements, table.data(), records);
  const size_t record_bytes = batch.records().bytes();
  session.Upload(batch.cache(), cache.data(), 2 * elements);
  const double moved = 2.0 * static_cast<double>(elements) + static_cast<double>(record_bytes);
  const auto tell_share = [&](const char* name, double ms) { Tell(name, moved / ms / copy_bytes_per_ms, 3); };
  Tell("bitsPerValue", 8.0 * static_cast<double>(record_bytes) / static_cast<double>(elements), 2);
  const double encode_ms = DeviceMilliseconds(session, o.repeats, [&] { batch.Launch(true); });
  std::vector<uint8_t> made(record_bytes);
  session.Download(made.data(), batch.records(), record_bytes);
  session.Wait();
  ExpectRecords(s, cache, table.data(), records, made.data());
  tell_share("encode", encode_ms);
  tell_share("encodeFewBlocks", DeviceMilliseconds(session, o.repeats, [&] { batch.Launch(true, std::max(1u, session.Multiprocessors() / 8)); }));
  const double decode_ms = DeviceMilliseconds(session, o.repeats, [&] { batch.Launch(false); });
  for (const KernelOutcome& outcome : batch.Outcomes())
    if (outcome.result != INFERNODE_KV_OK) throw std::runtime_error("a record of its own was refused");
  tell_share("decode", decode_ms);
}

/// What the calling thread spends on one launch of one record.
void MeasureLaunch(const DeviceSession& session) {
  const infernode_kv_section s = SectionOf("int8_head", INFERNODE_KV_BF16, true, 128, 8, 1, 1);
  const int32_t table[] = {0};
  const DeviceBatch batch(session, s, static_cast<size_t>(s.page_stride), table, 1);
  session.Fill(batch.cache(), 0x3F);
  batch.Launch(true);
  session.Wait();
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    const auto begin = Clock::now();
    batch.Launch(true);
    times.push_back(Microseconds(Clock::now() - begin));
    session.Wait();
  }
  Tell("launchUs", Median(times), 2);
}

}  // namespace infernode::kv
