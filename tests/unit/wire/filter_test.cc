#include "gateway/wire/filter.h"

#include <gtest/gtest.h>

namespace carillon::wire {
namespace {

v1::Envelope Message(const std::string& event, const std::map<std::string, std::string>& meta = {}) {
  v1::Envelope envelope;
  envelope.set_event(event);
  envelope.mutable_meta()->insert(meta.begin(), meta.end());
  return envelope;
}

TEST(FilterTest, AnEmptyOnePassesEverything) {
  EXPECT_TRUE(Filter().Passes(Message("a")));
  EXPECT_TRUE(Filter().empty());
}

TEST(FilterTest, EventsByNameOrBeginning) {
  Filter filter{{"created", "order.*"}, {}};

  EXPECT_TRUE(filter.Passes(Message("created")));
  EXPECT_TRUE(filter.Passes(Message("order.paid")));
  EXPECT_TRUE(filter.Passes(Message("order.")));
  EXPECT_FALSE(filter.Passes(Message("created2")));
  EXPECT_FALSE(filter.Passes(Message("order")));
  EXPECT_TRUE((Filter{{"*"}, {}}.Passes(Message("anything"))));
}

TEST(FilterTest, EveryAnnotationMustBeThere) {
  Filter filter{{}, {{"room", "5"}, {"lang", "de"}}};

  EXPECT_TRUE(filter.Passes(Message("a", {{"room", "5"}, {"lang", "de"}, {"more", "x"}})));
  EXPECT_FALSE(filter.Passes(Message("a", {{"room", "5"}})));
  EXPECT_FALSE(filter.Passes(Message("a", {{"room", "5"}, {"lang", "en"}})));
}

TEST(FilterTest, BothPartsMustHold) {
  Filter filter{{"a"}, {{"room", "5"}}};

  EXPECT_TRUE(filter.Passes(Message("a", {{"room", "5"}})));
  EXPECT_FALSE(filter.Passes(Message("b", {{"room", "5"}})));
  EXPECT_FALSE(filter.Passes(Message("a", {{"room", "6"}})));
}

TEST(FilterTest, WhatIsImposedHoldsBesideWhatIsWanted) {
  Filter filter{{}, {{"room", "5"}}, {{"workspace", "w1"}}};
  EXPECT_TRUE(filter.Passes(Message("a", {{"room", "5"}, {"workspace", "w1"}})));
  EXPECT_FALSE(filter.Passes(Message("a", {{"room", "5"}, {"workspace", "w2"}})));
  EXPECT_FALSE(filter.Passes(Message("a", {{"workspace", "w1"}})));

  // Wanting another value cannot undo it.
  Filter other{{}, {{"workspace", "w2"}}, {{"workspace", "w1"}}};
  EXPECT_FALSE(other.Passes(Message("a", {{"workspace", "w1"}})));
  EXPECT_FALSE(other.Passes(Message("a", {{"workspace", "w2"}})));

  Filter only{{}, {}, {{"workspace", "w1"}}};
  EXPECT_FALSE(only.empty());
  EXPECT_EQ(only.bytes(), 0u) << "it is not the subscriber's";
}

}  // namespace
}  // namespace carillon::wire
