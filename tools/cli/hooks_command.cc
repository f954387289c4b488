#include <carillon/v1/hooks.grpc.pb.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "gateway/edge/listener.h"
#include "tools/cli/command_runner.h"
#include "tools/cli/commands.h"
#include "tools/cli/connection.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/outcome.h"
#include "tools/cli/output.h"

// A backend that the gateway asks, whose answers are a command's: for shells, and for trying things out.
namespace carillon::cli {
namespace {

using std::chrono::system_clock;

// The most that hooks[].deadline can be. Callers may have none.
constexpr std::chrono::seconds kLongest{30};

// Questions that wait until fewer commands run hold a thread each.
constexpr int kMaxWaiting = 256;

class Asked final : public v1::HooksService::Service {
 public:
  Asked(CommandRunner& runner, const std::string& key) : runner_(runner), shown_("Bearer " + key), open_(key.empty()) {}

  grpc::Status Authenticate(grpc::ServerContext* context, const v1::AuthenticateRequest* question,
                            v1::AuthenticateResponse* answer) override {
    return Ask("Authenticate", *context, *question, answer);
  }
  grpc::Status AuthorizeSubscribe(grpc::ServerContext* context, const v1::AuthorizeSubscribeRequest* question,
                                  v1::AuthorizeSubscribeResponse* answer) override {
    return Ask("AuthorizeSubscribe", *context, *question, answer);
  }
  grpc::Status AuthorizePublish(grpc::ServerContext* context, const v1::AuthorizePublishRequest* question,
                                v1::AuthorizePublishResponse* answer) override {
    return Ask("AuthorizePublish", *context, *question, answer);
  }
  grpc::Status OnClientEvent(grpc::ServerContext* context, const v1::OnClientEventRequest* question,
                             v1::OnClientEventResponse* answer) override {
    return Ask("OnClientEvent", *context, *question, answer);
  }

 private:
  grpc::Status Ask(const std::string& method, const grpc::ServerContext& context,
                   const google::protobuf::Message& question, google::protobuf::Message* answer) {
    if (!KeyFits(context)) return {grpc::StatusCode::UNAUTHENTICATED, "the key is missing or wrong"};
    Status status = Run(method, std::min(context.deadline(), system_clock::now() + kLongest), question, answer);
    if (!status.ok()) Say(fmt::format("{}: {}", method, MessageOf(status)));
    return {static_cast<grpc::StatusCode>(status.code()), MessageOf(status)};  // the same numbers
  }

  Status Run(const std::string& method, system_clock::time_point deadline, const google::protobuf::Message& question,
             google::protobuf::Message* answer) {
    ASSIGN_OR_RETURN(CommandRunner::Output output,
                     runner_.Run("CARILLON_HOOK=" + method, boost::json::serialize(RowOf(question)) + "\n", deadline));
    if (!output.err.empty()) Say(fmt::format("{}: {}", method, output.err));
    auto parsed = google::protobuf::util::JsonStringToMessage(output.out, answer);
    if (parsed.ok()) return absl::OkStatus();
    return absl::InternalError(
        fmt::format("no {} in JSON was written: {}", answer->GetDescriptor()->name(), std::string(parsed.message())));
  }

  bool KeyFits(const grpc::ServerContext& context) const {
    if (open_) return true;
    auto found = context.client_metadata().find("authorization");
    if (found == context.client_metadata().end() || found->second.size() != shown_.size()) return false;
    return CRYPTO_memcmp(found->second.data(), shown_.data(), shown_.size()) == 0;
  }

  CommandRunner& runner_;
  const std::string shown_;
  const bool open_;
};

struct HooksSettings {
  std::string listen = "127.0.0.1:9000";
  std::string key_file;
  int at_once = 16;
  bool insecure = false;
  std::vector<std::string> command;
};

// Whom it answers runs a command here: strangers should not.
Status CheckListen(const HooksSettings& settings) {
  if (settings.listen.starts_with("unix:")) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto endpoint, edge::ParseAddress(settings.listen));
  if (endpoint.address().is_loopback() || settings.insecure) return absl::OkStatus();
  return WithAdvice(InvalidArgument("{} is open to others, who could ask without TLS", settings.listen),
                    "listen on 127.0.0.1, or say --insecure");
}

Status Serve(const HooksSettings& settings) {
  RETURN_IF_ERROR(CheckListen(settings));
  std::string key;
  if (!settings.key_file.empty()) {
    ASSIGN_OR_RETURN(key, ReadKey("the key", settings.key_file));
  }
  Interrupt interrupt;
  CommandRunner runner(settings.command, settings.at_once, interrupt.descriptor());
  Asked asked(runner, key);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(settings.listen, grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetResourceQuota(grpc::ResourceQuota("questions").SetMaxThreads(settings.at_once + kMaxWaiting));
  builder.RegisterService(&asked);
  auto server = builder.BuildAndStart();
  bool is_unix = settings.listen.starts_with("unix:");
  if (server == nullptr || (port == 0 && !is_unix))
    return Failed(fmt::format("cannot listen on {}", settings.listen),
                  "--listen takes another address, port 0 a free one");
  std::string host = settings.listen.substr(0, settings.listen.rfind(':'));
  Status printed = Print(fmt::format("{}\n", is_unix ? settings.listen : fmt::format("{}:{}", host, port)));
  while (printed.ok() && !interrupt.WaitFor(std::chrono::hours(1))) {
  }
  runner.End();
  server->Shutdown(system_clock::now() + std::chrono::seconds(1));
  return printed;
}

}  // namespace

void AddHooks(CLI::App& app, int* exit_code) {
  CLI::App* command =
      app.add_subcommand("hooks",
                         "Be a backend that the gateway asks (hooks): each answer is a command's. Until Ctrl-C")
          ->group(kUse);
  auto settings = std::make_shared<HooksSettings>();
  command->add_option("--listen", settings->listen, "Where the gateway finds it: host:port, or unix:/path")
      ->capture_default_str();
  command->add_option("--key-file", settings->key_file,
                      "Answer those alone that show the key in this file (hooks[].key)");
  command->add_option("--at-once", settings->at_once, "How many commands may run at once; questions wait for them")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--insecure", settings->insecure, "Listen where others than this machine reach it");
  command
      ->add_option("command", settings->command,
                   "The command behind --: it gets the method's name in CARILLON_HOOK and the request as JSON on "
                   "standard input, and writes the response as JSON")
      ->required();
  command->callback([settings, exit_code] { *exit_code = Report(Serve(*settings)); });
}

}  // namespace carillon::cli
