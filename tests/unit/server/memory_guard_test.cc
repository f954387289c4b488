#include "gateway/server/memory_guard.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace carillon::server {
namespace {

class MemoryGuardTest : public ::testing::Test {
 protected:
  MemoryGuardTest() {
    char name[] = "/tmp/carillon-cgroup-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  ~MemoryGuardTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  uint64_t Limit(const std::string& membership) {
    Write("membership", membership);
    return ControlGroupLimit(root_.string(), root_ / "membership");
  }

  std::filesystem::path root_;
};

TEST_F(MemoryGuardTest, AGroupsLimitCounts) {
  Write("a/memory.max", "1000000\n");

  EXPECT_EQ(Limit("0::/a\n"), 1'000'000u);
}

TEST_F(MemoryGuardTest, TheLeastOfThoseAboveItCounts) {
  Write("memory.max", "max\n");
  Write("a/memory.max", "5000000\n");
  Write("a/b/memory.max", "max\n");
  Write("a/b/c/memory.max", "9000000\n");

  EXPECT_EQ(Limit("0::/a/b/c\n"), 5'000'000u);
}

TEST_F(MemoryGuardTest, InsideAContainerTheRootIsTheGroup) {
  Write("memory.max", "7000000\n");

  EXPECT_EQ(Limit("0::/\n"), 7'000'000u);
}

TEST_F(MemoryGuardTest, TheFirstVersionHasAHierarchyOfItsOwn) {
  Write("memory/a/memory.limit_in_bytes", "3000000\n");
  Write("memory/memory.limit_in_bytes", "9223372036854771712\n");

  EXPECT_EQ(Limit("12:cpu:/x\n11:memory:/a\n0::/\n"), 3'000'000u);
}

TEST_F(MemoryGuardTest, WhereNobodySaysThereIsNone) {
  EXPECT_EQ(Limit(""), 0u);
  EXPECT_EQ(Limit("0::/nowhere\n"), 0u);
  EXPECT_EQ(Limit("rubbish\n0::\n"), 0u);
}

TEST_F(MemoryGuardTest, TheProcessHoldsSomething) {
  EXPECT_GT(ResidentBytes(), 1'000'000u);
}

}  // namespace
}  // namespace carillon::server
