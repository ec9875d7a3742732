#include "sampler/snapshot_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>

namespace infernode::sampler {

namespace {

std::string Because(const std::string& what, const std::string& path) { return what + " " + path + ": " + std::strerror(errno); }

Snapshot* Map(int file, int protection) {
  void* memory = mmap(nullptr, sizeof(Snapshot), protection, MAP_SHARED, file, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<Snapshot*>(memory);
}

}  // namespace

std::unique_ptr<SnapshotFile> SnapshotFile::Create(const std::string& path, std::string* error) {
  unlink(path.c_str());
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) {
    *error = Because("cannot create", path);
    return nullptr;
  }
  // Reserved at once: on a full disk a hole would end the process with SIGBUS at the first write.
  const int reserved = posix_fallocate(file, 0, sizeof(Snapshot));
  if (reserved != 0) errno = reserved;
  Snapshot* snapshot = reserved == 0 ? Map(file, PROT_READ | PROT_WRITE) : nullptr;
  if (!snapshot) *error = Because("cannot map", path);
  close(file);
  if (!snapshot) return nullptr;
  new (snapshot) Snapshot();
  snapshot->magic = kSnapshotMagic;
  snapshot->layout_version = kLayoutVersion;
  snapshot->size = sizeof(Snapshot);
  snapshot->pid = static_cast<uint32_t>(getpid());
  snapshot->heartbeat_ns = nvml::MonotonicNs();
  return std::unique_ptr<SnapshotFile>(new SnapshotFile(snapshot));
}

std::unique_ptr<SnapshotFile> SnapshotFile::Open(const std::string& path, std::string* error) {
  const int file = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) {
    *error = Because("cannot open", path);
    return nullptr;
  }
  struct stat status {};
  // Checked before the map: reading past the end of a file is a SIGBUS.
  const bool whole = fstat(file, &status) == 0 && status.st_size == static_cast<off_t>(sizeof(Snapshot));
  Snapshot* snapshot = whole ? Map(file, PROT_READ) : nullptr;
  close(file);
  if (!snapshot) {
    *error = whole ? Because("cannot map", path) : "expected a snapshot of " + std::to_string(sizeof(Snapshot)) + " bytes in " + path;
    return nullptr;
  }
  auto opened = std::unique_ptr<SnapshotFile>(new SnapshotFile(snapshot));
  if (snapshot->magic == kSnapshotMagic && snapshot->layout_version == kLayoutVersion && snapshot->size == sizeof(Snapshot)) return opened;
  *error = "expected a snapshot of layout " + std::to_string(kLayoutVersion) + " in " + path + "; agent and sampler are of different builds";
  return nullptr;
}

SnapshotFile::~SnapshotFile() { munmap(snapshot_, sizeof(Snapshot)); }

}  // namespace infernode::sampler
