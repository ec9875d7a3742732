// The Node-API face of libinfernode_kv: typed arrays in and out, nothing computed here.
#include "kvquant/addon_kv.h"

#include <cmath>
#include <string>

#include "boundary/js_error.h"
#include "kvquant/infernode_kv.h"

namespace infernode {
namespace {

struct Request {
  infernode_kv_path path;
  infernode_kv_format format;
  infernode_kv_shape shape;
  size_t code_bytes = 0, headers = 0;
};

/// A TypeError whose `code` is the name of the library's result.
[[noreturn]] void Throw(Napi::Env env, infernode_kv_result result) {
  const Napi::TypeError error = Napi::TypeError::New(env, infernode_kv_message(result));
  error.Set("code", infernode_kv_result_name(result));
  throw error;
}

uint32_t Dimension(Napi::Env env, const Napi::Array& shape, uint32_t i) {
  const Napi::Value value = shape.Get(i);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 1 && number <= INFERNODE_KV_MAX_ELEMENTS)) Throw(env, INFERNODE_KV_BAD_SHAPE);
  return static_cast<uint32_t>(number);
}

/// Arguments 0..3 of both functions: path, format, dtype, [tokens, heads, dim] (contiguous).
Request ReadRequest(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 5 || !info[0].IsString() || !info[1].IsString() || !info[2].IsString() || !info[3].IsArray())
    throw Napi::TypeError::New(env, "expected (path, format, dtype, [tokens, heads, dim], data...)");
  Request r{};
  const std::string path = info[0].As<Napi::String>(), dtype = info[2].As<Napi::String>();
  if (path != "scalar" && path != "simd") Throw(env, INFERNODE_KV_NO_PATH);
  if (dtype != "bf16" && dtype != "fp16") Throw(env, INFERNODE_KV_BAD_FORMAT);
  r.path = path == "scalar" ? INFERNODE_KV_SCALAR : INFERNODE_KV_SIMD;
  const std::string name = info[1].As<Napi::String>();
  infernode_kv_result result = infernode_kv_parse_format(name.c_str(), &r.format);
  if (result != INFERNODE_KV_OK) Throw(env, result);
  const Napi::Array shape = info[3].As<Napi::Array>();
  r.shape = {dtype == "bf16" ? INFERNODE_KV_BF16 : INFERNODE_KV_FP16, Dimension(env, shape, 0), Dimension(env, shape, 1), Dimension(env, shape, 2), 0, 0};
  r.shape.head_stride = r.shape.dim;
  r.shape.token_stride = int64_t{r.shape.heads} * r.shape.dim;
  result = infernode_kv_sizes(&r.format, &r.shape, &r.code_bytes, &r.headers);
  if (result != INFERNODE_KV_OK) Throw(env, result);
  return r;
}

size_t Elements(const infernode_kv_shape& s) { return size_t{s.tokens} * s.heads * s.dim; }

/// A typed array of the wanted kind with at least `length` elements; a detached one has none.
template <class Array>
Array ReadArray(const Napi::CallbackInfo& info, size_t i, napi_typedarray_type type, size_t length) {
  if (!info[i].IsTypedArray() || info[i].As<Napi::TypedArray>().TypedArrayType() != type)
    throw Napi::TypeError::New(info.Env(), "argument " + std::to_string(i) + ": expected another kind of typed array");
  const Array array = info[i].As<Array>();
  if (array.ElementLength() < length) Throw(info.Env(), INFERNODE_KV_SHORT_BUFFER);
  return array;
}

Napi::Value KvEncode(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request r = ReadRequest(info);
  const auto in = ReadArray<Napi::Uint16Array>(info, 4, napi_uint16_array, Elements(r.shape));
  auto codes = Napi::Uint8Array::New(env, r.code_bytes);
  auto headers = Napi::Uint32Array::New(env, r.headers);
  uint64_t nonfinite = 0;
  const infernode_kv_result result = infernode_kv_encode(r.path, &r.format, &r.shape, in.Data(), codes.Data(), r.code_bytes, headers.Data(), r.headers, &nonfinite);
  if (result != INFERNODE_KV_OK) Throw(env, result);
  Napi::Object record = Napi::Object::New(env);
  record.Set("codes", codes);
  record.Set("headers", headers);
  record.Set("nonfinite", static_cast<double>(nonfinite));
  return record;
}

