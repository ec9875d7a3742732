#include "keeper/control_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

namespace keeper {
namespace {
constexpr size_t kMaxClients = 8;
constexpr size_t kMaxLine = 128;

/// The directory's mode keeps others out already; this holds where somebody loosened it.
bool IsOurs(int fd) {
  ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == geteuid() || peer.uid == 0;
}
}  // namespace

bool ControlSocket::Listen(const std::string& name) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, name.c_str(), sizeof address.sun_path - 1);
  unlink(name.c_str());
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return listener_ >= 0 && bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
         listen(listener_, kMaxClients) == 0;
}

void ControlSocket::AddTo(std::vector<pollfd>* fds) const {
  fds->push_back({listener_, POLLIN, 0});
  for (const Client& client : clients_) fds->push_back({client.fd, POLLIN, 0});
}

void ControlSocket::Handle(const pollfd* fds, size_t count, const Handler& answer) {
  for (size_t i = 1; i < count; i++) {
    if (!fds[i].revents) continue;
    const auto client = std::find_if(clients_.begin(), clients_.end(), [&](const Client& c) { return c.fd == fds[i].fd; });
    if (client == clients_.end() || Read(&*client, answer)) continue;
    close(client->fd);
    clients_.erase(client);
  }
  if (count > 0 && fds[0].revents & POLLIN) Accept();
}

void ControlSocket::Accept() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  if (clients_.size() >= kMaxClients || !IsOurs(fd))
    close(fd);
  else
    clients_.push_back({fd, ""});
}

bool ControlSocket::Read(Client* client, const Handler& answer) {
  char chunk[kMaxLine];
  const ssize_t length = recv(client->fd, chunk, sizeof chunk, 0);
  if (length < 0) return errno == EAGAIN || errno == EINTR;
  if (length == 0) return false;
  client->partial.append(chunk, static_cast<size_t>(length));
  for (size_t end; (end = client->partial.find('\n')) != std::string::npos;) {
    const std::string line = client->partial.substr(0, end);
    client->partial.erase(0, end + 1);
    if (!Send(client->fd, answer(line))) return false;
  }
  return client->partial.size() <= kMaxLine;
}

/// A client whose buffer is full has stopped reading: it goes, and may connect again.
bool ControlSocket::Send(int fd, const std::string& line) {
  const std::string text = line + "\n";
  return send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(text.size());
}

void ControlSocket::Broadcast(const std::string& line) {
  for (size_t i = clients_.size(); i-- > 0;) {
    if (Send(clients_[i].fd, line)) continue;
    // Closed where its fd is looked at next, so that no reference of a caller is left dangling here.
    shutdown(clients_[i].fd, SHUT_RDWR);
  }
}

void ControlSocket::Close(const std::string& name) {
  unlink(name.c_str());
  if (listener_ >= 0) close(listener_);
  for (const Client& client : clients_) close(client.fd);
  clients_.clear();
}

}  // namespace keeper
