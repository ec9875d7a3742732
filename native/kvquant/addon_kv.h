#pragma once

#include <napi.h>

namespace infernode {

/// Adds kvEncode, kvDecode, kvRecordOrder and kvSimdName, in that order.
void RegisterKv(Napi::Env env, Napi::Object exports);

}  // namespace infernode
