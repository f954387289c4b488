#pragma once

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

#include "gateway/base/status.h"

namespace carillon::control {

template <class Request>
Request Text(const std::string& text) {
  Request request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

struct FieldCase {
  std::string request;  // in text format
  std::string field;    // "": good
};

// Reads each and compares the field that was found wrong.
template <class Request, class Read, size_t N>
void ExpectFields(const Read& read, const FieldCase (&cases)[N]) {
  for (const FieldCase& c : cases) {
    Status status = read(Text<Request>(c.request));

    ASSERT_EQ(status.ok(), c.field.empty()) << c.request << ": " << MessageOf(status);
    if (status.ok()) continue;
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.request;
    EXPECT_EQ(FieldOf(status), c.field) << c.request << ": " << MessageOf(status);
    EXPECT_THAT(MessageOf(status), ::testing::HasSubstr(c.field)) << c.request;
  }
}

inline std::string Quoted(const std::string& text) {
  return '"' + text + '"';
}

}  // namespace carillon::control