Napi::Value KvDecode(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request r = ReadRequest(info);
  const auto codes = ReadArray<Napi::Uint8Array>(info, 4, napi_uint8_array, r.code_bytes);
  const auto headers = ReadArray<Napi::Uint32Array>(info, 5, napi_uint32_array, r.headers);
  auto out = Napi::Uint16Array::New(env, Elements(r.shape));
  const infernode_kv_result result = infernode_kv_decode(r.path, &r.format, &r.shape, codes.Data(), r.code_bytes, headers.Data(), r.headers, out.Data());
  if (result != INFERNODE_KV_OK) Throw(env, result);
  return out;
}

Napi::Value KvRecordOrder(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request r = ReadRequest(info);
  const auto codes = ReadArray<Napi::Uint8Array>(info, 4, napi_uint8_array, r.code_bytes);
  auto out = Napi::Uint8Array::New(env, r.code_bytes);
  const infernode_kv_result result = infernode_kv_record_order(&r.format, &r.shape, codes.Data(), r.code_bytes, out.Data());
  if (result != INFERNODE_KV_OK) Throw(env, result);
  return out;
}

double NumberOf(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (number >= 1 && number <= INFERNODE_KV_MAX_ELEMENTS && number == std::floor(number)) return number;
  throw boundary::ToJs(object.Env(), boundary::CodedError(infernode_kv_result_name(INFERNODE_KV_BAD_SHAPE), "", std::string(name) + ": expected a whole number from 1 to 2^30"));
}

infernode_kv_path PathOf(const Napi::Value& value) {
  const std::string path = value.IsString() ? value.As<Napi::String>() : std::string();
  if (path != "scalar" && path != "simd") Throw(value.Env(), INFERNODE_KV_NO_PATH);
  return path == "scalar" ? INFERNODE_KV_SCALAR : INFERNODE_KV_SIMD;
}

struct SectionRequest {
  infernode_kv_path path;
  infernode_kv_section section;
  size_t record_bytes = 0, records = 0;
};

/// Arguments 0 and 1: path, section; `table` is the block table.
SectionRequest ReadSection(const Napi::CallbackInfo& info, const Napi::Int32Array& table) {
  SectionRequest r{PathOf(info[0]), {}};
  r.section = SectionFromJs(info[1].As<Napi::Object>(), &r.record_bytes);
  if (table.ElementLength() % r.section.pages_per_record != 0) Throw(info.Env(), INFERNODE_KV_BAD_TABLE);
  r.records = table.ElementLength() / r.section.pages_per_record;
  return r;
}

Napi::Value KvEncodeRecords(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 4 || !info[1].IsObject()) throw Napi::TypeError::New(env, "expected (path, section, cache, table)");
  const auto cache = ReadArray<Napi::Uint16Array>(info, 2, napi_uint16_array, 0);
  const auto table = ReadArray<Napi::Int32Array>(info, 3, napi_int32_array, 0);
  const SectionRequest r = ReadSection(info, table);
  // Checked before the output is made, so that a mistake in the table cannot ask for all memory.
  if (r.records > r.section.pages) Throw(env, INFERNODE_KV_BAD_TABLE);
  auto records = Napi::Uint8Array::New(env, r.records * r.record_bytes);
  auto errors = Napi::Float32Array::New(env, r.records * r.section.page.heads);
  infernode_kv_outcome outcome{};
  const infernode_kv_result result = infernode_kv_encode_paged(nullptr, r.path, &r.section, cache.Data(), cache.ElementLength(), table.Data(), r.records,
                                                               records.Data(), records.ElementLength(), errors.Data(), &outcome);
  if (result != INFERNODE_KV_OK) Throw(env, result);
  Napi::Object encoded = Napi::Object::New(env);
  encoded.Set("records", records);
  encoded.Set("recordBytes", static_cast<double>(r.record_bytes));
  encoded.Set("errors", errors);
  encoded.Set("nonfinite", static_cast<double>(outcome.nonfinite));
  return encoded;
}

