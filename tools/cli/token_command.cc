#include <cstdio>

#include "gateway/auth/jwt.h"
#include "gateway/wire/topic.h"
#include "tools/cli/commands.h"
#include "tools/cli/config_flags.h"

namespace carillon::cli {
namespace {

struct TokenArguments {
  std::string user;
  std::string name;
  std::vector<std::string> roles;
  std::vector<std::string> streams;
  std::string only_stream;
  std::vector<std::string> labels;
  std::string ttl = "1h";
  std::string app;
};

int Fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  return 2;
}

int MakeToken(const ConfigFlags& flags, const TokenArguments& arguments) {
  auto loaded = flags.Load();
  if (!loaded.has_value()) return 2;
  auto of_app = server::AuthOf(*loaded, arguments.app);
  if (!of_app.has_value()) return Fail("--app: there is no app " + arguments.app + " in the configuration");
  const v1::AuthConfig& auth_config = *of_app->config;
  if (auth_config.hs256_secret().empty()) {
    return Fail(
        "the app's auth.hs256_secret is not set: give the gateway's configuration with -c, or "
        "CARILLON_AUTH_HS256_SECRET");
  }
  auth::Identity identity;
  if (Status status = wire::CheckUserId(arguments.user); !status.ok()) return Fail("--user: " + MessageOf(status));
  identity.user_id = arguments.user;
  identity.name = arguments.name;
  identity.roles = arguments.roles;
  for (const std::string& stream : arguments.streams) {
    if (Status status = wire::CheckStreamName(stream); !status.ok()) return Fail("--stream: " + MessageOf(status));
    identity.streams.push_back(stream);
  }
  if (!arguments.only_stream.empty()) {
    Status status = wire::CheckStreamName(arguments.only_stream);
    if (!status.ok()) return Fail("--only-stream: " + MessageOf(status));
    identity.only_stream = arguments.only_stream;
  }
  for (const std::string& label : arguments.labels) {
    size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) return Fail("--label: write key=value");
    identity.labels[label.substr(0, equals)] = label.substr(equals + 1);
  }
  auto ttl = server::ParseDuration(arguments.ttl);
  constexpr std::chrono::hours kMaxTtl{100 * 365 * 24};
  if (!ttl.has_value() || ttl->count() == 0 || *ttl > kMaxTtl) {
    return Fail("--ttl: write a duration such as 30m or 12h, at most 876000h");
  }
  auto now = std::chrono::system_clock::now();
  identity.expires_at = now + *ttl;

  std::string token =
      auth::SignJwt(identity, auth_config.hs256_secret(), auth_config.issuer(), auth_config.audience(), now);
  // What the gateway would refuse (too many roles, a label that is too long) is of no use to anybody.
  if (auto verified = auth::VerifyJwt(token, *of_app->tokens, now); !verified.ok()) {
    return Fail("the gateway would refuse this token: " + MessageOf(verified.status()));
  }
  std::printf("%s\n", token.c_str());
  return 0;
}

}  // namespace

void AddToken(CLI::App& app, int* exit_code) {
  CLI::App* command =
      app.add_subcommand("token", "Make a token for a client, signed with auth.hs256_secret")->group(kConfigure);
  auto arguments = std::make_shared<TokenArguments>();
  command->add_option("-u,--user", arguments->user, "The user's id (\"sub\")")->required();
  command->add_option("--name", arguments->name, "The user's name");
  command->add_option("--role", arguments->roles, "A role; may be repeated");
  command->add_option("-s,--stream", arguments->streams, "A stream to subscribe at connect; may be repeated");
  command->add_option("--only-stream", arguments->only_stream,
                      "Grant this stream to a session of the user, and be good for nothing else");
  command->add_option("--label", arguments->labels, "key=value, shown by Subscribers; may be repeated");
  command->add_option("--ttl", arguments->ttl, "How long it is valid, default 1h");
  command->add_option("--app", arguments->app, "The app that it is for, by its name");
  auto flags = std::make_shared<ConfigFlags>(*command);
  command->callback([=] { *exit_code = MakeToken(*flags, *arguments); });
}

}  // namespace carillon::cli
