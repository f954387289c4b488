#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/auth/api_keys.h"
#include "gateway/auth/app.h"
#include "tests/support/make_token.h"

namespace carillon::test {

// The default app, with tokens as MakeToken makes them.
inline auth::App DefaultApp() {
  auth::App app;
  app.tokens = std::make_shared<auth::Verifier>(SecretRules());
  return app;
}

// Another one.
inline auth::App AppNamed(wire::AppId id, const std::string& name) {
  auth::App app = DefaultApp();
  app.id = id;
  app.name = name;
  app.key = "key-of-" + name;
  return app;
}

inline auth::Apps AppsOf(auth::App app) {
  std::vector<auth::App> apps;
  apps.push_back(std::move(app));
  return auth::Apps(std::move(apps));
}

// "shop" is number 1, "blog" number 2.
inline std::shared_ptr<const auth::Apps> ThreeApps() {
  return std::make_shared<const auth::Apps>(auth::Apps({DefaultApp(), AppNamed(1, "shop"), AppNamed(2, "blog")}));
}

// The key that everybody has where there are none.
inline auth::ApiKeyPtr AnybodysKey() {
  return auth::ApiKeys().Find("");
}

}  // namespace carillon::test