Napi::Value KvDecodeRecords(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 5 || !info[1].IsObject()) throw Napi::TypeError::New(env, "expected (path, section, records, table, cache)");
  const auto records = ReadArray<Napi::Uint8Array>(info, 2, napi_uint8_array, 0);
  const auto table = ReadArray<Napi::Int32Array>(info, 3, napi_int32_array, 0);
  auto cache = ReadArray<Napi::Uint16Array>(info, 4, napi_uint16_array, 0);
  const SectionRequest r = ReadSection(info, table);
  infernode_kv_outcome outcome{};
  const infernode_kv_result result = infernode_kv_decode_paged(nullptr, r.path, &r.section, records.Data(), records.ElementLength(), table.Data(), r.records,
                                                               cache.Data(), cache.ElementLength(), &outcome);
  if (result != INFERNODE_KV_OK) Throw(env, result);
  return env.Undefined();
}

Napi::Value KvReadRecord(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto bytes = ReadArray<Napi::Uint8Array>(info, 0, napi_uint8_array, 0);
  const bool verify = info.Length() > 1 && info[1].ToBoolean();
  infernode_kv_record record;
  const infernode_kv_result result = infernode_kv_read_record(bytes.Data(), bytes.ElementLength(), verify, &record);
  if (result != INFERNODE_KV_OK) Throw(env, result);
  char name[32];
  infernode_kv_format_name(&record.format, name, sizeof name);
  Napi::Object read = Napi::Object::New(env);
  read.Set("format", name);
  read.Set("dtype", record.shape.dtype == INFERNODE_KV_BF16 ? "bf16" : "fp16");
  read.Set("tokens", record.shape.tokens);
  read.Set("heads", record.shape.heads);
  read.Set("dim", record.shape.dim);
  read.Set("nonfinite", static_cast<double>(record.nonfinite));
  read.Set("bytes", static_cast<double>(INFERNODE_KV_RECORD_HEAD + record.payload_bytes));
  return read;
}

Napi::Value KvSimdName(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), infernode_kv_simd_name()); }

}  // namespace

infernode_kv_section SectionFromJs(const Napi::Object& o, size_t* record_bytes) {
  const Napi::Env env = o.Env();
  const std::string format = o.Get("format").ToString(), dtype = o.Get("dtype").ToString(), layout = o.Get("layout").ToString();
  if (dtype != "bf16" && dtype != "fp16") Throw(env, INFERNODE_KV_BAD_FORMAT);
  if (layout != "nhd" && layout != "hnd") Throw(env, INFERNODE_KV_BAD_STRIDE);
  infernode_kv_section s{};
  infernode_kv_result result = infernode_kv_parse_format(format.c_str(), &s.format);
  if (result != INFERNODE_KV_OK) Throw(env, result);
  const auto number = [&o](const char* name) { return static_cast<uint32_t>(NumberOf(o, name)); };
  s.page = {dtype == "bf16" ? INFERNODE_KV_BF16 : INFERNODE_KV_FP16, number("blockTokens"), number("heads"), number("dim"), 0, 0};
  const int64_t tokens = s.page.tokens, heads = s.page.heads, dim = s.page.dim;
  s.page.token_stride = layout == "nhd" ? heads * dim : dim;
  s.page.head_stride = layout == "nhd" ? dim : tokens * dim;
  s.pages = number("blocks");
  s.pages_per_record = number("blocksPerRecord");
  // Larger blocks are refused below for their shape; the product must not overflow before.
  s.page_stride = tokens * heads > int64_t{INFERNODE_KV_MAX_ELEMENTS} ? 0 : tokens * heads * dim;
  result = infernode_kv_section_record_bytes(&s, record_bytes);
  if (result != INFERNODE_KV_OK) Throw(env, result);
  return s;
}

void RegisterKv(Napi::Env env, Napi::Object exports) {
  exports.Set("kvEncode", Napi::Function::New(env, KvEncode, "kvEncode"));
  exports.Set("kvDecode", Napi::Function::New(env, KvDecode, "kvDecode"));
  exports.Set("kvRecordOrder", Napi::Function::New(env, KvRecordOrder, "kvRecordOrder"));
  exports.Set("kvEncodeRecords", Napi::Function::New(env, KvEncodeRecords, "kvEncodeRecords"));
  exports.Set("kvDecodeRecords", Napi::Function::New(env, KvDecodeRecords, "kvDecodeRecords"));
  exports.Set("kvReadRecord", Napi::Function::New(env, KvReadRecord, "kvReadRecord"));
  exports.Set("kvSimdName", Napi::Function::New(env, KvSimdName, "kvSimdName"));
}

}  // namespace infernode
