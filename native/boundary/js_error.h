// Errors that cross into JS carry `code` (the vendor's enum name, or one of ours) and `call` (what failed).
#pragma once

#include <napi.h>

#include <stdexcept>
#include <string>

namespace infernode::boundary {

struct CodedError : std::runtime_error {
  CodedError(std::string error_code, std::string failed_call, const std::string& message)
      : std::runtime_error(message), code(std::move(error_code)), call(std::move(failed_call)) {}
  std::string code;
  std::string call;
};

inline Napi::Error ToJs(Napi::Env env, const std::exception& error) {
  const auto* coded = dynamic_cast<const CodedError*>(&error);
  Napi::Error js = Napi::Error::New(env, error.what());
  js.Set("code", coded ? coded->code : "INFERNODE_NATIVE_FAILURE");
  js.Set("call", coded ? coded->call : "");
  return js;
}

inline CodedError ClosedError(const char* what) { return {"INFERNODE_CLOSED", "", std::string(what) + " is closed"}; }

/// Runs `body` at the edge: nothing but a JS exception leaves it.
template <typename Body>
auto AtEdge(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ToJs(env, error);
  }
}

}  // namespace infernode::boundary
