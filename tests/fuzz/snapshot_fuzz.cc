#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "gateway/engine/memory_engine.h"
#include "gateway/engine/snapshot.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/fake_door.h"

namespace {

namespace engine = carillon::engine;

// A folder for the file, as long as the program.
class Folder {
 public:
  Folder() {
    char folder[] = "/tmp/carillon-fuzz-XXXXXX";
    path_ = ::mkdtemp(folder);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file() const { return path_ / "logs"; }

 private:
  std::filesystem::path path_;
};

const std::string& Path() {
  static const Folder folder;
  static const std::string path = folder.file();
  return path;
}

// Loads the file. Whatever was in it, the engine works afterwards; and where it was refused, it is as if there had been
// none.
void Load() {
  carillon::test::FakeDoor door;
  engine::MemoryEngineOptions options;
  engine::TopicRule rule;
  rule.log.mode = engine::LogMode::kLog;
  options.rules = engine::StreamRules({{"*", rule}}, rule.log);
  engine::MemoryEngine memory(door, std::move(options));
  bool loaded = memory.LoadSnapshot(Path()).ok();
  FUZZ_EXPECT(loaded || memory.log_bytes() == 0);
  carillon::wire::TopicView topic{0, carillon::wire::TopicKind::kStream, "a"};
  carillon::v1::Envelope envelope;
  envelope.set_id("0a1b2c3d-0000000001");
  engine::Publication publication{topic, carillon::wire::FramePtr(new carillon::wire::Frame(std::move(envelope)))};
  publication.request_id = "r";
  auto published = memory.Publish(publication);
  FUZZ_EXPECT(published.ok() && published->position.has_value());
  auto page = memory.List(topic, nullptr, 1000, 1 << 20);
  FUZZ_EXPECT(page.ok() && page->top == *published->position);
  FUZZ_EXPECT(memory.WriteSnapshot(Path()).ok());
}

}  // namespace

// The bytes as a file; and as records (each a byte of length, then so many bytes) of a file that is otherwise in order.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes = carillon::fuzz::TextOf(data, size);
  std::ofstream(Path(), std::ios::binary | std::ios::trunc) << "carillon snapshot 1\n" << bytes;
  Load();

  engine::SnapshotWriter writer(Path());
  FUZZ_EXPECT(writer.Open().ok());
  while (!bytes.empty()) {
    size_t length = std::min<size_t>(static_cast<uint8_t>(bytes[0]), bytes.size() - 1);
    carillon::v1::SnapshotRecord record;
    if (record.ParseFromArray(bytes.data() + 1, static_cast<int>(length))) FUZZ_EXPECT(writer.Write(record).ok());
    bytes.remove_prefix(1 + length);
  }
  FUZZ_EXPECT(writer.Commit().ok());
  Load();
  return 0;
}
