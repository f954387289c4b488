#include "gateway/engine/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/logged.h"
#include "tests/support/seed.h"

namespace carillon::engine {
namespace {

using ::testing::HasSubstr;

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() {
    char name[] = "/tmp/carillon-snapshot-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ / "logs";
  }
  ~SnapshotTest() override { std::filesystem::remove_all(folder_); }

  void Write(int records) {
    SnapshotWriter writer(path_);
    ASSERT_TRUE(writer.Open().ok());
    v1::SnapshotRecord record;
    for (int i = 0; i < records; ++i) {
      record.mutable_log()->set_name("stream-" + std::to_string(i));
      ASSERT_TRUE(writer.Write(record).ok());
    }
    ASSERT_TRUE(writer.Commit().ok());
  }

  // The first error of reading `records` records.
  Status ReadAll(int records) {
    SnapshotReader reader(path_);
    RETURN_IF_ERROR(reader.Open());
    v1::SnapshotRecord record;
    for (int i = 0; i < records; ++i) RETURN_IF_ERROR(reader.Read(&record));
    return absl::OkStatus();
  }

  std::string Bytes() {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void SetBytes(const std::string& bytes) { std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes; }

  std::filesystem::path folder_;
  std::string path_;
};

TEST_F(SnapshotTest, WhatIsWrittenIsRead) {
  Write(3);
  SnapshotReader reader(path_);
  ASSERT_TRUE(reader.Open().ok());

  v1::SnapshotRecord record;
  for (const char* name : {"stream-0", "stream-1", "stream-2"}) {
    ASSERT_TRUE(reader.Read(&record).ok());
    EXPECT_EQ(record.log().name(), name);
  }
  EXPECT_EQ(reader.Read(&record).code(), absl::StatusCode::kDataLoss);
}

TEST_F(SnapshotTest, NobodyElseMayReadIt) {
  Write(1);

  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(SnapshotTest, WithoutCommitThereIsNothing) {
  {
    SnapshotWriter writer(path_);
    ASSERT_TRUE(writer.Open().ok());
    ASSERT_TRUE(writer.Write(v1::SnapshotRecord()).ok());
  }

  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(SnapshotTest, AnOlderOneStaysUntilTheNewOneIsWhole) {
  Write(1);
  std::string before = Bytes();
  {
    SnapshotWriter writer(path_);
    ASSERT_TRUE(writer.Open().ok());
    EXPECT_EQ(Bytes(), before);
  }
  EXPECT_EQ(Bytes(), before);
}

TEST_F(SnapshotTest, WhatAKilledProcessLeftIsNoObstacle) {
  std::ofstream(path_ + ".tmp") << "half";

  Write(1);

  EXPECT_TRUE(ReadAll(1).ok());
}

TEST_F(SnapshotTest, EveryTornEndIsNoticed) {
  Write(2);
  std::string whole = Bytes();
  for (size_t size = 0; size < whole.size(); ++size) {
    SetBytes(whole.substr(0, size));
    EXPECT_EQ(ReadAll(2).code(), absl::StatusCode::kDataLoss) << size;
  }
  SetBytes(whole);
  EXPECT_TRUE(ReadAll(2).ok());
}

TEST_F(SnapshotTest, EveryFlippedBitIsNoticed) {
  Write(2);
  std::string whole = Bytes();
  for (size_t byte = 0; byte < whole.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = whole;
      bad[byte] = static_cast<char>(bad[byte] ^ (1 << bit));
      SetBytes(bad);
      EXPECT_FALSE(ReadAll(2).ok()) << byte << "." << bit;
    }
  }
}

TEST_F(SnapshotTest, ForeignFilesAreToldFromTornOnes) {
  EXPECT_EQ(ReadAll(1).code(), absl::StatusCode::kNotFound);
  SetBytes("#!/bin/sh\necho precious\n");
  EXPECT_EQ(ReadAll(1).code(), absl::StatusCode::kInvalidArgument);
  // Ours, and so ours to replace.
  for (const char* bytes : {"", "car", "carillon snapshot 1", "carillon snapshot 2\n"}) {
    SetBytes(bytes);
    EXPECT_EQ(ReadAll(1).code(), absl::StatusCode::kDataLoss) << bytes;
  }
}

TEST_F(SnapshotTest, RandomRubbishDoesNoHarm) {
  test::Random random;
  Write(2);
  std::string whole = Bytes();
  for (int i = 0; i < 2000; ++i) {
    SetBytes(whole.substr(0, 20) + random.Mutated(whole.substr(20)));
    (void)ReadAll(3);
  }
}

TEST_F(SnapshotTest, NothingMayFollowTheEnd) {
  Write(2);
  SnapshotReader good(path_);
  v1::SnapshotRecord record;
  ASSERT_TRUE(good.Open().ok() && good.Read(&record).ok() && good.Read(&record).ok());
  EXPECT_TRUE(good.CheckEnd().ok());

  SetBytes(Bytes() + "x");
  SnapshotReader bad(path_);
  ASSERT_TRUE(bad.Open().ok() && bad.Read(&record).ok() && bad.Read(&record).ok());
  EXPECT_EQ(bad.CheckEnd().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SnapshotTest, AFolderThatIsNotThereIsSaid) {
  SnapshotWriter writer((folder_ / "no" / "logs").string());

  EXPECT_THAT(std::string(writer.Open().message()), HasSubstr("cannot create"));
}

TEST(SnapshotMessageTest, TermsStayWithTheMessage) {
  auto terms = std::make_shared<wire::Terms>();
  terms->stream_subscribers_only = true;
  terms->labels = {{"room", "5"}};
  terms->user_ids = {"alice"};
  terms->roles = {"admin", "ops"};
  terms->excluded_sessions = {SessionId{3, 77}};
  terms->excluded_users = {"bob"};
  terms->conflation_key = "k";
  terms->expires = test::At(1000);
  terms->deliver_by = test::At(2000);
  wire::FramePtr frame = wire::Frame::At(test::MessageAt("m", test::At(1), 10, terms), {"e1", 7}, "@user");

  wire::FramePtr back = FromSnapshot(ToSnapshot(*frame));

  EXPECT_EQ(back->envelope().SerializeAsString(), frame->envelope().SerializeAsString());
  ASSERT_NE(back->terms(), nullptr);
  EXPECT_TRUE(back->terms()->stream_subscribers_only);
  EXPECT_EQ(back->terms()->labels, terms->labels);
  EXPECT_EQ(back->terms()->user_ids, terms->user_ids);
  EXPECT_EQ(back->terms()->roles, terms->roles);
  EXPECT_EQ(back->terms()->excluded_sessions, terms->excluded_sessions);
  EXPECT_EQ(back->terms()->excluded_users, terms->excluded_users);
  EXPECT_EQ(back->terms()->conflation_key, "k");
  EXPECT_EQ(back->terms()->expires, test::At(1000));
  EXPECT_EQ(back->terms()->deliver_by, test::At(2000));
  EXPECT_EQ(FromSnapshot(ToSnapshot(*test::MessageAt("m", test::At(1))))->terms(), nullptr);
}

}  // namespace
}  // namespace carillon::engine
