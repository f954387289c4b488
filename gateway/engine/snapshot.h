#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "carillon/v1/snapshot.pb.h"
#include "gateway/base/status.h"
#include "gateway/wire/frame.h"

// The file in which logs outlive the process: a line that says what it is, then records, each with its length and
// checksum, the last of which says how many there were. Any thread, one at a time.
namespace carillon::engine {

// Where a snapshot is written before it is renamed.
inline std::string AsideOf(const std::string& path) {
  return path + ".tmp";
}

// Writes beside the file and renames at the end, so that there is never a part of one under its name.
class SnapshotWriter {
 public:
  explicit SnapshotWriter(std::string path) : path_(std::move(path)), aside_(AsideOf(path_)) {}
  ~SnapshotWriter();
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  Status Open();
  Status Write(const v1::SnapshotRecord& record);
  Status Commit();

 private:
  Status Failed(const char* what) const;

  const std::string path_;
  const std::string aside_;
  std::FILE* file_ = nullptr;
};

class SnapshotReader {
 public:
  explicit SnapshotReader(std::string path) : path_(std::move(path)) {}
  ~SnapshotReader();
  SnapshotReader(const SnapshotReader&) = delete;
  SnapshotReader& operator=(const SnapshotReader&) = delete;

  // NOT_FOUND where there is no file; INVALID_ARGUMENT where it is something else than a snapshot of this version.
  Status Open();
  // DATA_LOSS where it is torn. The record of kind `end` is the last.
  Status Read(v1::SnapshotRecord* record);

  // DATA_LOSS where something follows.
  Status CheckEnd();

 private:
  const std::string path_;
  std::FILE* file_ = nullptr;
  uint64_t at_ = 0;
};

// What a snapshot is called once it was read.
inline std::string TakenSnapshot(const std::string& path) {
  return path + ".taken";
}

// Makes a rename in the file's folder outlive the machine's power. False where it cannot.
bool SyncFolder(const std::string& path);

v1::SnapshotMessage ToSnapshot(const wire::Frame& frame);
wire::FramePtr FromSnapshot(v1::SnapshotMessage message);

}  // namespace carillon::engine
