#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "gateway/server/config_loader.h"
#include "gateway/server/config_values.h"

namespace carillon::cli {

// -c FILE and one flag for every setting that is no secret, for the commands that read the configuration.
class ConfigFlags {
 public:
  explicit ConfigFlags(CLI::App& command) {
    option_ = command.add_option("-c,--config", file_, "The configuration file (YAML)");
    server::ForEachSetting([&](const std::string& path, const google::protobuf::FieldDescriptor& field) {
      if (server::SettingOf(field).secret() || !server::IsScalar(field)) return;
      const std::string& fallback = server::SettingOf(field).default_();
      command
          .add_option_function<std::string>(
              server::FlagName(path), [this, path](const std::string& text) { flags_[path] = text; },
              fallback.empty() ? std::string() : "default " + fallback)
          ->group("Settings (see docs/configuration.md)");
    });
  }

  // Nothing where something is wrong; it was then said on standard error. `to_serve` as in ConfigSources.
  std::optional<server::LoadedConfig> Load(bool to_serve = true) const {
    auto loaded = TryLoad(to_serve);
    if (!loaded.ok()) {
      std::string message = MessageOf(loaded.status()) + "\n";
      std::fwrite(message.data(), 1, message.size(), stderr);  // it may quote a NUL
      return std::nullopt;
    }
    for (const std::string& warning : loaded->warnings) std::fprintf(stderr, "warning: %s\n", warning.c_str());
    return *std::move(loaded);
  }

  StatusOr<server::LoadedConfig> TryLoad(bool to_serve = true) const {
    if (option_->count() > 0 && file_.empty()) return InvalidArgument("-c: the file's name is empty");
    ASSIGN_OR_RETURN(server::ConfigSources sources, server::GatherSources(file_, flags_));
    sources.to_serve = to_serve;
    return server::LoadConfig(sources);
  }

  // The same for a gateway that runs. What cannot be read twice, or is empty because somebody is just writing it, is
  // refused.
  StatusOr<server::LoadedConfig> LoadAgain() const {
    std::error_code ignored;
    if (!file_.empty() && !std::filesystem::is_regular_file(file_, ignored)) {
      return InvalidArgument("{}: is no file that can be read again", file_);
    }
    if (!file_.empty() && std::filesystem::file_size(file_, ignored) == 0) {
      return InvalidArgument("{}: is empty", file_);
    }
    return TryLoad();
  }

  const std::string& file() const { return file_; }

 private:
  const CLI::Option* option_ = nullptr;
  std::string file_;
  std::map<std::string, std::string> flags_;
};

}  // namespace carillon::cli
