// The Node-API face of libinfernode_kv: typed arrays in and out, nothing computed here.
#include "kvquant/addon_kv.h"

#include <string>

#include "kvquant/infernode_kv.h"

namespace infernode {
namespace {

struct Request {
  infernode_kv_path path;
  infernode_kv_format format;
  infernode_kv_shape shape;
  size_t code_bytes = 0, headers = 0;
};

[[noreturn]] void Throw(Napi::Env env, infernode_kv_result result) { throw Napi::TypeError::New(env, infernode_kv_message(result)); }

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

Napi::Value KvSimdName(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), infernode_kv_simd_name()); }

}  // namespace

void RegisterKv(Napi::Env env, Napi::Object exports) {
  exports.Set("kvEncode", Napi::Function::New(env, KvEncode, "kvEncode"));
  exports.Set("kvDecode", Napi::Function::New(env, KvDecode, "kvDecode"));
  exports.Set("kvRecordOrder", Napi::Function::New(env, KvRecordOrder, "kvRecordOrder"));
  exports.Set("kvSimdName", Napi::Function::New(env, KvSimdName, "kvSimdName"));
}

}  // namespace infernode
