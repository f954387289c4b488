#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "carillon/v1/control.pb.h"
#include "gateway/base/status.h"
#include "tools/cli/remote.h"

namespace carillon::cli {

// Publishes many messages over one PublishStream. One thread adds; refusals are told on a thread of its own.
class BulkPublisher {
 public:
  // Which message was refused, by the number that Add was given, and why.
  using Refused = std::function<void(uint64_t number, const Status& why)>;

  BulkPublisher(const Remote& remote, Refused refused);
  ~BulkPublisher();

  // Takes a message, and sends it with those before it when there are enough for a request. Waits while the gateway is
  // behind. False: the call is over, End() says why. INVARIANT: numbers grow.
  bool Add(v1::PublishItem item, uint64_t number);
  bool Flush();

  // Sends the rest and waits until everything was dealt with.
  Status End();

  // Of what was added: how many the gateway has dealt with, published or refused, and the number of the last of them.
  // Any thread.
  uint64_t acknowledged() const;
  uint64_t last_acknowledged() const;

 private:
  class Call;
  const std::unique_ptr<Call> call_;
};

}  // namespace carillon::cli
