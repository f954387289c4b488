#include "gateway/auth/app.h"

#include <gtest/gtest.h>

#include "tests/support/apps.h"

namespace carillon::auth {
namespace {

TEST(AppsTest, AreFoundByNumberNameAndKey) {
  auto apps = test::ThreeApps();

  EXPECT_EQ(apps->Find(0), &apps->Default());
  EXPECT_EQ(apps->Find(1)->name, "shop");
  EXPECT_EQ(apps->FindByName("shop")->id, 1);
  EXPECT_EQ(apps->FindByKey("key-of-shop")->id, 1);
  EXPECT_EQ(apps->FindByName("default"), &apps->Default());
  EXPECT_EQ(apps->FindByKey("default"), &apps->Default());
}

TEST(AppsTest, WhatIsNotThereIsNotFound) {
  auto apps = test::ThreeApps();

  EXPECT_EQ(apps->Find(3), nullptr);
  EXPECT_EQ(apps->FindByName("key-of-shop"), nullptr);
  EXPECT_EQ(apps->FindByName(""), nullptr);
  EXPECT_EQ(apps->FindByKey("shop"), nullptr);
  EXPECT_EQ(apps->FindByKey(""), nullptr);
}

}  // namespace
}  // namespace carillon::auth
