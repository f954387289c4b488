#include "gateway/hooks/backends.h"

#include <algorithm>

namespace carillon::hooks {

void Backends::Set(std::vector<BackendRules> rules) {
  StringMap<BackendPtr> made;
  std::vector<BackendPtr> gone;  // let go of after the lock
  std::lock_guard lock(mutex_);
  for (BackendRules& each : rules) {
    std::string name = each.name;
    auto it = backends_.find(name);
    bool stays = it != backends_.end() && it->second->rules() == each;
    made[name] = stays ? it->second : std::make_shared<Backend>(std::move(each));
  }
  std::erase_if(gone_, [](const auto& weak) { return weak.expired(); });
  for (auto& [name, backend] : backends_) {
    auto it = made.find(name);
    if (it != made.end() && it->second == backend) continue;
    gone_.push_back(backend);
    gone.push_back(std::move(backend));
  }
  backends_ = std::move(made);
}

BackendPtr Backends::Find(std::string_view name) const {
  std::lock_guard lock(mutex_);
  auto it = backends_.find(name);
  return it == backends_.end() ? nullptr : it->second;
}

std::vector<BackendPtr> Backends::all() const {
  std::lock_guard lock(mutex_);
  std::vector<BackendPtr> all;
  for (const auto& [name, backend] : backends_) all.push_back(backend);
  return all;
}

void Backends::Stop() {
  std::vector<BackendPtr> stopping = all();
  {
    std::lock_guard lock(mutex_);
    for (const auto& weak : gone_) {
      if (auto backend = weak.lock()) stopping.push_back(std::move(backend));
    }
  }
  for (const BackendPtr& backend : stopping) backend->Stop();
}

std::vector<BackendState> Backends::states() const {
  std::vector<BackendState> states;
  for (const BackendPtr& backend : all()) states.push_back(backend->state());
  std::sort(states.begin(), states.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return states;
}

void Backends::Collect(MetricsWriter& writer) const {
  for (const BackendPtr& backend : all()) backend->Collect(writer);
}

}  // namespace carillon::hooks
