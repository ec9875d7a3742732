// Stands in for a service manager in tests: prints every datagram that arrives on the socket named, fields joined by spaces, one line
// each. Ends when standard input closes.
#include <cstdio>
#include <cstring>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char** argv) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (argc != 2 || std::strlen(argv[1]) >= sizeof address.sun_path) {
    std::fprintf(stderr, "usage: infernode-notify-listener SOCKET\n");
    return 2;
  }
  std::strcpy(address.sun_path, argv[1]);
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    std::perror(argv[1]);
    return 1;
  }
  std::puts("listening");
  std::fflush(stdout);
  for (;;) {
    pollfd waits[] = {{fd, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    if (poll(waits, 2, -1) < 0 || waits[1].revents != 0) return 0;
    char buffer[4096];
    const ssize_t length = recv(fd, buffer, sizeof buffer, 0);
    if (length < 0) return 1;
    std::string line(buffer, static_cast<size_t>(length));
    for (char& c : line)
      if (c == '\n') c = ' ';
    std::puts(line.c_str());
    std::fflush(stdout);
  }
}
