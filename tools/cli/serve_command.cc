#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "gateway/base/log.h"
#include "gateway/server/application.h"
#include "gateway/server/build_options.h"
#include "gateway/server/config_values.h"
#include "gateway/server/signals.h"
#include "tools/cli/commands.h"
#include "tools/cli/config_flags.h"

namespace carillon::cli {
namespace {

// What is allowed and worth knowing.
void Advise(const server::LoadedConfig& loaded) {
  const v1::Config& config = loaded.config;
  auto advise_of = [](const std::string& app, const auto& origins, const v1::AuthConfig& auth,
                      const auth::TokenRules& tokens) {
    for (const std::string& origin : origins) {
      if (origin == "*")
        log::Warn("server", "allowed_origins holds *: pages of every site may connect", {{"app", app}});
    }
    if (auth.audience().empty() && (!tokens.keys.empty() || !tokens.fetched.empty())) {
      log::Info("server", "auth.audience is not set: tokens for other services with the same keys are accepted",
                {{"app", app}});
    }
  };
  advise_of("default", config.edge().allowed_origins(), config.auth(), loaded.tokens);
  for (int i = 0; i < config.apps_size(); ++i) {
    const v1::AppConfig& app = config.apps(i);
    advise_of(app.name(), app.allowed_origins(), app.auth(), loaded.app_tokens[static_cast<size_t>(i)]);
  }
  if (config.control().insecure() && config.control().keys().empty()) {
    log::Warn("server", "control.insecure: everyone who reaches the control port may publish and kick");
  }
  for (const v1::Endpoint& endpoint : config.edge().endpoints()) {
    bool pings = server::ToMilliseconds(endpoint.ping_interval()).count() > 0;
    bool dies = server::ToMilliseconds(endpoint.peer_timeout()).count() > 0;
    if (endpoint.enabled() && !pings && dies) {
      log::Warn("server", "ping_interval is 0 but peer_timeout is not: clients that say nothing will be closed",
                {{"path", endpoint.path()}});
    }
  }
}

StatusOr<server::LoadedConfig> LoadAgain(const ConfigFlags& flags) {
  auto loaded = flags.LoadAgain();
  if (!loaded.ok()) return loaded;
  for (const std::string& warning : loaded->warnings) log::Warn("server", warning);
  Advise(*loaded);
  return loaded;
}

int Serve(const ConfigFlags& flags) {
  std::signal(SIGHUP, SIG_IGN);  // until it is understood
  auto loaded = flags.Load();
  if (!loaded.has_value()) return 2;
  const v1::Config& config = loaded->config;
  server::Signals::Hold();  // before there are threads
  std::signal(SIGHUP, SIG_DFL);
  log::Start(server::LogLevelOf(config), server::LogFormatOf(config, ::isatty(STDERR_FILENO) == 1));
  Advise(*loaded);
  int exit_code = 0;
  {
    server::Application application(*loaded, [&flags] { return LoadAgain(flags); });
    if (Status status = application.Start(); !status.ok()) {
      log::Error("server", "cannot start", {{"why", MessageOf(status)}});
      exit_code = 1;
    } else {
      // One line for whoever started us: with port 0, this is how they learn where we are.
      server::Addresses at = application.addresses();
      std::printf("{\"edge\":\"%s\",\"control\":\"%s\",\"admin\":\"%s\",\"pid\":%d}\n", at.edge.c_str(),
                  at.control.c_str(), at.admin.c_str(), static_cast<int>(::getpid()));
      std::fflush(stdout);
      exit_code = application.Run() ? 0 : 1;
    }
  }
  log::Stop();
  return exit_code;
}

}  // namespace

void AddServe(CLI::App& app, int* exit_code) {
  CLI::App* command = app.add_subcommand("serve", "Run the gateway until SIGTERM")->group(kRun);
  auto flags = std::make_shared<ConfigFlags>(*command);
  command->callback([flags, exit_code] { *exit_code = Serve(*flags); });
}

}  // namespace carillon::cli
