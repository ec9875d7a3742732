#include "kvquant/pool.h"

#include <new>
#include <system_error>

#include "kvquant/handle_table.h"
#include "kvquant/infernode_kv.h"

infernode_kv_pool::infernode_kv_pool(unsigned threads) {
  helpers_.reserve(threads - 1);
  try {
    while (helpers_.size() + 1 < threads) helpers_.emplace_back([this] { Serve(); });
  } catch (...) {
    Stop();
    throw;
  }
}

infernode_kv_pool::~infernode_kv_pool() {
  const std::lock_guard<std::mutex> turn(turn_);
  Stop();
}

void infernode_kv_pool::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void infernode_kv_pool::Share(Job& job) {
  for (;;) {
    const size_t first = job.next.fetch_add(job.chunk, std::memory_order_relaxed);
    if (first >= job.items) return;
    job.work(job.context, first, job.items - first < job.chunk ? job.items : first + job.chunk);
  }
}

void infernode_kv_pool::Serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (unsigned long seen = 0;;) {
    wake_.wait(lock, [&] { return stopping_ || generation_ != seen; });
    if (stopping_) return;
    seen = generation_;
    Job* job = job_;
    if (!job) continue;  // woke after the others had finished it
    ++busy_;
    lock.unlock();
    Share(*job);
    lock.lock();
    if (--busy_ == 0) done_.notify_one();
  }
}

void infernode_kv_pool::Run(Work work, void* context, size_t items, size_t chunk) {
  const std::lock_guard<std::mutex> turn(turn_);
  Job job{work, context, items, chunk};
  if (helpers_.empty() || items <= chunk) return Share(job);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    job_ = &job;
    ++generation_;
  }
  wake_.notify_all();
  Share(job);
  std::unique_lock<std::mutex> lock(mutex_);
  job_ = nullptr;  // a helper that wakes from here on finds nothing; `job` may go
  done_.wait(lock, [this] { return busy_ == 0; });
}

infernode_kv_result infernode_kv_pool_create(uint32_t threads, infernode_kv_pool** pool) {
  if (!pool || threads == 0 || threads > INFERNODE_KV_MAX_THREADS) return INFERNODE_KV_BAD_SHAPE;
  try {
    *pool = infernode::kv::HandleTable<infernode_kv_pool>::Get().Add(std::make_shared<infernode_kv_pool>(threads));
    return INFERNODE_KV_OK;
  } catch (const std::bad_alloc&) {
    return INFERNODE_KV_NO_MEMORY;
  } catch (const std::system_error&) {
    return INFERNODE_KV_NO_MEMORY;
  }
}

void infernode_kv_pool_destroy(infernode_kv_pool* pool) { infernode::kv::HandleTable<infernode_kv_pool>::Get().Remove(pool); }
