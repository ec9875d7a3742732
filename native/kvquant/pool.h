// Threads that share the items of one job with the thread that asks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

struct infernode_kv_pool {
 public:
  /// Starts `threads` - 1 helpers; throws what std::thread throws.
  explicit infernode_kv_pool(unsigned threads);
  ~infernode_kv_pool();

  using Work = void (*)(void* context, size_t first, size_t end);
  /// Calls `work` on [0, items) in chunks, on every thread, and returns when all is done. One job at a time.
  void Run(Work work, void* context, size_t items, size_t chunk);

 private:
  struct Job {
    Work work;
    void* context;
    size_t items, chunk;
    std::atomic<size_t> next{0};
  };
  static void Share(Job& job);
  void Serve();
  void Stop();

  std::mutex turn_;  ///< held for the whole of one job
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Job* job_ = nullptr;
  unsigned long generation_ = 0;
  unsigned busy_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> helpers_;
};
