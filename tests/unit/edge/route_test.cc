#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "gateway/edge/route.h"
#include "tests/support/apps.h"

namespace carillon::edge {
namespace {

class FindEndpointTest : public ::testing::Test {
 protected:
  FindEndpointTest() {
    for (const char* path : {"/ws", "/ws/deep", "/echo"}) {
      endpoints_.emplace_back().path = path;
      endpoints_.back().session.dialect = std::string_view(path) == "/echo" ? &dialect::EchoBack() : &dialect::Native();
    }
  }

  // "PATH" or "PATH + stream", or "".
  std::string Find(std::string_view path) {
    std::string stream;
    const EndpointRules* found = FindEndpoint(endpoints_, path, &stream);
    if (found == nullptr) return "";
    return stream.empty() ? found->path : found->path + " + " + stream;
  }

  std::vector<EndpointRules> endpoints_;
};

TEST_F(FindEndpointTest, PathsAreWholeAndMayNameOneStream) {
  EXPECT_EQ(Find("/ws"), "/ws");
  EXPECT_EQ(Find("/ws/chat"), "/ws + chat");
  EXPECT_EQ(Find("/ws/deep"), "/ws/deep");  // an endpoint before a stream
  EXPECT_EQ(Find("/ws/deep/chat"), "/ws/deep + chat");
  EXPECT_EQ(Find("/echo"), "/echo");
  EXPECT_EQ(Find("/echo/chat"), "");
  EXPECT_EQ(Find("/ws/"), "");
  EXPECT_EQ(Find("/ws/a/b"), "");
  EXPECT_EQ(Find("/wsx"), "");
  EXPECT_EQ(Find("/w"), "");
  EXPECT_EQ(Find("ws"), "");
  EXPECT_EQ(Find(""), "");
}

class FindRouteTest : public FindEndpointTest {
 protected:
  FindRouteTest() {
    endpoints_.emplace_back().path = "/shop";
    endpoints_.back().app = "shop";
    endpoints_.back().session.dialect = &dialect::Native();
  }

  // "app PATH", "app PATH + stream"; "404 app" where there is no such app, "404 path" where there is nothing.
  std::string Find(std::string_view path, std::string_view host = "gw:7310", std::string_view domain = "") {
    Route route = FindRoute(endpoints_, *apps_, domain, path, host);
    if (route.endpoint == nullptr && (route.app != nullptr || route.wanted.empty())) return "404 path";
    if (route.app == nullptr) return "404 app " + route.wanted;
    return route.app->name + " " + route.endpoint->path + (route.stream.empty() ? "" : " + " + route.stream);
  }

  std::shared_ptr<const auth::Apps> apps_ = test::ThreeApps();
};

TEST_F(FindRouteTest, ThePathMayNameTheApp) {
  EXPECT_EQ(Find("/app/key-of-blog"), "blog /ws");
  EXPECT_EQ(Find("/app/key-of-blog/ws"), "blog /ws");
  EXPECT_EQ(Find("/app/key-of-blog/ws/chat"), "blog /ws + chat");
  EXPECT_EQ(Find("/app/key-of-shop/shop"), "shop /shop");
  EXPECT_EQ(Find("/app/default/ws"), "default /ws");
  EXPECT_EQ(Find("/app/default"), "default /ws");
}

TEST_F(FindRouteTest, AnUnknownAppIsNeverAnother) {
  EXPECT_EQ(Find("/app/blog"), "404 app blog");  // the name is not the key
  EXPECT_EQ(Find("/app/nowhere/ws"), "404 app nowhere");
  EXPECT_EQ(Find("/app/KEY-OF-BLOG/ws"), "404 app KEY-OF-BLOG");
  EXPECT_EQ(Find("/app/"), "404 path");
  EXPECT_EQ(Find("/app"), "404 path");
  EXPECT_EQ(Find("/app//ws"), "404 path");
  EXPECT_EQ(Find("/app/key-of-blog/"), "404 path");
  EXPECT_EQ(Find("/app/key-of-blog/nothing"), "404 path");
}

TEST_F(FindRouteTest, AnEndpointMayBelongToAnApp) {
  EXPECT_EQ(Find("/shop"), "shop /shop");
  EXPECT_EQ(Find("/shop/chat"), "shop /shop + chat");
  EXPECT_EQ(Find("/shop", "blog.rt.example.com", "rt.example.com"), "shop /shop");  // the path before the host
  EXPECT_EQ(Find("/app/key-of-blog/shop"), "404 path");                             // another's
  endpoints_.back().app = "gone";
  EXPECT_EQ(Find("/shop"), "404 app gone");
}

TEST_F(FindRouteTest, TheHostMayNameTheApp) {
  auto find = [this](std::string_view host) { return Find("/ws", host, "rt.example.com"); };
  EXPECT_EQ(find("blog.rt.example.com"), "blog /ws");
  EXPECT_EQ(find("blog.rt.example.com:7310"), "blog /ws");
  EXPECT_EQ(find("Blog.RT.example.COM."), "blog /ws");
  EXPECT_EQ(find("default.rt.example.com"), "default /ws");
  EXPECT_EQ(find("rt.example.com"), "default /ws");
  EXPECT_EQ(find("elsewhere.com"), "default /ws");
  EXPECT_EQ(find("blogrt.example.com"), "default /ws");
  EXPECT_EQ(find(""), "default /ws");
  EXPECT_EQ(find("nowhere.rt.example.com"), "404 app nowhere");
  EXPECT_EQ(find("nowhere.rt.example.com.."), "404 app nowhere");
  EXPECT_EQ(find(".rt.example.com"), "404 app ");
  EXPECT_EQ(find("a.blog.rt.example.com"), "404 app a.blog");
  EXPECT_EQ(Find("/app/key-of-shop/ws", "blog.rt.example.com", "rt.example.com"), "shop /ws");
  EXPECT_EQ(Find("/ws", "blog.rt.example.com"), "default /ws");  // without a domain
}

}  // namespace
}  // namespace carillon::edge
