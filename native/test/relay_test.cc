// The relay without Node: its reader on mutated bytes, its pairs on real sockets. Meant for a build with sanitizers. Arguments: seed, inputs.
// Prints how many inputs passed, and returns 1 at the first check that fails.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "relay/plain_events.h"
#include "relay/socket_pairs.h"

namespace {

using infernode::relay::CountPlainEvents;
using infernode::relay::GapHistogram;
using infernode::relay::GivenBack;
using infernode::relay::SocketPairs;
using infernode::relay::Words;

#define CHECK(condition)                                                              \
  do {                                                                                \
    if (!(condition)) {                                                               \
      std::fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition);   \
      std::exit(1);                                                                   \
    }                                                                                 \
  } while (false)

const Words& TestWords() {
  static const Words words({"\"usage\"", "[DONE]"});
  return words;
}

std::string Chunk(const std::string& data) {
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  return size + data + "\r\n";
}

std::string Event(const std::string& text) { return "data: {\"text\":\"" + text + "\",\"usage\":null}\n\n"; }

/// Exactly as many bytes on the heap, so that a step past the end is found.
size_t CountOnHeap(const std::string& bytes) {
  const std::unique_ptr<char[]> heap(new char[bytes.size()]);
  std::memcpy(heap.get(), bytes.data(), bytes.size());
  return CountPlainEvents(heap.get(), bytes.size(), TestWords());
}

size_t Fuzz(unsigned seed, int inputs) {
  std::mt19937 random(seed);
  const auto below = [&random](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  const std::vector<std::string> corpus = {Chunk(Event("a")), Chunk(Event("a") + Event("b")) + Chunk(Event(std::string(300, 'x'))),
                                           Chunk("event: e\ndata: a\ndata: b\n\n"), Chunk("data: [DONE]\n\n") + "0\r\n\r\n", "fffff\r\n", Chunk("event: e")};
  size_t passed = 0;
  for (int i = 0; i < inputs; i++) {
    std::string bytes = corpus[below(corpus.size())] + (below(2) ? corpus[below(corpus.size())] : "");
    for (size_t mutations = below(4); mutations > 0 && !bytes.empty(); mutations--) {
      const size_t at = below(bytes.size());
      if (below(3) == 0) bytes.resize(at);
      else if (below(2) == 0) bytes[at] = static_cast<char>(below(256));
      else bytes.insert(at, 1, "\r\n0d:\""[below(6)]);
    }
    if (CountOnHeap(bytes) > 0) passed++;
  }
  return passed;
}

struct Sockets {
  Sockets() {
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, engine) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, client) == 0);
  }
  ~Sockets() {
    for (const int descriptor : {engine[0], engine[1], client[0], client[1]}) close(descriptor);
  }
  void Say(const std::string& bytes) const { CHECK(send(engine[1], bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size())); }
  std::string Hear() const {
    char bytes[65536];
    const ssize_t length = recv(client[1], bytes, sizeof bytes, 0);
    return length > 0 ? std::string(bytes, static_cast<size_t>(length)) : "";
  }
  int engine[2];
  int client[2];
};

void RelaysUntilSomethingIsToRead() {
  char buffer[4096];
  SocketPairs pairs(TestWords(), buffer, sizeof buffer);
  const Sockets sockets;
  std::vector<double> gaps = {0.001, 10, 0, 0, 0, 0};
  const int32_t pair = pairs.Begin(sockets.engine[0], sockets.client[0], 5, GapHistogram{gaps.data(), 2});
  CHECK(pair == 0);
  std::vector<GivenBack> back;
  const auto turn = [&] { pairs.Turn([&back](const GivenBack& one) { back.push_back(one); }); };
  turn();
  sockets.Say(Chunk(Event("a")) + Chunk(Event("b")));
  turn();
  CHECK(sockets.Hear() == Chunk(Event("a")) + Chunk(Event("b")) && back.empty());
  CHECK(pairs.Look(0).events == 2 && gaps[2] == 0 && gaps[3] == 1 && gaps[5] >= 0.005);
  const std::string last = Chunk("data: [DONE]\n\n");
  sockets.Say(last);
  turn();
  CHECK(back.size() == 1 && !back[0].unsent && std::string(buffer + back[0].begin, back[0].end) == last && sockets.Hear().empty());
  sockets.Say(Chunk(Event("c")));
  turn();
  CHECK(back.size() == 1 && pairs.End(0).events == 2);
}

void GivesBackWhatTheClientDoesNotTake() {
  char buffer[65536];
  SocketPairs pairs(TestWords(), buffer, sizeof buffer);
  const Sockets sockets;
  std::vector<double> gaps(4);
  pairs.Begin(sockets.engine[0], sockets.client[0], 0, GapHistogram{gaps.data(), 1});
  const std::string event = Chunk(Event(std::string(30000, 'x')));
  size_t said = 0;
  std::string unsent;
  bool done = false;
  while (!done) {
    sockets.Say(event);
    said++;
    pairs.Turn([&](const GivenBack& back) {
      CHECK(back.unsent);
      unsent.assign(buffer + back.begin, back.end - back.begin);
      CHECK(pairs.End(back.pair).events == static_cast<double>(said));
      done = true;
    });
    CHECK(said < 10000);
  }
  std::string heard;
  for (std::string bytes = sockets.Hear(); !bytes.empty(); bytes = sockets.Hear()) heard += bytes;
  heard += unsent;
  CHECK(heard.size() == said * event.size() && heard.substr(heard.size() - event.size()) == event);
}

void EndsWithItsEngine() {
  char buffer[4096];
  SocketPairs pairs(TestWords(), buffer, sizeof buffer);
  Sockets first;
  const Sockets second;
  std::vector<double> gaps(4);
  const GapHistogram histogram{gaps.data(), 1};
  pairs.Begin(first.engine[0], first.client[0], 0, histogram);
  pairs.Begin(second.engine[0], second.client[0], 0, histogram);
  CHECK(pairs.Begin(-1, -1, 0, histogram) == -1);
  second.Say(Chunk(Event("not yet read")));
  close(first.engine[1]);
  first.engine[1] = -1;
  size_t back = 0;
  // The first to come back ends the other as well: what is known of that from the same turn is void.
  pairs.Turn([&](const GivenBack& one) {
    back++;
    CHECK(one.pair == 0 && one.end == 0);
    pairs.End(0);
    pairs.End(1);
    CHECK(pairs.Begin(second.engine[0], second.client[0], 0, histogram) == 1);
  });
  CHECK(back == 1);
  pairs.Turn([](const GivenBack&) { CHECK(false); });
  CHECK(pairs.Look(1).events + static_cast<double>(second.Hear().size()) > 1);
  bool thrown = false;
  try {
    pairs.End(0);
  } catch (const std::out_of_range&) {
    thrown = true;
  }
  CHECK(thrown);
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned seed = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1;
  const int inputs = argc > 2 ? std::atoi(argv[2]) : 100000;
  RelaysUntilSomethingIsToRead();
  GivesBackWhatTheClientDoesNotTake();
  EndsWithItsEngine();
  const size_t passed = Fuzz(seed, inputs);
  CHECK(passed > 0 && passed < static_cast<size_t>(inputs));
  std::printf("%d inputs, %zu passed, 0 broken\n", inputs, passed);
  return 0;
}
