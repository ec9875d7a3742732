// The snapshot's file: created and mapped by the sampler, opened read-only by the agent.
#pragma once

#include <memory>
#include <string>

#include "sampler/snapshot_layout.h"

namespace infernode::sampler {

class SnapshotFile {
 public:
  /// Replaces what lies there. Null with `error` set when that is not possible.
  static std::unique_ptr<SnapshotFile> Create(const std::string& path, std::string* error);
  /// Maps an existing file for reading; refuses one of another layout or size.
  static std::unique_ptr<SnapshotFile> Open(const std::string& path, std::string* error);
  ~SnapshotFile();
  SnapshotFile(const SnapshotFile&) = delete;
  SnapshotFile& operator=(const SnapshotFile&) = delete;

  Snapshot& operator*() const { return *snapshot_; }
  Snapshot* operator->() const { return snapshot_; }

 private:
  explicit SnapshotFile(Snapshot* snapshot) : snapshot_(snapshot) {}
  Snapshot* snapshot_;
};

}  // namespace infernode::sampler
