#include "gateway/auth/client_events.h"

namespace carillon::auth {

const EventRule& ClientEvents::Find(std::string_view event) const {
  for (const EventRule& rule : rules_) {
    if (MatchesEvent(rule.event, event)) return rule;
  }
  return otherwise_;
}

}  // namespace carillon::auth
