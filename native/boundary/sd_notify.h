#pragma once
#include <napi.h>

namespace infernode::boundary {

/** Registers `sdNotify(socket, message)`. */
void RegisterSdNotify(Napi::Env env, Napi::Object exports);

}  // namespace infernode::boundary
