#include "gateway/engine/snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/crc.hpp>
#include <boost/endian/arithmetic.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace carillon::engine {
namespace {

constexpr std::string_view kMagic = "carillon snapshot 1\n";
constexpr std::string_view kAnyMagic = "carillon snapshot ";

// No record is near this; a length beyond it is rubbish.
constexpr uint32_t kMaxRecordBytes = 16 << 20;

struct RecordHead {
  boost::endian::little_uint32_t size;
  boost::endian::little_uint32_t checksum;
};

uint32_t ChecksumOf(const std::string& bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

int64_t ToMs(wire::WallClock::time_point time) {
  if (time == wire::WallClock::time_point::max()) return 0;
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

wire::WallClock::time_point FromMs(int64_t ms) {
  return ms == 0 ? wire::WallClock::time_point::max() : wire::WallClock::time_point(std::chrono::milliseconds(ms));
}

}  // namespace

// --- Writing ---------------------------------------------------------------------------------------------------------

SnapshotWriter::~SnapshotWriter() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  ::unlink(aside_.c_str());
}

Status SnapshotWriter::Failed(const char* what) const {
  return absl::InternalError(fmt::format("cannot {} {}: {}", what, aside_, std::strerror(errno)));
}

Status SnapshotWriter::Open() {
  ::unlink(aside_.c_str());  // of a process that was killed while it wrote
  // Messages are private: nobody else may read them.
  int descriptor = ::open(aside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (descriptor < 0) return Failed("create");
  file_ = ::fdopen(descriptor, "wb");
  if (std::fwrite(kMagic.data(), 1, kMagic.size(), file_) != kMagic.size()) return Failed("write");
  return absl::OkStatus();
}

Status SnapshotWriter::Write(const v1::SnapshotRecord& record) {
  std::string bytes = record.SerializeAsString();
  RecordHead head;
  head.size = static_cast<uint32_t>(bytes.size());
  head.checksum = ChecksumOf(bytes);
  if (std::fwrite(&head, 1, sizeof head, file_) != sizeof head ||
      std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
    return Failed("write");
  }
  return absl::OkStatus();
}

Status SnapshotWriter::Commit() {
  if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) return Failed("write");
  std::FILE* file = std::exchange(file_, nullptr);
  if (std::fclose(file) != 0) return Failed("close");
  if (::rename(aside_.c_str(), path_.c_str()) != 0 || !SyncFolder(path_)) return Failed("rename");
  return absl::OkStatus();
}

bool SyncFolder(const std::string& path) {
  std::string folder = std::filesystem::absolute(path).parent_path();
  int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  bool synced = ::fsync(descriptor) == 0;
  ::close(descriptor);
  return synced;
}

// --- Reading ---------------------------------------------------------------------------------------------------------

SnapshotReader::~SnapshotReader() {
  if (file_ != nullptr) std::fclose(file_);
}

Status SnapshotReader::Open() {
  file_ = std::fopen(path_.c_str(), "rbe");
  if (file_ == nullptr && errno == ENOENT) return absl::NotFoundError("there is none");
  if (file_ == nullptr) return InvalidArgument("cannot be read: {}", std::strerror(errno));
  char magic[kMagic.size()];
  size_t got = std::fread(magic, 1, sizeof magic, file_);
  std::string_view begin(magic, got);
  if (begin != kMagic && kMagic.starts_with(begin)) return absl::DataLossError("is torn at its first line");
  if (begin != kMagic && begin.starts_with(kAnyMagic)) {
    return absl::DataLossError("is of another version of Carillon");
  }
  if (begin != kMagic) return InvalidArgument("is not a snapshot");
  at_ = got;
  return absl::OkStatus();
}

Status SnapshotReader::Read(v1::SnapshotRecord* record) {
  auto torn = [this](std::string_view what) {
    return absl::DataLossError(fmt::format("is torn at byte {}: {}", at_, what));
  };
  RecordHead head;
  if (std::fread(&head, 1, sizeof head, file_) != sizeof head) return torn("it ends too soon");
  if (head.size > kMaxRecordBytes) return torn("a record of impossible length");
  std::string bytes(head.size, '\0');
  if (std::fread(bytes.data(), 1, bytes.size(), file_) != bytes.size()) return torn("it ends too soon");
  if (ChecksumOf(bytes) != head.checksum) return torn("a record's checksum is wrong");
  if (!record->ParseFromString(bytes)) return torn("a record that is none");
  at_ += sizeof head + bytes.size();
  return absl::OkStatus();
}

Status SnapshotReader::CheckEnd() {
  if (std::fgetc(file_) == EOF) return absl::OkStatus();
  return absl::DataLossError(fmt::format("is torn at byte {}: more follows its end", at_));
}

// --- Messages --------------------------------------------------------------------------------------------------------

v1::SnapshotMessage ToSnapshot(const wire::Frame& frame) {
  v1::SnapshotMessage message;
  *message.mutable_envelope() = frame.envelope();
  if (frame.terms() == nullptr) return message;
  const wire::Terms& terms = *frame.terms();
  v1::SnapshotTerms& out = *message.mutable_terms();
  out.set_stream_subscribers_only(terms.stream_subscribers_only);
  out.mutable_labels()->insert(terms.labels.begin(), terms.labels.end());
  out.mutable_user_ids()->Assign(terms.user_ids.begin(), terms.user_ids.end());
  out.mutable_roles()->Assign(terms.roles.begin(), terms.roles.end());
  for (const SessionId& id : terms.excluded_sessions) out.add_excluded_sessions(id.ToString());
  out.mutable_excluded_users()->Assign(terms.excluded_users.begin(), terms.excluded_users.end());
  out.set_conflation_key(terms.conflation_key);
  out.set_expires_ms(ToMs(terms.expires));
  out.set_deliver_by_ms(ToMs(terms.deliver_by));
  return message;
}

wire::FramePtr FromSnapshot(v1::SnapshotMessage message) {
  std::shared_ptr<wire::Terms> terms;
  if (message.has_terms()) {
    const v1::SnapshotTerms& from = message.terms();
    terms = std::make_shared<wire::Terms>();
    terms->stream_subscribers_only = from.stream_subscribers_only();
    terms->labels.insert(from.labels().begin(), from.labels().end());
    terms->user_ids.assign(from.user_ids().begin(), from.user_ids().end());
    terms->roles.assign(from.roles().begin(), from.roles().end());
    for (const std::string& text : from.excluded_sessions()) {
      if (auto id = SessionId::Parse(text)) terms->excluded_sessions.push_back(*id);
    }
    terms->excluded_users.assign(from.excluded_users().begin(), from.excluded_users().end());
    terms->conflation_key = from.conflation_key();
    terms->expires = FromMs(from.expires_ms());
    terms->deliver_by = FromMs(from.deliver_by_ms());
  }
  return wire::FramePtr(new wire::Frame(std::move(*message.mutable_envelope()), std::move(terms)));
}

}  // namespace carillon::engine
