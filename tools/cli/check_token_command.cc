#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <cstdio>
#include <iostream>

#include "gateway/auth/jwt.h"
#include "gateway/server/token_rules.h"
#include "tools/cli/commands.h"
#include "tools/cli/config_flags.h"

namespace carillon::cli {
namespace {

namespace json = boost::json;

struct CheckTokenArguments {
  std::string token;
  std::string jwk_file;
  std::string app;
};

// One more than a token may have shows that it is too long.
std::string ReadInput() {
  std::string text(auth::kMaxTokenBytes + 2, '\0');
  std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::cin.gcount()));
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

std::string Describe(const auth::Identity& identity) {
  auto seconds = [](std::chrono::system_clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  };
  json::object said;
  said["user"] = identity.user_id;
  if (!identity.name.empty()) said["name"] = identity.name;
  said["roles"] = json::value_from(identity.roles);
  said["labels"] = json::value_from(identity.labels);
  said["streams"] = json::value_from(identity.streams);
  if (!identity.only_stream.empty()) said["stream"] = identity.only_stream;
  if (!identity.token_id.empty()) said["token_id"] = identity.token_id;
  said["expires"] = seconds(identity.expires_at);
  return json::serialize(said);
}

int CheckToken(const ConfigFlags& flags, const CheckTokenArguments& arguments) {
  auto loaded = flags.Load(false);
  if (!loaded.has_value()) return 2;
  auto of_app = server::AuthOf(*loaded, arguments.app);
  if (!of_app.has_value()) {
    std::fprintf(stderr, "--app: there is no app %s in the configuration\n", arguments.app.c_str());
    return 2;
  }
  auth::TokenRules rules = *of_app->tokens;
  if (!arguments.jwk_file.empty()) {
    auto keys = server::ReadJwkFile(arguments.jwk_file);
    if (!keys.ok()) {
      std::fprintf(stderr, "--jwk: %s\n", MessageOf(keys.status()).c_str());
      return 2;
    }
    rules.keys = *std::move(keys);
    rules.fetched.clear();
  }
  for (const auth::JwksRules& from : rules.fetched) {
    std::atomic<bool> stop{false};
    std::vector<std::string> left_out;
    auto keys = auth::FetchKeys(from, stop, &left_out);
    if (keys.ok()) {
      rules.keys.Add(*keys);
    } else {
      std::fprintf(stderr, "warning: no keys from %s: %s\n", auth::ShownUrl(from.address.url).c_str(),
                   MessageOf(keys.status()).c_str());
    }
  }
  bool piped = arguments.token.empty() || arguments.token == "-";
  auto identity = auth::VerifyJwt(piped ? ReadInput() : arguments.token, rules, std::chrono::system_clock::now());
  if (!identity.ok()) {
    std::fprintf(stderr, "%s\n", MessageOf(identity.status()).c_str());
    return 1;
  }
  std::printf("%s\n", Describe(*identity).c_str());
  return 0;
}

}  // namespace

void AddCheckToken(CLI::App& app, int* exit_code) {
  CLI::App* command =
      app.add_subcommand("check-token",
                         "Say who a token is for, or why it is refused (exit code 1), as the gateway would")
          ->group(kConfigure);
  auto arguments = std::make_shared<CheckTokenArguments>();
  command->add_option("token", arguments->token,
                      "The token; without it, or with -, standard input is read: other users of the machine can see "
                      "arguments");
  command->add_option("--jwk", arguments->jwk_file, "A JWK or JWK Set to verify with, instead of auth's keys");
  command->add_option("--app", arguments->app, "The app that the token is for, by its name");
  auto flags = std::make_shared<ConfigFlags>(*command);
  command->callback([=] { *exit_code = CheckToken(*flags, *arguments); });
}

}  // namespace carillon::cli
