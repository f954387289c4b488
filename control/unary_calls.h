#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "control/caller.h"
#include "control/control_service.h"

namespace grpc {
class CallbackServerContext;
class ServerUnaryReactor;
}  // namespace grpc

namespace carillon::control {

// What the services' unary calls have in common: who may call, and how an answer or a status goes back. Thread: gRPC's.
class UnaryCalls {
 protected:
  explicit UnaryCalls(ControlContext& context) : context_(context) {}

  // The caller, where they may; who is turned away is counted.
  StatusOr<std::unique_ptr<const Caller>> Admit(const grpc::CallbackServerContext* call, auth::Verb verb) const;

  // The call, run by an admitted caller: `run(caller)` returns its status.
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* call, auth::Verb verb,
                                   absl::FunctionRef<Status(const Caller&)> run);

  // The same, where the answer comes later: `run(caller, done)` returns why it does not; else `done` is called once.
  using Done = absl::AnyInvocable<void(const Status&)>;
  grpc::ServerUnaryReactor* AnswerLater(grpc::CallbackServerContext* call, auth::Verb verb,
                                        absl::FunctionRef<Status(const Caller&, Done)> run);

  grpc::ServerUnaryReactor* Finish(grpc::ServerUnaryReactor* reactor, const Caller& caller, const Status& status) const;
  static grpc::ServerUnaryReactor* Finish(grpc::ServerUnaryReactor* reactor, const Status& status);

  // The name of the app that was meant, where the request was good: for logs.
  static std::string AppName(const Caller& caller, const std::string& named);

  ControlContext& context_;
};

}  // namespace carillon::control
