#include "gateway/wire/envelope_json.h"

#include <gtest/gtest.h>

#include "gateway/wire/json_check.h"
#include "tests/support/golden.h"
#include "tests/support/seed.h"

namespace carillon::wire {
namespace {

// What stands after `mark` in a golden text, to `end` bytes before its end.
std::string_view Part(const std::string& json, std::string_view mark, size_t end) {
  size_t begin = json.rfind(mark) + mark.size();
  return std::string_view(json).substr(begin, json.size() - begin - end);
}

TEST(EnvelopeJsonTest, MetaIsAsInTheGoldenFiles) {
  for (const test::GoldenEnvelope& golden : test::LoadGoldenEnvelopes()) {
    std::string meta;

    AppendMetaJson(meta, golden.envelope);

    EXPECT_EQ(meta, Part(golden.json, "\"meta\":", 1)) << golden.name;
  }
}

TEST(EnvelopeJsonTest, PayloadsAreAsInTheGoldenFiles) {
  auto all = test::LoadGoldenEnvelopes();
  ASSERT_GE(all.size(), 8u);
  for (const test::GoldenEnvelope& golden : all) {
    std::string payload;
    AppendPayloadJson(payload, golden.envelope);
    std::string meta;
    AppendMetaJson(meta, golden.envelope);

    std::string tail = ",\"data\":" + payload + ",\"meta\":" + meta + "}";

    EXPECT_TRUE(golden.json.ends_with(tail)) << golden.name << "\n" << tail << "\n" << golden.json;
  }
}

TEST(EnvelopeJsonTest, TheSameMetaIsAlwaysTheSameBytes) {
  test::Random random;
  std::vector<std::pair<std::string, std::string>> entries;
  for (int i = 0; i < 32; ++i) entries.emplace_back("key" + std::to_string(random.Below(1000)), std::to_string(i));
  v1::Envelope forward;
  v1::Envelope backward;
  for (const auto& [key, value] : entries) (*forward.mutable_meta())[key] = value;
  backward.mutable_meta()->insert(forward.meta().begin(), forward.meta().end());

  std::string first;
  std::string second;
  AppendMetaJson(first, forward);
  AppendMetaJson(second, backward);

  EXPECT_EQ(first, second);
}

TEST(EnvelopeJsonTest, MetaIsValidJsonWhateverItHolds) {
  test::Random random;
  for (int i = 0; i < 500; ++i) {
    v1::Envelope envelope;
    envelope.set_id(random.Bytes(random.Below(20)));
    envelope.mutable_position()->set_epoch(random.Bytes(random.Below(8)));
    envelope.mutable_position()->set_offset(random.Bits());
    (*envelope.mutable_meta())[random.Bytes(5)] = random.Bytes(random.Below(30));

    std::string meta;
    AppendMetaJson(meta, envelope);

    ASSERT_TRUE(CheckJson(meta).ok()) << meta;
  }
}

}  // namespace
}  // namespace carillon::wire
