#pragma once

#include <napi.h>

namespace infernode {

/// Adds the functions whose names begin with kv, in the order of addon.d.ts.
void RegisterKv(Napi::Env env, Napi::Object exports);

}  // namespace infernode
