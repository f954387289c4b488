#include "control/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpc/reflection/v1/reflection.grpc.pb.h>
#include <grpc/reflection/v1alpha/reflection.grpc.pb.h>
#include <grpcpp/support/server_callback.h>

#include <set>

#include "control/caller.h"
#include "control/status_mapping.h"

namespace carillon::control {
namespace {

namespace protobuf = google::protobuf;

// The two versions differ in their package only.
struct V1 {
  using Service = grpc::reflection::v1::ServerReflection::CallbackService;
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;
};
struct V1Alpha {
  using Service = grpc::reflection::v1alpha::ServerReflection::CallbackService;
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;
};

const protobuf::DescriptorPool& Pool() {
  return *protobuf::DescriptorPool::generated_pool();
}

// The file and all that it imports, each once.
template <class Response>
void AddFiles(const protobuf::FileDescriptor& file, std::set<const protobuf::FileDescriptor*>* seen,
              Response* response) {
  if (!seen->insert(&file).second) return;
  protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  response->mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) AddFiles(*file.dependency(i), seen, response);
}

template <class Response>
void AnswerFile(const protobuf::FileDescriptor* file, const std::string& asked, Response* response) {
  if (file == nullptr) {
    response->mutable_error_response()->set_error_code(grpc::StatusCode::NOT_FOUND);
    response->mutable_error_response()->set_error_message("not found: " + asked);
    return;
  }
  std::set<const protobuf::FileDescriptor*> seen;
  AddFiles(*file, &seen, response);
}

template <class Request, class Response>
void Answer(const Request& request, const std::vector<std::string>& service_names, Response* response) {
  response->Clear();
  response->set_valid_host(request.host());
  *response->mutable_original_request() = request;
  switch (request.message_request_case()) {
    case Request::kFileByFilename:
      return AnswerFile(Pool().FindFileByName(request.file_by_filename()), request.file_by_filename(), response);
    case Request::kFileContainingSymbol:
      return AnswerFile(Pool().FindFileContainingSymbol(request.file_containing_symbol()),
                        request.file_containing_symbol(), response);
    case Request::kFileContainingExtension: {
      const auto& wanted = request.file_containing_extension();
      const auto* type = Pool().FindMessageTypeByName(wanted.containing_type());
      const auto* field = type == nullptr ? nullptr : Pool().FindExtensionByNumber(type, wanted.extension_number());
      return AnswerFile(field == nullptr ? nullptr : field->file(), wanted.containing_type(), response);
    }
    case Request::kAllExtensionNumbersOfType: {
      const std::string& name = request.all_extension_numbers_of_type();
      const auto* type = Pool().FindMessageTypeByName(name);
      if (type == nullptr) return AnswerFile(nullptr, name, response);
      std::vector<const protobuf::FieldDescriptor*> extensions;
      Pool().FindAllExtensions(type, &extensions);
      auto* numbers = response->mutable_all_extension_numbers_response();
      numbers->set_base_type_name(name);
      for (const auto* extension : extensions) numbers->add_extension_number(extension->number());
      return;
    }
    case Request::kListServices:
      for (const std::string& name : service_names) {
        response->mutable_list_services_response()->add_service()->set_name(name);
      }
      return;
    case Request::MESSAGE_REQUEST_NOT_SET:
      response->mutable_error_response()->set_error_code(grpc::StatusCode::INVALID_ARGUMENT);
      response->mutable_error_response()->set_error_message("the request asks nothing");
      return;
  }
}

// One call: a question, its answer, and so on.
template <class Version>
class Call final : public grpc::ServerBidiReactor<typename Version::Request, typename Version::Response> {
 public:
  Call(const std::vector<std::string>& service_names, const Status& admitted) : service_names_(service_names) {
    if (admitted.ok()) {
      this->StartRead(&request_);
    } else {
      this->Finish(ToGrpc(admitted));
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) return this->Finish(grpc::Status::OK);
    Answer(request_, service_names_, &response_);
    this->StartWrite(&response_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return this->Finish(grpc::Status::OK);
    this->StartRead(&request_);
  }

  void OnDone() override { delete this; }

 private:
  const std::vector<std::string>& service_names_;
  typename Version::Request request_;
  typename Version::Response response_;
};

template <class Version>
class Service final : public Version::Service {
 public:
  Service(const auth::LiveApiKeys& keys, std::vector<std::string> service_names)
      : keys_(keys), service_names_(std::move(service_names)) {}

  grpc::ServerBidiReactor<typename Version::Request, typename Version::Response>* ServerReflectionInfo(
      grpc::CallbackServerContext* context) override {
    return new Call<Version>(service_names_, CheckCaller(*context, keys_));
  }

 private:
  const auth::LiveApiKeys& keys_;
  const std::vector<std::string> service_names_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> MakeReflectionServices(const auth::LiveApiKeys& keys,
                                                                   std::vector<std::string> service_names) {
  service_names.push_back("grpc.reflection.v1.ServerReflection");
  service_names.push_back("grpc.reflection.v1alpha.ServerReflection");
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<Service<V1>>(keys, service_names));
  services.push_back(std::make_unique<Service<V1Alpha>>(keys, service_names));
  return services;
}

}  // namespace carillon::control
