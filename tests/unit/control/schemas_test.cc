#include "control/schemas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/apps.h"
#include "tests/support/shop_set.h"

namespace carillon::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The key of a backend that is for some streams only.
auth::ApiKeyPtr NarrowKey() {
  auth::ApiKey key;
  key.apps = {"default"};
  key.streams = {"chat*"};
  return std::make_shared<const auth::ApiKey>(std::move(key));
}

class ControlSchemasTest : public ::testing::Test {
 protected:
  StatusOr<v1::RegisterDescriptorsResponse> Register(const std::string& name, const std::string& bytes) {
    v1::RegisterDescriptorsRequest request;
    request.set_name(name);
    request.set_descriptor_set(bytes);
    v1::RegisterDescriptorsResponse response;
    RETURN_IF_ERROR(RegisterDescriptors(caller_, request, &response));
    return response;
  }

  StatusOr<bool> Bind(const std::string& stream, const std::string& event, const std::string& type) {
    v1::BindStreamRequest request;
    request.set_stream(stream);
    request.set_event(event);
    request.set_type(type);
    v1::BindStreamResponse response;
    RETURN_IF_ERROR(BindStream(caller_, request, &response));
    return response.replaced();
  }

  StatusOr<v1::ValidateResponse> Check(const std::string& stream, const v1::Event& event) {
    v1::ValidateRequest request;
    request.set_stream(stream);
    *request.mutable_event() = event;
    v1::ValidateResponse response;
    RETURN_IF_ERROR(Validate(caller_, request, 1000, &response));
    return response;
  }

  static v1::Event Json(const std::string& text) {
    v1::Event event;
    event.set_name("e");
    event.set_json(text);
    return event;
  }

  const std::string shop_ = test::ShopFiles().SerializeAsString();
  const std::shared_ptr<const auth::Apps> apps_ = test::ThreeApps();
  const Caller caller_{test::AnybodysKey(), apps_};
  const Caller narrow_{NarrowKey(), apps_};
};

TEST_F(ControlSchemasTest, Registering) {
  auto first = Register("shop", shop_);
  ASSERT_TRUE(first.ok()) << MessageOf(first.status());
  EXPECT_GT(first->types(), 3U);
  EXPECT_FALSE(first->replaced());
  EXPECT_TRUE(Register("shop", shop_)->replaced());
  EXPECT_TRUE(Register("shop", "")->replaced());
  EXPECT_FALSE(Register("shop", "")->replaced());
  EXPECT_EQ(FieldOf(Register("", shop_).status()), "name");
  EXPECT_EQ(FieldOf(Register("shop", "garbage").status()), "descriptor_set");
}

TEST_F(ControlSchemasTest, Binding) {
  ASSERT_TRUE(Register("shop", shop_).ok());
  EXPECT_FALSE(*Bind("orders-*", "order.*", "shop.v1.Order"));
  EXPECT_TRUE(*Bind("orders-*", "order.*", "shop.v1.Item"));
  EXPECT_EQ(FieldOf(Bind("a b", "e", "shop.v1.Order").status()), "stream");
  EXPECT_EQ(FieldOf(Bind("a", "a*b", "shop.v1.Order").status()), "event");
  EXPECT_EQ(ReasonOf(Bind("a", "e", "shop.v1.Missing").status()), "TYPE_UNKNOWN");
  EXPECT_FALSE(*Bind("@user", "e", "google.protobuf.Struct"));
  EXPECT_TRUE(*Bind("@user", "e", ""));
  EXPECT_FALSE(*Bind("@user", "e", ""));
}

