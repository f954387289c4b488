#include "control/publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/apps.h"
#include "tests/support/fake_session.h"
#include "tests/support/test_node.h"

namespace carillon::control {
namespace {

using test::FakeSession;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

v1::BroadcastToUsersRequest ToUsers(const std::vector<std::string>& users, const std::string& event) {
  v1::BroadcastToUsersRequest request;
  for (const std::string& user : users) request.add_user_ids(user);
  request.mutable_event()->set_name(event);
  return request;
}

v1::PublishItem Item(const v1::BroadcastToUsersRequest& request) {
  v1::PublishItem item;
  *item.mutable_broadcast_to_users() = request;
  return item;
}

// Two shards: alice lives on the first, bob on the second.
class PublisherTest : public ::testing::Test {
 protected:
  // Publishes to the shard of `user` until it takes no more.
  void Fill(const std::string& user) {
    while (node_.node().Publish(test::UserTopic(user), test::MakeFrame("fill")).ok()) {
    }
  }

  std::string Metrics() {
    MetricsWriter writer;
    publisher_.Collect(writer, *test::ThreeApps());
    return writer.Text();
  }

  test::TestNode node_{2, {.mailbox_messages = 10, .mailbox_bytes = 1 << 20}};
  FakeSession alice_{node_, 0, {.user = "alice"}};
  FakeSession alices_other_tab_{node_, 0, {.user = "alice"}};
  FakeSession bob_{node_, 1, {.user = "bob"}};
  Caller caller_{test::AnybodysKey(), test::ThreeApps()};
  Publisher publisher_{node_.node(), 1000};
};

TEST_F(PublisherTest, AReceiptCountsSessionsAndAnOutcomeUsers) {
  auto outcome = publisher_.Publish(ToUsers({"alice", "bob", "nobody"}, "hello"), caller_);
  node_.Settle();

  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->receipt.sessions(), 3u);
  EXPECT_EQ(outcome->topics_reached, 2u);
  EXPECT_NE(outcome->receipt.message_id(), "");
  EXPECT_FALSE(outcome->receipt.has_position());
  EXPECT_THAT(alice_.Heard(), ElementsAre("hello"));
  EXPECT_THAT(bob_.Written(), HasSubstr(outcome->receipt.message_id()));
}

TEST_F(PublisherTest, NobodyThereIsACountOfZero) {
  v1::BroadcastStreamRequest request;
  request.set_stream("empty");
  request.mutable_event()->set_name("x");

  auto outcome = publisher_.Publish(request, caller_);

  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->receipt.sessions(), 0u);
}

TEST_F(PublisherTest, ABadRequestReachesNobody) {
  EXPECT_EQ(FieldOf(publisher_.Publish(ToUsers({"alice", ""}, "x"), caller_).status()), "user_ids[1]");
  node_.Settle();

  EXPECT_EQ(alice_.Written(), "");
  EXPECT_THAT(Metrics(), HasSubstr("carillon_broadcasts_total 0\n"));
}

TEST_F(PublisherTest, AGatewayThatIsBehindRefusesTheWholeOrSaysHowManyWereServed) {
  test::TestNode::Hold hold(node_, 1);
  Fill("bob");

  Status none = publisher_.Publish(ToUsers({"bob"}, "x"), caller_).status();
  Status some = publisher_.Publish(ToUsers({"alice", "bob"}, "x"), caller_).status();

  EXPECT_EQ(none.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(MessageOf(none), ::testing::Not(HasSubstr("served")));
  EXPECT_EQ(some.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(MessageOf(some), HasSubstr("the first 1 of 2 users were served, go on with bob"));
  EXPECT_THAT(Metrics(), HasSubstr("carillon_publish_refused_total 2\n"));
}

TEST_F(PublisherTest, AnItemThatWaitedGoesOnWhereItStoppedAsTheSameMessage) {
  ResumablePublish publish(publisher_);
  auto hold = std::make_unique<test::TestNode::Hold>(node_, 1);
  Fill("bob");
  v1::PublishItem item = Item(ToUsers({"alice", "bob"}, "once"));
  ASSERT_EQ(publish.Publish(item, caller_).code(), absl::StatusCode::kResourceExhausted);
  ASSERT_EQ(publish.Publish(item, caller_).code(), absl::StatusCode::kResourceExhausted);

  hold.reset();
  node_.Settle();
  EXPECT_TRUE(publish.Publish(item, caller_).ok());
  EXPECT_TRUE(publish.Publish(Item(ToUsers({"alice"}, "next")), caller_).ok());
  node_.Settle();

  EXPECT_THAT(alice_.Heard(), ElementsAre("once", "next"));
  EXPECT_EQ(bob_.Heard().back(), "once");
  std::string for_alice = test::SplitFrames(alice_.Written()).at(0);
  EXPECT_EQ(test::SplitFrames(bob_.Written()).back(), for_alice);
}

TEST_F(PublisherTest, ABadItemIsForgotten) {
  ResumablePublish publish(publisher_);

  EXPECT_EQ(FieldOf(publish.Publish(v1::PublishItem(), caller_)), "target");
  EXPECT_TRUE(publish.Publish(Item(ToUsers({"alice"}, "good")), caller_).ok());
  node_.Settle();

  EXPECT_THAT(alice_.Heard(), SizeIs(1));
}

}  // namespace
}  // namespace carillon::control
