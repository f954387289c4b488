#include "control/unary_calls.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "control/status_mapping.h"

namespace carillon::control {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

StatusOr<std::unique_ptr<const Caller>> UnaryCalls::Admit(const CallbackServerContext* call, auth::Verb verb) const {
  if (context_.stopping.load(std::memory_order_relaxed)) return absl::UnavailableError(kShuttingDown);
  auto caller = CheckCaller(*call, context_.keys, context_.apps, verb);
  if (!caller.ok()) context_.refusals.Add(caller.status(), CallerName(*call, context_.keys));
  return caller;
}

ServerUnaryReactor* UnaryCalls::Answer(CallbackServerContext* call, auth::Verb verb,
                                       absl::FunctionRef<Status(const Caller&)> run) {
  ServerUnaryReactor* reactor = call->DefaultReactor();
  auto caller = Admit(call, verb);
  return caller.ok() ? Finish(reactor, **caller, run(**caller)) : Finish(reactor, caller.status());
}

ServerUnaryReactor* UnaryCalls::AnswerLater(CallbackServerContext* call, auth::Verb verb,
                                            absl::FunctionRef<Status(const Caller&, Done)> run) {
  ServerUnaryReactor* reactor = call->DefaultReactor();
  auto caller = Admit(call, verb);
  if (!caller.ok()) return Finish(reactor, caller.status());
  Status asked =
      run(**caller, [reactor, running = context_.running.Begin()](const Status& status) { Finish(reactor, status); });
  return asked.ok() ? reactor : Finish(reactor, **caller, asked);
}

ServerUnaryReactor* UnaryCalls::Finish(ServerUnaryReactor* reactor, const Caller& caller, const Status& status) const {
  if (absl::IsPermissionDenied(status)) context_.refusals.Add(status, caller.name());
  return Finish(reactor, status);
}

ServerUnaryReactor* UnaryCalls::Finish(ServerUnaryReactor* reactor, const Status& status) {
  reactor->Finish(ToGrpc(status));
  return reactor;
}

std::string UnaryCalls::AppName(const Caller& caller, const std::string& named) {
  auto app = caller.AppOf(named);
  return app.ok() ? (*app)->name : named;
}

}  // namespace carillon::control
