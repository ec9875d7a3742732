// Pairs of sockets, an engine's and its client's: plain events go from one to the other, and with the first read that is not
// plain, or that the client does not take, the pair is given back. All of it runs in the one thread of its owner.
#pragma once

#include <sys/epoll.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <vector>

#include "relay/plain_events.h"

namespace infernode::relay {

/// A pair that is given back. Of the buffer, [begin, end) is still to be dealt with: read, as it came from the engine, or with
/// `unsent` written to the client. Empty: the engine's socket has something other than bytes to say.
struct GivenBack {
  uint32_t pair;
  size_t begin;
  size_t end;
  bool unsent;
};

/// Since the pair began.
struct Relayed {
  double events;
  /// Since the last event, also when that was before.
  double since_ms;
};

/// Gaps between arrivals, as a histogram in memory of its reader: upper bounds in seconds (n), counts (n + 1), sum (1).
struct GapHistogram {
  double* values;
  size_t bounds;

  void Observe(double seconds) const;
};

class SocketPairs {
 public:
  /// `buffer` outlives this. Throws `std::system_error`.
  SocketPairs(Words words, char* buffer, size_t size);
  ~SocketPairs();
  SocketPairs(const SocketPairs&) = delete;
  SocketPairs& operator=(const SocketPairs&) = delete;

  /// Readable when `Turn` has something to do.
  int descriptor() const { return epoll_; }

  /// Both descriptors stay open and untouched by others until `End`. `since_ms`: since the last event. -1 when the kernel refuses.
  int32_t Begin(int engine, int client, double since_ms, GapHistogram gaps);
  Relayed Look(uint32_t pair) const;
  /// For every pair once, given back or not.
  Relayed End(uint32_t pair);

  /// Relays what is there; `on_back` may begin and end pairs.
  template <typename OnBack>
  void Turn(OnBack on_back) {
    std::array<epoll_event, 256> events;
    const int ready = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    const double now_ms = NowMs();
    for (int i = 0; i < ready; i++) {
      GivenBack back;
      if (Relay(events[i], now_ms, &back)) on_back(back);
    }
  }

 private:
  struct Pair {
    int engine;
    int client;
    /// Tells the pairs of one place apart.
    uint32_t generation;
    bool open;
    bool watched;
    double events;
    double last_ms;
    GapHistogram gaps;
  };

  static double NowMs();
  /// True when the pair is given back.
  bool Relay(const epoll_event& event, double now_ms, GivenBack* back);
  void Unwatch(Pair* pair);

  Words words_;
  char* buffer_;
  size_t size_;
  int epoll_;
  std::vector<Pair> pairs_;
  std::vector<uint32_t> free_;
};

}  // namespace infernode::relay
