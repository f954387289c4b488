#include "control/streams.h"

#include "absl/strings/escaping.h"
#include "control/coverage.h"
#include "control/field_checks.h"
#include "gateway/wire/name_pattern.h"

namespace carillon::control {

Status ListStreams(const hub::Node& node, const Caller& caller, const v1::ListStreamsRequest& request,
                   v1::ListStreamsResponse* response) {
  ASSIGN_OR_RETURN(const auth::App* app, caller.AppOf(request.app()));
  ASSIGN_OR_RETURN(size_t page_size, ReadPageSize(request.page_size()));
  std::string pattern = app->StreamNamed(request.pattern());
  if (std::string why = pattern.empty() ? "" : wire::PatternProblem(pattern); !why.empty()) {
    return FieldError("pattern", why);
  }
  std::string after;
  if (!request.page_token().empty() &&
      !(absl::WebSafeBase64Unescape(request.page_token(), &after) && wire::CheckStreamName(after).ok())) {
    return FieldError("page_token", "not a next_page_token of this call");
  }
  auto takes = [&](std::string_view name) {
    std::string stream(name);
    return (pattern.empty() || wire::MatchesPattern(pattern, stream)) && caller.MaySee(stream);
  };
  // One more than the page holds tells whether there is a next one.
  auto streams = node.ListStreams(app->id, after, std::max<uint32_t>(1, request.min_sessions()), page_size + 1, takes);
  bool more = streams.size() > page_size;
  if (more) streams.pop_back();
  for (auto& [name, sessions] : streams) {
    v1::Stream* stream = response->add_streams();
    stream->set_stream(name);
    stream->set_sessions(sessions);
  }
  if (more) response->set_next_page_token(absl::WebSafeBase64Escape(streams.back().first));
  SetCoverage(false, response);
  return absl::OkStatus();
}

Status GetStream(hub::Node& node, const Caller& caller, const v1::GetStreamRequest& request,
                 v1::GetStreamResponse* response) {
  RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  ASSIGN_OR_RETURN(wire::Topic topic, caller.TopicOf(request.app(), wire::TopicKind::kStream, request.stream()));
  ASSIGN_OR_RETURN(const auth::App* app, caller.AppOf(request.app()));
  response->mutable_stream()->set_stream(topic.name);
  response->mutable_stream()->set_sessions(node.Find(topic).sessions);
  const auth::StreamAccess& rule = app->catalogue.Find(topic.name);
  response->set_rule(rule.pattern);
  response->set_description(rule.description);
  engine::Engine& engine = node.engine();
  if (engine.KeepsPresence(topic)) {
    response->set_members(static_cast<uint32_t>(engine.presence().List(topic, "", 0, true).count));
  }
  if (auto page = engine.List(topic, nullptr, 1, 1); page.ok()) {
    v1::StreamLog* log = response->mutable_log();
    log->mutable_top()->set_epoch(page->top.epoch);
    log->mutable_top()->set_offset(page->top.offset);
    if (!page->frames.empty()) {
      log->set_oldest_offset(page->frames.front()->offset());
      *log->mutable_oldest_time() = page->frames.front()->envelope().time();
    }
  }
  SetCoverage(false, response);
  return absl::OkStatus();
}

}  // namespace carillon::control
