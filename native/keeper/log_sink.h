// The engine's output on disk: two files, half of the limit each, and a writer thread of its own. The keeper's loop hands
// bytes over and never waits: while the disk is slower than the engine, bytes are dropped and counted, because an engine
// that blocks on its own log is an outage and a lost log line is not.
#pragma once
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace keeper {

class LogSink {
 public:
  /// `max_bytes` bounds `name` and its predecessor `name.1` together.
  LogSink(std::string name, long long max_bytes);
  ~LogSink();
  LogSink(const LogSink&) = delete;
  LogSink& operator=(const LogSink&) = delete;

  void Write(const char* bytes, size_t length);
  /// Waits until what was handed over is in the file, at most `limit_ms`.
  void Flush(int limit_ms);
  long long dropped_bytes();

 private:
  void Run();
  void Append(const std::string& bytes);
  void Rotate();

  const std::string name_;
  const long long file_limit_;
  int file_ = -1;
  long long file_bytes_ = 0;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::string waiting_;
  long long dropped_ = 0;
  long long dropped_said_ = 0;
  bool busy_ = false;
  bool stop_ = false;
  std::thread writer_;
};

}  // namespace keeper
