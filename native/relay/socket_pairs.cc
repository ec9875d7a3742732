#include "relay/socket_pairs.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace infernode::relay {

void GapHistogram::Observe(double seconds) const {
  // A value on a boundary counts below it, as Prometheus has it.
  const auto at = static_cast<size_t>(std::lower_bound(values, values + bounds, seconds) - values);
  values[bounds + at] += 1;
  values[2 * bounds + 1] += seconds;
}

SocketPairs::SocketPairs(Words words, char* buffer, size_t size)
    : words_(std::move(words)), buffer_(buffer), size_(size), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
}

SocketPairs::~SocketPairs() { close(epoll_); }

double SocketPairs::NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

int32_t SocketPairs::Begin(int engine, int client, double since_ms, GapHistogram gaps) {
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(pairs_.size()));
    pairs_.push_back({});
  }
  const uint32_t place = free_.back();
  const uint32_t generation = pairs_[place].generation + 1;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = (uint64_t{generation} << 32) | place;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, engine, &event) != 0) return -1;
  free_.pop_back();
  pairs_[place] = {engine, client, generation, true, true, 0, NowMs() - since_ms, gaps};
  return static_cast<int32_t>(place);
}

Relayed SocketPairs::Look(uint32_t pair) const {
  if (pair >= pairs_.size() || !pairs_[pair].open) throw std::out_of_range("a pair that is not open");
  return {pairs_[pair].events, NowMs() - pairs_[pair].last_ms};
}

Relayed SocketPairs::End(uint32_t pair) {
  const Relayed relayed = Look(pair);
  Unwatch(&pairs_[pair]);
  pairs_[pair].open = false;
  free_.push_back(pair);
  return relayed;
}

void SocketPairs::Unwatch(Pair* pair) {
  if (pair->watched) epoll_ctl(epoll_, EPOLL_CTL_DEL, pair->engine, nullptr);
  pair->watched = false;
}

bool SocketPairs::Relay(const epoll_event& event, double now_ms, GivenBack* back) {
  const uint32_t place = static_cast<uint32_t>(event.data.u64);
  Pair& pair = pairs_[place];
  // An earlier one of this turn has ended it.
  if (!pair.watched || pair.generation != event.data.u64 >> 32) return false;
  *back = {place, 0, 0, false};
  if ((event.events & (EPOLLERR | EPOLLHUP)) == 0) {
    const ssize_t length = recv(pair.engine, buffer_, size_, MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (length > 0) {
      back->end = static_cast<size_t>(length);
      const size_t events = CountPlainEvents(buffer_, back->end, words_);
      if (events > 0) {
        const ssize_t sent = send(pair.client, buffer_, back->end, MSG_DONTWAIT | MSG_NOSIGNAL);
        pair.events += static_cast<double>(events);
        pair.gaps.Observe(std::max(0.0, now_ms - pair.last_ms) / 1e3);
        pair.last_ms = now_ms;
        if (sent == length) return false;
        back->begin = sent > 0 ? static_cast<size_t>(sent) : 0;
        back->unsent = true;
      }
    }
  }
  Unwatch(&pair);
  return true;
}

}  // namespace infernode::relay
