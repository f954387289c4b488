#pragma once

#include <google/protobuf/message.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "gateway/base/status.h"
#include "tools/cli/connection.h"
#include "tools/cli/output.h"

namespace grpc {
class Channel;
class ClientContext;
class Status;
}  // namespace grpc

// Calls to a gateway.
namespace carillon::cli {

// The unary call that takes such requests: each has a message of its own.
const google::protobuf::MethodDescriptor& MethodOf(const google::protobuf::Descriptor& request);

// An empty answer to it.
std::unique_ptr<google::protobuf::Message> ResponseTo(const google::protobuf::Message& request);

class Remote {
 public:
  // Does not connect yet. INVALID_ARGUMENT: a file of TLS cannot be read.
  static StatusOr<Remote> To(const Connection& connection);

  // The unary call that takes this request. `longer` is added to the connection's timeout. The status is the gateway's,
  // with its reason; UNAVAILABLE or DEADLINE_EXCEEDED where it is not reached.
  Status Call(const google::protobuf::Message& request, google::protobuf::Message* response,
              std::chrono::milliseconds longer = std::chrono::milliseconds(0)) const;

  // A call that costs nothing and needs no key, before one that has no timeout of its own.
  Status Reach() const;

  // For the calls that stream: the channel, and a context with the key.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  void Prepare(grpc::ClientContext* context) const;

  const Connection& connection() const { return connection_; }

 private:
  Remote(Connection connection, std::shared_ptr<grpc::Channel> channel);

  Connection connection_;
  std::shared_ptr<grpc::Channel> channel_;
};

// The gateway's error as ours, with the reason of its details.
Status FromGrpc(const grpc::Status& status);

// Sets the request's field "app", where it has one and an app was named.
void AddressTo(google::protobuf::Message& request, const std::string& app);

// What every remote command takes, and how it is run.
class RemoteCommand {
 public:
  explicit RemoteCommand(CLI::App& command);

  Format format() const { return output_.format(); }
  bool print_grpcurl() const { return print_grpcurl_; }

  // Runs with a connection, says what went wrong, returns the exit code. Before that, INVALID_ARGUMENT of the flags.
  int Run(const std::function<Status(const Remote&)>& run) const;

  // Prints the line of grpcurl that does the same.
  Status PrintGrpcurl(const Remote& remote, const google::protobuf::Message& request) const;

 private:
  RemoteFlags connection_;
  OutputFlag output_;
  bool print_grpcurl_ = false;
};

}  // namespace carillon::cli
