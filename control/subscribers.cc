#include "control/subscribers.h"

#include <algorithm>

#include "control/coverage.h"
#include "control/requests.h"
#include "gateway/hub/answers.h"

namespace carillon::control {
namespace {

using Page = std::vector<hub::SessionInfo>;

void FillSubscriber(const hub::SessionInfo& info, v1::Subscriber* subscriber) {
  subscriber->set_session_id(info.id.ToString());
  if (info.identity != nullptr) {
    subscriber->set_user_id(info.identity->user_id);
    subscriber->mutable_labels()->insert(info.identity->labels.begin(), info.identity->labels.end());
  }
  auto since_1970 = info.connected_at.time_since_epoch();
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_1970);
  subscriber->mutable_connected_time()->set_seconds(seconds.count());
  subscriber->mutable_connected_time()->set_nanos(
      static_cast<int32_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since_1970 - seconds).count()));
}

}  // namespace

Status ListSubscribers(hub::Node& node, const Caller& caller, const v1::SubscribersRequest& request,
                       v1::SubscribersResponse* response, absl::AnyInvocable<void(const Status&)> done) {
  ASSIGN_OR_RETURN(ListOrder order, ReadSubscribers(request, caller));
  node.Ask(
      node.ShardsFor(order.topic),
      // One more than the page holds tells whether there is a next one.
      [order](hub::Shard& shard) { return hub::ListMembers(shard, order.topic, order.after, order.page_size + 1); },
      [response, page_size = order.page_size, done = std::move(done)](Gather<Page>::Result result) mutable {
        Page all;
        for (Page& page : result.answers) all.insert(all.end(), page.begin(), page.end());
        std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
        size_t size = std::min(all.size(), page_size);
        for (size_t i = 0; i < size; ++i) FillSubscriber(all[i], response->add_subscribers());
        if (all.size() > size) response->set_next_page_token(PageToken(all[size - 1].id));
        SetCoverage(result.partial, response);
        done(absl::OkStatus());
      });
  return absl::OkStatus();
}

}  // namespace carillon::control
