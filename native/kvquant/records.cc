#include "kvquant/records.h"

#include <cstring>

#include "kvquant/checksum.h"
#include "kvquant/formats.h"
#include "kvquant/geometry.h"
#include "kvquant/simd.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are written as they lie in memory");

namespace infernode::kv {
namespace {

uint64_t HeadChecksum(RecordHead head) {
  head.head_checksum = 0;
  uint8_t bytes[sizeof head];
  std::memcpy(bytes, &head, sizeof head);
  return FinishChecksum(ChecksumPart(bytes, sizeof bytes, 0), sizeof bytes / 8);
}

}  // namespace

void WriteRecordHead(uint8_t* record, const infernode_kv_format& f, const infernode_kv_shape& s, uint64_t nonfinite, uint64_t payload_bytes,
                     uint64_t checksum) {
  RecordHead head{kRecordMagic, kRecordVersion, sizeof(RecordHead), static_cast<uint8_t>(f.code), static_cast<uint8_t>(f.grouping),
                  static_cast<uint8_t>(s.dtype), static_cast<uint8_t>(f.rotate), f.run, s.tokens, s.heads, s.dim, f.static_scale,
                  nonfinite, payload_bytes, checksum, 0};
  head.head_checksum = HeadChecksum(head);
  std::memcpy(record, &head, sizeof head);
}

infernode_kv_result ParseRecordHead(const uint8_t* record, size_t bytes, infernode_kv_record* info) {
  RecordHead head;
  if (!record || !info || bytes < sizeof head) return INFERNODE_KV_SHORT_BUFFER;
  std::memcpy(&head, record, sizeof head);
  if (head.magic != kRecordMagic || head.version != kRecordVersion || head.head_bytes != sizeof head) return INFERNODE_KV_BAD_RECORD;
  if (head.head_checksum != HeadChecksum(head)) return INFERNODE_KV_BAD_CHECKSUM;
  // A head may have a right checksum and still be nonsense: it was written by somebody else.
  if (head.code > INFERNODE_KV_RAW || head.grouping > INFERNODE_KV_CHAN || head.dtype > INFERNODE_KV_FP16) return INFERNODE_KV_BAD_RECORD;
  const infernode_kv_format f{static_cast<infernode_kv_code>(head.code), static_cast<infernode_kv_grouping>(head.grouping), head.run, head.rotate, head.static_scale};
  const infernode_kv_shape s = Contiguous({static_cast<infernode_kv_dtype>(head.dtype), head.tokens, head.heads, head.dim, 0, 0}, head.tokens);
  if (CheckShape(&f, &s) != INFERNODE_KV_OK) return INFERNODE_KV_BAD_RECORD;
  const RecordLayout layout = LayOut(f, s);
  if (head.payload_bytes != layout.bytes - sizeof head) return INFERNODE_KV_BAD_RECORD;
  if (bytes < layout.bytes) return INFERNODE_KV_SHORT_BUFFER;
  *info = {f, s, head.nonfinite, head.payload_bytes, head.checksum, s.heads * layout.codes_per_head, layout.header_offset, s.heads * layout.groups_per_head};
  return INFERNODE_KV_OK;
}

}  // namespace infernode::kv

using namespace infernode::kv;

infernode_kv_result infernode_kv_record_bytes(const infernode_kv_format* format, const infernode_kv_shape* shape, size_t* bytes) {
  const infernode_kv_result result = CheckShape(format, shape);
  if (result == INFERNODE_KV_OK && bytes) *bytes = LayOut(*format, *shape).bytes;
  return result;
}

uint64_t infernode_kv_checksum(const uint8_t* data, size_t bytes) {
  return FinishChecksum(SimdKernelsOfThisCpu().sum(data, bytes / 64 * 64, 0), bytes / 64 * 8);
}

infernode_kv_result infernode_kv_read_record(const uint8_t* record, size_t bytes, int verify, infernode_kv_record* info) {
  infernode_kv_record found;
  const infernode_kv_result result = ParseRecordHead(record, bytes, &found);
  if (result != INFERNODE_KV_OK) return result;
  if (verify && infernode_kv_checksum(record + INFERNODE_KV_RECORD_HEAD, found.payload_bytes) != found.checksum) return INFERNODE_KV_BAD_CHECKSUM;
  if (info) *info = found;
  return INFERNODE_KV_OK;
}