TEST_F(ControlSchemasTest, ListsComeInPages) {
  ASSERT_TRUE(Register("shop", shop_).ok());
  ASSERT_TRUE(Register("a", test::ThingFiles("shop.v1").SerializeAsString()).ok());
  ASSERT_TRUE(Bind("x", "e", "shop.v1.Order").ok());
  v1::ListSchemasRequest request;
  request.set_page_size(2);
  std::vector<std::string> types;
  for (int page = 0;; ++page) {
    v1::ListSchemasResponse response;
    ASSERT_TRUE(ListSchemas(caller_, request, &response).ok());
    EXPECT_EQ(response.sets_size(), page == 0 ? 2 : 0);
    EXPECT_EQ(response.bindings_size(), page == 0 ? 1 : 0);
    for (const v1::SchemaType& type : response.types()) types.push_back(type.set() + "/" + type.type());
    request.set_page_token(response.next_page_token());
    if (request.page_token().empty()) break;
    EXPECT_EQ(response.types_size(), 2);
  }
  EXPECT_THAT(types, ElementsAre("shop/shop.v1.Everything", "shop/shop.v1.Item", "shop/shop.v1.Order",
                                 "a/shop.v1.Thing", "shop/shop.v2.Old", "shop/shop.v2.Old.Part"));
  request.set_page_token("!");
  v1::ListSchemasResponse response;
  EXPECT_EQ(FieldOf(ListSchemas(caller_, request, &response)), "page_token");
  request.clear_page_token();
  request.set_page_size(-1);
  EXPECT_EQ(FieldOf(ListSchemas(caller_, request, &response)), "page_size");
}

TEST_F(ControlSchemasTest, Validating) {
  ASSERT_TRUE(Register("shop", shop_).ok());
  ASSERT_TRUE(Bind("chat", "e", "shop.v1.Item").ok());
  auto good = Check("chat", Json("{}"));
  EXPECT_EQ(good->type(), "shop.v1.Item");
  EXPECT_EQ(good->json(), R"({"sku":"","price":0,"count":0})");
  EXPECT_THAT(good->violations(), IsEmpty());

  auto bad = Check("chat", Json(R"({"sku":1,"x":2})"));
  EXPECT_EQ(bad->json(), "");
  ASSERT_EQ(bad->violations_size(), 2);
  EXPECT_EQ(bad->violations(0).field(), "event.json.sku");
  EXPECT_EQ(bad->violations(1).field(), "event.json.x");

  auto free = Check("other", Json("[ 1 ]"));
  EXPECT_EQ(free->type(), "");
  EXPECT_EQ(free->json(), "[ 1 ]");
  auto broken = Check("other", Json("["));
  ASSERT_EQ(broken->violations_size(), 1);
  EXPECT_EQ(broken->violations(0).field(), "event.json");
  EXPECT_THAT(broken->violations(0).description(), ::testing::StartsWith("not JSON"));

  v1::Event unknown = Json("");
  unknown.mutable_message()->set_type_url("a/b.C");
  auto missing = Check("other", unknown);
  EXPECT_EQ(missing->type(), "b.C");
  EXPECT_THAT(missing->violations(0).description(), HasSubstr("no set of descriptors has the type b.C"));
  EXPECT_EQ(Check("@user", Json("1"))->json(), "1");
}

TEST_F(ControlSchemasTest, WhatElseIsWrongIsTheCallsError) {
  EXPECT_EQ(FieldOf(Check("", Json("1")).status()), "stream");
  EXPECT_EQ(FieldOf(Check("@nobody", Json("1")).status()), "stream");
  EXPECT_EQ(FieldOf(Check("chat", v1::Event()).status()), "event.name");
}

TEST_F(ControlSchemasTest, WhoMay) {
  v1::RegisterDescriptorsResponse registered;
  v1::BindStreamResponse bound;
  v1::ListSchemasResponse listed;
  EXPECT_TRUE(absl::IsPermissionDenied(RegisterDescriptors(narrow_, {}, &registered)));
  EXPECT_TRUE(absl::IsPermissionDenied(BindStream(narrow_, {}, &bound)));
  EXPECT_TRUE(absl::IsPermissionDenied(ListSchemas(narrow_, {}, &listed)));
  v1::ValidateRequest request;
  request.set_stream("chat1");
  *request.mutable_event() = Json("1");
  v1::ValidateResponse validated;
  EXPECT_TRUE(Validate(narrow_, request, 1000, &validated).ok());
  for (const char* stream : {"other", "@user"}) {
    request.set_stream(stream);
    EXPECT_TRUE(absl::IsPermissionDenied(Validate(narrow_, request, 1000, &validated))) << stream;
  }
  request.set_app("blog");
  EXPECT_TRUE(absl::IsPermissionDenied(Validate(narrow_, request, 1000, &validated)));
}

}  // namespace
}  // namespace carillon::control
