#pragma once

#include "carillon/v1/schema.pb.h"
#include "control/caller.h"
#include "gateway/base/status.h"

// The calls of SchemaService. Errors are INVALID_ARGUMENT naming the field, what schema::Registry says, or what Caller
// says. Any thread.
namespace carillon::control {

Status RegisterDescriptors(const Caller& caller, const v1::RegisterDescriptorsRequest& request,
                           v1::RegisterDescriptorsResponse* response);
Status BindStream(const Caller& caller, const v1::BindStreamRequest& request, v1::BindStreamResponse* response);
Status ListSchemas(const Caller& caller, const v1::ListSchemasRequest& request, v1::ListSchemasResponse* response);
Status Validate(const Caller& caller, const v1::ValidateRequest& request, size_t max_publish_bytes,
                v1::ValidateResponse* response);

}  // namespace carillon::control
