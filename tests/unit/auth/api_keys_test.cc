#include "gateway/auth/api_keys.h"

#include <gtest/gtest.h>

namespace carillon::auth {
namespace {

using Verdict = ApiKeys::Verdict;

constexpr Verb kVerbs[] = {Verb::kPublish, Verb::kRead, Verb::kAdmin};

TEST(ApiKeysTest, WithoutKeysEveryoneMay) {
  ApiKeys keys;

  EXPECT_TRUE(keys.Knows(""));
  for (Verb verb : kVerbs) EXPECT_EQ(keys.Check("", verb), Verdict::kAllowed);
}

TEST(ApiKeysTest, WithAKeyOnlyItsBearerMay) {
  ApiKeys keys;
  keys.Add("backend", "a secret of 16+ bytes", {});

  for (Verb verb : kVerbs) EXPECT_EQ(keys.Check("a secret of 16+ bytes", verb), Verdict::kAllowed);
  for (std::string_view wrong : {"", "a secret of 16+ byte", "a secret of 16+ bytes ", "A secret of 16+ bytes"}) {
    for (Verb verb : kVerbs) EXPECT_EQ(keys.Check(wrong, verb), Verdict::kUnknownKey) << wrong;
    EXPECT_FALSE(keys.Knows(wrong));
  }
  EXPECT_TRUE(keys.Knows("a secret of 16+ bytes"));
  EXPECT_EQ(keys.NameOf("a secret of 16+ bytes"), "backend");
  EXPECT_EQ(keys.NameOf("another"), "");
}

TEST(ApiKeysTest, AKeyMayDoWhatItsVerbsSay) {
  for (Verb granted : kVerbs) {
    ApiKeys keys;
    keys.Add("one", "the key of one verb", {granted});

    for (Verb asked : kVerbs) {
      EXPECT_EQ(keys.Check("the key of one verb", asked), asked == granted ? Verdict::kAllowed : Verdict::kVerbMissing);
    }
  }
}

TEST(ApiKeysTest, VerbsAddUp) {
  ApiKeys keys;
  keys.Add("two", "the key of two verbs", {Verb::kPublish, Verb::kRead});

  EXPECT_EQ(keys.Check("the key of two verbs", Verb::kPublish), Verdict::kAllowed);
  EXPECT_EQ(keys.Check("the key of two verbs", Verb::kRead), Verdict::kAllowed);
  EXPECT_EQ(keys.Check("the key of two verbs", Verb::kAdmin), Verdict::kVerbMissing);
}

TEST(ApiKeysTest, KeysDoNotLendEachOtherTheirVerbs) {
  ApiKeys keys;
  keys.Add("reader", "the reader's own secret", {Verb::kRead});
  keys.Add("writer", "the writer's own secret", {Verb::kPublish});

  EXPECT_EQ(keys.Check("the reader's own secret", Verb::kPublish), Verdict::kVerbMissing);
  EXPECT_EQ(keys.Check("the writer's own secret", Verb::kPublish), Verdict::kAllowed);
  EXPECT_EQ(keys.Check("the writer's own secret", Verb::kRead), Verdict::kVerbMissing);
}

TEST(ApiKeysTest, NulBytesAreBytes) {
  ApiKeys keys;
  keys.Add("nul", std::string_view("sixteen bytes\0ab", 16), {});

  EXPECT_FALSE(keys.Knows("sixteen bytes"));
  EXPECT_FALSE(keys.Knows(std::string_view("sixteen bytes\0cd", 16)));
}

}  // namespace
}  // namespace carillon::auth
