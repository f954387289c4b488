#include "tests/fuzz/fuzz.h"
#include "tests/support/topic_index_model.h"

// Two bytes are an operation: a session joins a topic, or leaves one of its own.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kSessions = 7;
  constexpr size_t kTopics = 9;
  carillon::test::TopicIndexModel model(kSessions, kTopics);
  for (size_t at = 0; at + 1 < size && at < 2000; at += 2) {
    size_t session = (data[at] & 0x7F) % kSessions;
    if (data[at] < 0x80) {
      model.Join(session, data[at + 1] % kTopics);
    } else {
      model.Leave(session, data[at + 1]);
    }
    std::string wrong = model.Inconsistency();
    if (!wrong.empty()) std::fprintf(stderr, "%s\n", wrong.c_str());
    FUZZ_EXPECT(wrong.empty());
  }
  return 0;
}
