#include "control/denials.h"

#include "control/coverage.h"
#include "control/requests.h"
#include "gateway/hub/answers.h"

namespace carillon::control {
namespace {

using auth::Denials;
using Clock = std::chrono::system_clock;

// When the last token has ended that was issued before a time. Clocks may differ by the leeway, at its beginning and at
// its end.
Clock::time_point EndOfTokens(const auth::TokenRules& rules, Clock::time_point issued_before) {
  if (rules.max_lifetime.count() == 0) return Denials::kForGood;
  auto life = rules.max_lifetime + 2 * rules.leeway;
  return life >= Denials::kForGood - issued_before ? Denials::kForGood : issued_before + life;
}

// Closes the sessions whom the denials now keep out: of a user, or of anybody. Every shard is asked: a session that is
// being admitted meanwhile either is there when its shard is asked, or is judged after the denial was written down.
// Of streams where only the grace keeps the user they leave as well.
template <class Response>
void CloseDenied(hub::Node& node, const auth::App& app, std::string user_id, Response* response,
                 absl::AnyInvocable<void(const Status&)> done) {
  if (!user_id.empty()) node.engine().presence().EndGrace(app.id, user_id);
  node.Ask(
      node.all_shards(),
      [id = app.id, tokens = app.tokens, user_id = std::move(user_id)](hub::Shard& shard) {
        return hub::CloseDenied(shard, id, user_id, tokens->denials(), Clock::now());
      },
      [response, done = std::move(done)](const Gather<uint32_t>::Result& result) mutable {
        uint32_t total = 0;
        for (uint32_t count : result.answers) total += count;
        response->set_sessions(total);
        SetCoverage(result.partial, response);
        done(absl::OkStatus());
      });
}

}  // namespace

Status RevokeTokens(hub::Node& node, const Caller& caller, const v1::RevokeTokensRequest& request,
                    v1::RevokeTokensResponse* response, absl::AnyInvocable<void(const Status&)> done) {
  Clock::time_point now = Clock::now();
  ASSIGN_OR_RETURN(RevokeOrder order, ReadRevokeTokens(request, caller, now));
  auth::Verifier& tokens = *order.app->tokens;
  std::shared_ptr<const auth::TokenRules> rules = tokens.rules();
  if (!order.token_id.empty()) {
    RETURN_IF_ERROR(tokens.denials().RevokeToken(order.token_id, EndOfTokens(*rules, now)));
  } else {
    RETURN_IF_ERROR(
        tokens.denials().RevokeUser(order.user_id, order.issued_before, EndOfTokens(*rules, order.issued_before)));
  }
  CloseDenied(node, *order.app, order.user_id, response, std::move(done));
  return absl::OkStatus();
}

Status BlockUser(hub::Node& node, const Caller& caller, const v1::BlockUserRequest& request,
                 v1::BlockUserResponse* response, absl::AnyInvocable<void(const Status&)> done) {
  ASSIGN_OR_RETURN(BlockOrder order, ReadBlockUser(request, caller));
  Clock::time_point until = order.duration.has_value() ? Clock::now() + *order.duration : Denials::kForGood;
  RETURN_IF_ERROR(order.app->tokens->denials().BlockUser({order.user_id, until, order.reason}));
  CloseDenied(node, *order.app, order.user_id, response, std::move(done));
  return absl::OkStatus();
}

Status UnblockUser(const Caller& caller, const v1::UnblockUserRequest& request, v1::UnblockUserResponse* response) {
  ASSIGN_OR_RETURN(const auth::App* app, ReadUnblockUser(request, caller));
  response->set_was_blocked(app->tokens->denials().UnblockUser(request.user_id()));
  return absl::OkStatus();
}

Status ListBlockedUsers(const Caller& caller, const v1::ListBlockedUsersRequest& request,
                        v1::ListBlockedUsersResponse* response) {
  ASSIGN_OR_RETURN(BlockedOrder order, ReadListBlockedUsers(request, caller));
  std::vector<Denials::Block> page = order.app->tokens->denials().List(order.after, order.page_size + 1, Clock::now());
  bool more = page.size() > order.page_size;
  if (more) page.pop_back();
  for (const Denials::Block& block : page) {
    v1::BlockedUser* user = response->add_users();
    user->set_user_id(block.user_id);
    user->set_reason(block.reason);
    if (block.until == Denials::kForGood) continue;
    auto until = std::chrono::duration_cast<std::chrono::seconds>(block.until.time_since_epoch());
    user->mutable_expire_time()->set_seconds(until.count());
  }
  if (more) response->set_next_page_token(PageToken(page.back().user_id));
  SetCoverage(false, response);
  return absl::OkStatus();
}

}  // namespace carillon::control
