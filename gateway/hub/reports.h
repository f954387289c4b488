#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gateway/hub/answers.h"

// What operators are told of a shard's sessions. Called on the shard's thread, through Node::Ask.
namespace carillon::hub {

// A session as it is at this moment.
struct SessionReport {
  SessionInfo session;
  Transport::Peer peer;
  Session::Lag lag;
  size_t streams = 0;
  uint64_t queued = 0;
  uint64_t said = 0;
};

// Which sessions; what is empty holds for all.
struct SessionFilter {
  std::string user_id;
  std::map<std::string, std::string> labels;

  bool Takes(const auth::Identity* identity) const;
};

// The `limit` sessions of an app with the smallest ids after `after`, in order.
std::vector<SessionReport> ListSessions(Shard& shard, wire::AppId app, const SessionFilter& filter, SessionId after,
                                        size_t limit);

// One session, and the first `limit` of its streams by name. Nothing where it is not of the app, or not there.
struct SessionDetails {
  SessionReport report;
  std::vector<std::string> streams;
};
std::optional<SessionDetails> DescribeSession(Shard& shard, wire::AppId app, const SessionId& id, size_t limit);

// The sessions of an app that are behind or have lost messages; the `limit` with the most waiting bytes, then the most
// losses, in that order.
std::vector<SessionReport> ListSlow(Shard& shard, wire::AppId app, size_t limit);

// The order of ListSlow.
bool IsSlower(const SessionReport& a, const SessionReport& b);

}  // namespace carillon::hub
