#include "gateway/wire/code_words.h"

#include <gtest/gtest.h>

#include "carillon/v1/codes.pb.h"
#include "gateway/wire/close_code.h"

namespace carillon::wire {
namespace {

TEST(CodeWordsTest, WordsAndNumbersBelongTogether) {
  const auto& codes = *v1::ClientErrorCode_descriptor();
  EXPECT_EQ(WordOf(*codes.FindValueByName("CLIENT_ERROR_CODE_NOT_JSON")), "not_json");
  EXPECT_EQ(NumberOf(codes, "not_json"), v1::CLIENT_ERROR_CODE_NOT_JSON);
  EXPECT_EQ(NumberOf(codes, "unspecified"), 0);
  EXPECT_EQ(NumberOf(codes, "no_such_word"), 0);
  EXPECT_EQ(NumberOf(codes, ""), 0);
}

// The close codes of C++ and those of codes.proto, from which the documents are made, are the same.
TEST(CodeWordsTest, TheTableOfCloseCodesIsTheProtos) {
  const auto& codes = *v1::CloseCode_descriptor();
  EXPECT_EQ(CloseTable().size() + 1, static_cast<size_t>(codes.value_count()));  // and the unspecified one
  for (const CloseInfo& info : CloseTable()) {
    const auto* value = codes.FindValueByNumber(static_cast<int>(info.code));
    ASSERT_NE(value, nullptr) << info.name;
    EXPECT_EQ(WordOf(*value), info.name);
  }
}

}  // namespace
}  // namespace carillon::wire
