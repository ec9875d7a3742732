// The edge of the C API on a device: nothing is thrown over it, and every refusal becomes a result with its reason.
#pragma once

#include <cstdio>
#include <memory>
#include <new>
#include <string>

#include "kvquant/cuda/device_session.h"
#include "kvquant/handle_table.h"
#include "kvquant/infernode_kv.h"

/// A session; workspaces and runners share it.
struct infernode_kv_cuda {
  std::shared_ptr<infernode::kv::DeviceSession> session;
  std::string name;
  const infernode::cuda::ContextRef& context() const { return session->context(); }
};

namespace infernode::kv {

inline infernode_kv_result Fail(infernode_kv_error* error, infernode_kv_result result, const char* code, const char* call, const char* message) {
  if (!error) return result;
  std::snprintf(error->code, sizeof error->code, "%s", code);
  std::snprintf(error->call, sizeof error->call, "%s", call);
  std::snprintf(error->message, sizeof error->message, "%s", message);
  return result;
}

inline infernode_kv_result Fail(infernode_kv_error* error, infernode_kv_result result, const std::string& message) {
  return Fail(error, result, infernode_kv_result_name(result), "", message.c_str());
}

inline infernode_kv_result Missing(infernode_kv_error* error, const char* arguments) {
  return Fail(error, INFERNODE_KV_SHORT_BUFFER, std::string(arguments) + ": expected pointers, got NULL");
}

/// The object of a handle; throws ArgumentError that names the argument.
template <class T>
std::shared_ptr<T> Opened(const T* handle, const char* argument) {
  auto object = FindHandle(handle);
  if (!object) throw ArgumentError(INFERNODE_KV_CLOSED, std::string(argument) + ": expected an open handle, got " + (handle ? "one that was closed, or is none" : "NULL"));
  return object;
}

template <class Body>
infernode_kv_result AtEdge(infernode_kv_error* error, const Body& body) {
  try {
    if (error) *error = {};
    return body();
  } catch (const cuda::CudaError& e) {
    return Fail(error, e.code == cuda::kOutOfMemory ? INFERNODE_KV_NO_MEMORY : INFERNODE_KV_DEVICE_ERROR, cuda::ResultName(e.code), e.call, e.what());
  } catch (const ArgumentError& e) {
    return Fail(error, e.result, e.what());
  } catch (const DriverUnavailable& e) {
    return Fail(error, INFERNODE_KV_DEVICE_ERROR, cuda::DriverStateName(e.state), "", e.what());
  } catch (const std::bad_alloc&) {
    return Fail(error, INFERNODE_KV_NO_MEMORY, infernode_kv_message(INFERNODE_KV_NO_MEMORY));
  } catch (const std::exception& e) {
    return Fail(error, INFERNODE_KV_DEVICE_ERROR, "INFERNODE_NATIVE_FAILURE", "", e.what());
  }
}

/// Closes a handle whose object has a context, while other threads of the process may be capturing.
template <class T>
void CloseHandle(const T* handle) {
  std::shared_ptr<T> object = HandleTable<T>::Get().Remove(handle);
  if (!object) return;
  const cuda::ContextRef context = object->context();
  const cuda::BesideCaptures beside(*context);
  object.reset();
}

}  // namespace infernode::kv
