#include "gateway/server/ending.h"

#include <boost/asio/post.hpp>

#include "gateway/base/log.h"

namespace carillon::server {
namespace {

// How often it is looked whether the clients are gone, and how often that is worth a line.
constexpr std::chrono::milliseconds kPoll{20};
constexpr int kPollsPerLine = 100;

}  // namespace

Ending::~Ending() {
  if (thread_.joinable()) thread_.join();
}

void Ending::Begin(std::chrono::milliseconds window) {
  if (ending_calls_) return;
  ++course_;
  deadline_ = Clock::now() + window + options_.timeout;
  WaitForClients();
}

bool Ending::Cancel() {
  if (ending_calls_) return false;
  ++course_;  // the timer may have run out already
  timer_.cancel();
  return true;
}

void Ending::WaitForClients() {
  // Between two looks, a client may stand in the door: accepted, but no session yet. It is refused, or sent home.
  size_t open = node_.Sessions();
  if (open > 0 && Clock::now() < deadline_) {
    if (++polls_ % kPollsPerLine == 0) log::Info("server", "draining", {{"sessions", open}});
    timer_.expires_after(kPoll);
    return timer_.async_wait([this, course = course_](const boost::system::error_code& error) {
      if (!error && course == course_) WaitForClients();
    });
  }
  if (open > 0) log::Warn("server", "closing by force", {{"sessions", open}});
  EndCalls();
}

void Ending::EndCalls() {
  ending_calls_ = true;
  edge_.StopAccepting();
  control_.Stop();
  // Blocks until running calls have ended, and those may need this loop's deadlines.
  thread_ = std::thread([this] {
    bool clean = control_.Shutdown(options_.control_timeout);
    if (!options_.snapshot.empty()) kept_logs_ = WriteLogs();
    boost::asio::post(io_, [this, clean] { done_(clean); });
  });
}

bool Ending::WriteLogs() {
  auto lost = [this](std::string_view why) {
    log::Error("server", "the logs are lost: no snapshot could be written",
               {{"file", options_.snapshot}, {"why", why}});
    return false;
  };
  if (keep_away_) return lost("another file stands under this name");
  engine_.feed().KeepPlaces(control_.Places());
  auto written = engine_.WriteSnapshot(options_.snapshot);
  if (!written.ok()) return lost(MessageOf(written.status()));
  log::Info("server", "wrote the snapshot of the logs",
            {{"file", options_.snapshot}, {"logs", written->logs}, {"messages", written->messages}});
  return true;
}

}  // namespace carillon::server
