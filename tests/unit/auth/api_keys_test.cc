#include "gateway/auth/api_keys.h"

#include <gtest/gtest.h>

namespace carillon::auth {
namespace {

enum class Verdict { kAllowed, kUnknownKey, kVerbMissing };

Verdict Check(const ApiKeys& keys, std::string_view secret, Verb verb) {
  ApiKeyPtr key = keys.Find(secret);
  if (key == nullptr) return Verdict::kUnknownKey;
  return key->May(verb) ? Verdict::kAllowed : Verdict::kVerbMissing;
}

constexpr Verb kVerbs[] = {Verb::kPublish, Verb::kRead, Verb::kAdmin};

TEST(ApiKeysTest, WithoutKeysEveryoneMay) {
  ApiKeys keys;

  EXPECT_NE(keys.Find(""), nullptr);
  for (Verb verb : kVerbs) EXPECT_EQ(Check(keys, "", verb), Verdict::kAllowed);
}

TEST(ApiKeysTest, WithAKeyOnlyItsBearerMay) {
  ApiKeys keys;
  keys.Add({"backend", {}, {"default"}, {}}, "a secret of 16+ bytes");

  for (Verb verb : kVerbs) EXPECT_EQ(Check(keys, "a secret of 16+ bytes", verb), Verdict::kAllowed);
  for (std::string_view wrong : {"", "a secret of 16+ byte", "a secret of 16+ bytes ", "A secret of 16+ bytes"}) {
    for (Verb verb : kVerbs) EXPECT_EQ(Check(keys, wrong, verb), Verdict::kUnknownKey) << wrong;
    EXPECT_EQ(keys.Find(wrong), nullptr);
  }
  EXPECT_NE(keys.Find("a secret of 16+ bytes"), nullptr);
  EXPECT_EQ(keys.Find("a secret of 16+ bytes")->name, "backend");
}

TEST(ApiKeysTest, AKeyMayDoWhatItsVerbsSay) {
  for (Verb granted : kVerbs) {
    ApiKeys keys;
    keys.Add({"one", {granted}, {"default"}, {}}, "the key of one verb");

    for (Verb asked : kVerbs) {
      EXPECT_EQ(Check(keys, "the key of one verb", asked),
                asked == granted ? Verdict::kAllowed : Verdict::kVerbMissing);
    }
  }
}

TEST(ApiKeysTest, VerbsAddUp) {
  ApiKeys keys;
  keys.Add({"two", {Verb::kPublish, Verb::kRead}, {"default"}, {}}, "the key of two verbs");

  EXPECT_EQ(Check(keys, "the key of two verbs", Verb::kPublish), Verdict::kAllowed);
  EXPECT_EQ(Check(keys, "the key of two verbs", Verb::kRead), Verdict::kAllowed);
  EXPECT_EQ(Check(keys, "the key of two verbs", Verb::kAdmin), Verdict::kVerbMissing);
}

TEST(ApiKeysTest, KeysDoNotLendEachOtherTheirVerbs) {
  ApiKeys keys;
  keys.Add({"reader", {Verb::kRead}, {"default"}, {}}, "the reader's own secret");
  keys.Add({"writer", {Verb::kPublish}, {"default"}, {}}, "the writer's own secret");

  EXPECT_EQ(Check(keys, "the reader's own secret", Verb::kPublish), Verdict::kVerbMissing);
  EXPECT_EQ(Check(keys, "the writer's own secret", Verb::kPublish), Verdict::kAllowed);
  EXPECT_EQ(Check(keys, "the writer's own secret", Verb::kRead), Verdict::kVerbMissing);
}

TEST(ApiKeysTest, NulBytesAreBytes) {
  ApiKeys keys;
  keys.Add({"nul", {}, {"default"}, {}}, std::string_view("sixteen bytes\0ab", 16));

  EXPECT_EQ(keys.Find("sixteen bytes"), nullptr);
  EXPECT_EQ(keys.Find(std::string_view("sixteen bytes\0cd", 16)), nullptr);
}

}  // namespace
}  // namespace carillon::auth
