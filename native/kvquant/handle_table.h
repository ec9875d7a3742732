// Handles of the C API: numbers dressed as pointers, no number used twice. A handle that was closed, or never was one, is found out
// instead of followed, and one that is closed during a call on another thread ends after that call.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace infernode::kv {

template <class T>
class HandleTable {
 public:
  /// Never destroyed: threads of an engine may call until the process is gone.
  static HandleTable& Get() {
    static auto& table = *new HandleTable;
    return table;
  }

  T* Add(std::shared_ptr<T> object) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uintptr_t number = ++last_;
    objects_.emplace(number, std::move(object));
    return reinterpret_cast<T*>(number);
  }

  /// Null when it is none.
  std::shared_ptr<T> Find(const T* handle) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = objects_.find(reinterpret_cast<uintptr_t>(handle));
    return found == objects_.end() ? nullptr : found->second;
  }

  /// The same, and from now on it is none.
  std::shared_ptr<T> Remove(const T* handle) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = objects_.find(reinterpret_cast<uintptr_t>(handle));
    if (found == objects_.end()) return nullptr;
    const std::shared_ptr<T> object = std::move(found->second);
    objects_.erase(found);
    return object;
  }

 private:
  HandleTable() = default;

  mutable std::mutex mutex_;
  uintptr_t last_ = 0;
  std::unordered_map<uintptr_t, std::shared_ptr<T>> objects_;
};

template <class T>
std::shared_ptr<T> FindHandle(const T* handle) {
  return HandleTable<T>::Get().Find(handle);
}

}  // namespace infernode::kv
