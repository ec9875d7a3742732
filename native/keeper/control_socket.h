// `keeper.sock`: lines in, one JSON line out for each, and events pushed to everybody who is connected. Bounded in clients,
// in line length and in what waits to be read: who does not keep the rules is disconnected.
#pragma once
#include <poll.h>

#include <functional>
#include <string>
#include <vector>

namespace keeper {

class ControlSocket {
 public:
  using Handler = std::function<std::string(const std::string& line)>;

  /// Binds `name` in the current directory: relative, because a socket path may have 107 bytes at most and state
  /// directories are longer. False with errno when it cannot.
  bool Listen(const std::string& name);
  void AddTo(std::vector<pollfd>* fds) const;
  /// To be called with what `AddTo` added, in the same order.
  void Handle(const pollfd* fds, size_t count, const Handler& answer);
  void Broadcast(const std::string& line);
  void Close(const std::string& name);

 private:
  struct Client {
    int fd;
    std::string partial;
  };
  void Accept();
  bool Read(Client* client, const Handler& answer);
  static bool Send(int fd, const std::string& line);

  int listener_ = -1;
  std::vector<Client> clients_;
};

}  // namespace keeper
