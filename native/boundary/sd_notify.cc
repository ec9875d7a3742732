// One datagram to the service manager (sd_notify(3)); Node itself cannot reach a datagram socket of the file system.
#include "boundary/sd_notify.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace infernode::boundary {
namespace {

/** 0, or the errno that says why not. Never waits: a full socket is a lost message, not a stopped event loop. */
int Send(const std::string& socket_name, const std::string& message) {
  sockaddr_un address{};
  if (socket_name.empty() || socket_name.size() >= sizeof address.sun_path) return EINVAL;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_name.data(), socket_name.size());
  // `@` stands for the zero byte of an abstract name.
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const socklen_t length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_name.size());
  const ssize_t sent = sendto(fd, message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&address), length);
  const int error = sent < 0 ? errno : 0;
  close(fd);
  return error;
}

Napi::Value SdNotify(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsString() || !info[1].IsString())
    throw Napi::TypeError::New(env, "expected two strings for sdNotify: socket and message");
  const int error = Send(info[0].As<Napi::String>(), info[1].As<Napi::String>());
  return error == 0 ? env.Null() : Napi::Value(Napi::String::New(env, std::strerror(error)));
}

}  // namespace

void RegisterSdNotify(Napi::Env env, Napi::Object exports) {
  exports.Set("sdNotify", Napi::Function::New(env, SdNotify, "sdNotify"));
}

}  // namespace infernode::boundary
