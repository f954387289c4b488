#include "control/schema_service.h"

#include <carillon/v1/schema.grpc.pb.h>
#include <grpcpp/support/server_callback.h>

#include "control/schemas.h"
#include "control/unary_calls.h"

namespace carillon::control {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

class Service final : public v1::SchemaService::CallbackService, private UnaryCalls {
 public:
  explicit Service(ControlContext& context) : UnaryCalls(context) {}

  ServerUnaryReactor* RegisterDescriptors(CallbackServerContext* call, const v1::RegisterDescriptorsRequest* request,
                                          v1::RegisterDescriptorsResponse* response) override {
    return Answer(call, auth::Verb::kAdmin, [&](const Caller& caller) -> Status {
      RETURN_IF_ERROR(control::RegisterDescriptors(caller, *request, response));
      log::Info("control", "registered descriptors",
                {{"key", caller.name()},
                 {"set", request->name()},
                 {"app", AppName(caller, request->app())},
                 {"types", response->types()},
                 {"bytes", request->descriptor_set().size()}});
      return absl::OkStatus();
    });
  }

  ServerUnaryReactor* BindStream(CallbackServerContext* call, const v1::BindStreamRequest* request,
                                 v1::BindStreamResponse* response) override {
    return Answer(call, auth::Verb::kAdmin, [&](const Caller& caller) -> Status {
      RETURN_IF_ERROR(control::BindStream(caller, *request, response));
      log::Info("control", request->type().empty() ? "took away a binding" : "bound a stream",
                {{"key", caller.name()},
                 {"stream", request->stream()},
                 {"event", request->event()},
                 {"app", AppName(caller, request->app())},
                 {"type", request->type()}});
      return absl::OkStatus();
    });
  }

  ServerUnaryReactor* ListSchemas(CallbackServerContext* call, const v1::ListSchemasRequest* request,
                                  v1::ListSchemasResponse* response) override {
    return Answer(call, auth::Verb::kRead,
                  [&](const Caller& caller) { return control::ListSchemas(caller, *request, response); });
  }

  ServerUnaryReactor* Validate(CallbackServerContext* call, const v1::ValidateRequest* request,
                               v1::ValidateResponse* response) override {
    return Answer(call, auth::Verb::kRead, [&](const Caller& caller) {
      return control::Validate(caller, *request, context_.publisher.max_publish_bytes(), response);
    });
  }
};

}  // namespace

std::unique_ptr<grpc::Service> MakeSchemaService(ControlContext& context) {
  return std::make_unique<Service>(context);
}

}  // namespace carillon::control
