#pragma once

#include <napi.h>

#include "kvquant/infernode_kv.h"

namespace infernode {

/// A KvSection of addon.d.ts, checked; `record_bytes` receives the size of one record. Throws the TypeError that says what is wrong.
infernode_kv_section SectionFromJs(const Napi::Object& section, size_t* record_bytes);

/// Adds the functions whose names begin with kv, in the order of addon.d.ts.
void RegisterKv(Napi::Env env, Napi::Object exports);

}  // namespace infernode
