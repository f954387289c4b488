#include "gateway/auth/app.h"

#include "gateway/base/check.h"

namespace carillon::auth {

Apps::Apps(std::vector<App> apps) : apps_(std::move(apps)) {
  CARILLON_CHECK(!apps_.empty() && apps_.front().is_default());
  for (size_t i = 0; i < apps_.size(); ++i) {
    by_id_.emplace(apps_[i].id, i);
    by_name_.emplace(apps_[i].name, i);
    by_key_.emplace(apps_[i].key, i);
  }
}

const App* Apps::Find(wire::AppId id) const {
  auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &apps_[it->second];
}

const App* Apps::FindByName(std::string_view name) const {
  auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &apps_[it->second];
}

const App* Apps::FindByKey(std::string_view key) const {
  auto it = by_key_.find(key);
  return it == by_key_.end() ? nullptr : &apps_[it->second];
}

}  // namespace carillon::auth
