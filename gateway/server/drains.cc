#include "gateway/server/drains.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "gateway/base/log.h"
#include "gateway/base/utf8.h"

namespace carillon::server {
namespace {

using Kind = control::Operations::DrainPlace::Kind;
using std::chrono::milliseconds;

// However long the window: a few clients are not kept waiting for it.
constexpr size_t kLeastClosesPerSecond = 100;

// Of a name that somebody made up, in an error.
constexpr size_t kMaxShownBytes = 100;

constexpr std::string_view WordOf(Kind kind) {
  switch (kind) {
    case Kind::kNode:
      return "node";
    case Kind::kApp:
      return "app";
    case Kind::kEndpoint:
      return "endpoint";
  }
  return "";
}

Status IsFinal() {
  return WithReason(FailedPrecondition("the gateway ends: that cannot be taken back any more"), "DRAIN_IS_FINAL");
}

}  // namespace

bool Drains::ending() const {
  CoursePtr node = Find({});
  return node != nullptr && node->order.exit;
}

Drains::CoursePtr Drains::Find(const Place& place) const {
  auto it =
      std::find_if(courses_.begin(), courses_.end(), [&](const auto& each) { return each->order.place == place; });
  return it == courses_.end() ? nullptr : *it;
}

bool Drains::GoesOn(const CoursePtr& course) const {
  return std::find(courses_.begin(), courses_.end(), course) != courses_.end();
}

void Drains::Handle(Order order, Done done) {
  Place place = order.place;
  if (place.kind == Kind::kEndpoint && edge_.FindEndpoint(place.name) == nullptr) {
    return done(WithReason(absl::NotFoundError(fmt::format("endpoint: there is no endpoint at \"{}\" (config: "
                                                           "edge.endpoints[].path)",
                                                           Utf8Front(place.name, kMaxShownBytes))),
                           "ENDPOINT_UNKNOWN"));
  }
  if (!order.undo) {
    bool begun = Begin(std::move(order));
    return Answer(place, begun, std::move(done));
  }
  CoursePtr course = Find(place);
  if (course == nullptr) return Answer(place, false, std::move(done));
  TakeBack(course, order.by, std::move(done));
}

bool Drains::Begin(Order order) {
  bool is_node = order.place.kind == Kind::kNode;
  if (CoursePtr course = Find(order.place)) {
    if (!order.exit || course->order.exit) return false;
    log::Info("server", "draining: the process will end", {{"by", order.by}});
    // It goes on with its own times where the order has none.
    if (!order.window.has_value()) order.window = course->order.window;
    course->order = std::move(order);
    Record(course->order);
    Tell();
    if (course->refuses) {
      SendHome(course, node_.Sessions());
    } else if (course->order.delay.has_value()) {
      WaitAtMost(course, *course->order.delay);
    }
    return true;
  }
  auto course = std::make_shared<Course>(io_, std::move(order));
  const Place& place = course->order.place;
  if (place.kind == Kind::kApp) course->leavers.app = place.app;
  if (place.kind == Kind::kEndpoint) {
    course->endpoint = edge_.FindEndpoint(place.name);
    course->leavers.settings = &course->endpoint->session;
  }
  courses_.insert(is_node ? courses_.begin() : courses_.end(), course);
  milliseconds delay = course->order.delay.value_or(is_node ? options_.delay : milliseconds(0));
  if (is_node) {
    log::Info("server", "draining: not ready any more",
              {{"sessions", node_.Sessions()},
               {"delay_ms", delay.count()},
               {"exit", course->order.exit ? "yes" : "no"},
               {"by", course->order.by}});
    admin_.SetReady(false);
    control_.SetServing(false);
  } else {
    log::Info("server", fmt::format("draining an {}", WordOf(place.kind)),
              {{"name", place.name}, {"delay_ms", delay.count()}, {"by", course->order.by}});
  }
  Record(course->order);
  if (delay.count() == 0) {
    Refuse(course);
    return true;
  }
  Tell();
  WaitAtMost(course, delay);
  return true;
}

// For the delay, or what is left of one that it already waits for.
void Drains::WaitAtMost(const CoursePtr& course, milliseconds delay) {
  course->refuses_at = std::min(course->refuses_at, Clock::now() + delay);
  course->timer.expires_at(course->refuses_at);
  course->timer.async_wait([this, course](const boost::system::error_code& error) {
    if (!error && GoesOn(course) && !course->refuses) Refuse(course);
  });
}

// How many they are decides how long it takes.
void Drains::Refuse(const CoursePtr& course) {
  course->refuses = true;
  if (final_) edge_.StopAccepting();
  Tell();
  const Place& place = course->order.place;
  if (place.kind == Kind::kNode) return SendHome(course, node_.Sessions());
  if (place.kind == Kind::kApp) {
    return SendHome(course, node_.Find({place.app, wire::TopicKind::kEveryone, ""}).sessions);
  }
  node_.Ask(
      node_.all_shards(),
      [leavers = course->leavers](hub::Shard& shard) { return hub::Farewell::Count(shard, leavers); },
      [this, course](const Gather<size_t>::Result& result) {
        size_t sessions = 0;
        for (size_t count : result.answers) sessions += count;
        boost::asio::post(io_, [this, course, sessions] {
          if (GoesOn(course)) SendHome(course, sessions);
        });
      });
}

void Drains::SendHome(const CoursePtr& course, size_t sessions) {
  milliseconds enough(sessions * 1000 / kLeastClosesPerSecond);
  milliseconds window = std::min(course->order.window.value_or(options_.window), enough);
  log::Info("server", "draining: telling clients to come back",
            {{"what", WordOf(course->order.place.kind)},
             {"name", course->order.place.name},
             {"sessions", sessions},
             {"window_ms", window.count()}});
  node_.Tell(node_.all_shards(),
             [leavers = course->leavers, window](hub::Shard& shard) { hub::Farewell::Begin(shard, leavers, window); });
  course->told_at = Clock::now() + window;
  if (course->order.exit) end_.Begin(window);
}

// Sessions are let in again when no shard sends them home any more.
void Drains::TakeBack(const CoursePtr& course, std::string_view by, Done done) {
  const Place& place = course->order.place;
  bool is_node = place.kind == Kind::kNode;
  if (is_node && (final_ || !end_.Cancel())) return done(IsFinal());
  log::Info("server", "not draining any more", {{"what", WordOf(place.kind)}, {"name", place.name}, {"by", by}});
  course->timer.cancel();
  course->order.undo = true;
  Record(course->order);
  std::erase(courses_, course);
  node_.Ask(
      node_.all_shards(),
      [leavers = course->leavers](hub::Shard& shard) {
        hub::Farewell::End(shard, leavers);
        return true;
      },
      [this, place, is_node, done = std::move(done)](const Gather<bool>::Result&) mutable {
        boost::asio::post(io_, [this, place, is_node, done = std::move(done)]() mutable {
          Tell();
          // Somebody else may have begun one meanwhile.
          if (is_node && Find(place) == nullptr) {
            admin_.SetReady(true);
            control_.SetServing(true);
          }
          Answer(place, true, std::move(done));
        });
      });
}

// Whoever sends signals counts on the configured times.
void Drains::EndBySignal(std::string_view signal) {
  final_ = true;
  bool was_ending = ending();
  Order order;
  order.exit = true;
  order.delay = options_.delay;
  order.window = options_.window;
  order.by = signal;
  Begin(std::move(order));
  CoursePtr course = Find({});
  if (was_ending) {
    log::Info("server", "draining: that cannot be taken back any more", {{"by", signal}});
    course->order.window = options_.window;
    if (!course->refuses) {
      WaitAtMost(course, options_.delay);
    } else if (course->told_at - Clock::now() > options_.window) {
      SendHome(course, node_.Sessions());
    }
  }
  if (course->refuses) edge_.StopAccepting();
}

void Drains::Forget(wire::AppId app) {
  std::vector<CoursePtr> gone;
  std::copy_if(courses_.begin(), courses_.end(), std::back_inserter(gone), [app](const CoursePtr& course) {
    return course->order.place.kind == Kind::kApp && course->order.place.app == app;
  });
  for (const CoursePtr& course : gone) TakeBack(course, "a reload", [](const StatusOr<Standing>&) {});
}

// In the feeds of the apps that it concerns.
void Drains::Record(const Order& order) {
  v1::DrainNotice notice;
  notice.set_exit(order.exit && !order.undo);
  notice.set_undone(order.undo);
  switch (order.place.kind) {
    case Kind::kNode:
      notice.set_node(true);
      return engine_.feed().RecordDrain(notice);
    case Kind::kEndpoint:
      notice.set_endpoint(order.place.name);
      for (wire::AppId app : edge_.AppsOf(*edge_.FindEndpoint(order.place.name))) {
        engine_.feed().RecordDrain(app, notice);
      }
      return;
    case Kind::kApp:
      notice.set_app_name(order.place.name);
      return engine_.feed().RecordDrain(order.place.app, notice);
  }
}

// Those who let clients in, and those who ask.
void Drains::Tell() {
  edge::Drained drained;
  std::vector<Known> known;
  for (const CoursePtr& course : courses_) {
    const Order& order = course->order;
    Standing standing;
    standing.place = order.place;
    standing.draining = true;
    standing.all_told = course->refuses;  // but for those whom shards count
    standing.exit = order.exit;
    standing.began = course->began;
    standing.by = order.by;
    known.push_back({std::move(standing), course->leavers});
    if (!course->refuses) continue;
    drained.node = drained.node || order.place.kind == Kind::kNode;
    if (order.place.kind == Kind::kApp) drained.apps.push_back(order.place.app);
    if (course->endpoint != nullptr) drained.endpoints.push_back(course->endpoint);
  }
  edge_.SetDrained(std::move(drained));
  known_.Set(std::move(known));
}

void Drains::Answer(const Place& place, bool changed, Done done) const {
  List([place, changed, done = std::move(done)](std::vector<Standing> all) mutable {
    auto it = std::find_if(all.begin(), all.end(), [&](const Standing& each) { return each.place == place; });
    Standing standing = it == all.end() ? Standing() : std::move(*it);
    standing.place = place;
    standing.changed = changed;
    done(std::move(standing));
  });
}

void Drains::List(absl::AnyInvocable<void(std::vector<Standing>)> done) const {
  std::shared_ptr<const std::vector<Known>> known = known_.Get();
  if (known->empty()) return done({});
  using Counts = std::vector<size_t>;
  node_.Ask(
      node_.all_shards(),
      [known](hub::Shard& shard) {
        Counts counts;
        for (const Known& each : *known) counts.push_back(hub::Farewell::Count(shard, each.leavers));
        return counts;
      },
      [known, done = std::move(done)](const Gather<Counts>::Result& result) mutable {
        std::vector<Standing> all;
        for (size_t i = 0; i < known->size(); ++i) {
          Standing standing = (*known)[i].standing;
          for (const Counts& counts : result.answers) standing.sessions += counts[i];
          standing.partial = result.partial;
          standing.all_told = standing.all_told && standing.sessions == 0 && !result.partial;
          all.push_back(std::move(standing));
        }
        done(std::move(all));
      });
}

void Drains::Collect(MetricsWriter& writer) const {
  constexpr char kName[] = "carillon_draining";
  constexpr char kHelp[] = "1 where nobody new is, or soon will be, let in and sessions are sent home.";
  std::shared_ptr<const std::vector<Known>> known = known_.Get();
  bool node = false;
  for (const Known& each : *known) {
    const Place& place = each.standing.place;
    if (place.kind == Kind::kNode) {
      node = true;
    } else {
      writer.Gauge(kName, kHelp, 1, {{"what", WordOf(place.kind)}, {"which", place.name}});
    }
  }
  writer.Gauge(kName, kHelp, node ? 1 : 0, {{"what", "node"}, {"which", ""}});
}

}  // namespace carillon::server
