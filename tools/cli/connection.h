#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <map>
#include <string>
#include <string_view>

#include "gateway/base/status.h"
#include "tools/cli/contexts.h"

// Which gateway a command speaks to, and how.
namespace carillon::cli {

struct ConnectionSetting {
  std::string_view name;  // in a context
  const char* flag;
  const char* variable;  // of the environment; null: none
  const char* help;
  bool is_file;
};

// Null where there is none of that name.
const ConnectionSetting* FindConnectionSetting(std::string_view name);

struct Connection {
  std::string address;
  std::string key;  // empty: none
  std::string app;  // empty: the key's first
  bool tls = false;
  std::string ca;  // PEM files; empty: the machine's authorities
  std::string cert;
  std::string cert_key;
  std::chrono::milliseconds timeout{5000};
};

// The flags --address, --key and so on of a command.
class ConnectionFlags {
 public:
  explicit ConnectionFlags(CLI::App& command);
  ConnectionFlags(const ConnectionFlags&) = delete;  // the command line holds on to it
  ConnectionFlags& operator=(const ConnectionFlags&) = delete;

  // What was given on the command line alone, with whole paths.
  StatusOr<Settings> Given() const;

 private:
  std::map<std::string_view, std::string> values_;
  std::map<std::string_view, CLI::Option*> options_;
};

// Flag over environment over context over default.
class RemoteFlags {
 public:
  explicit RemoteFlags(CLI::App& command);

  // Reads files of keys, and nothing of the network. INVALID_ARGUMENT says which setting is wrong.
  StatusOr<Connection> Resolve() const;

 private:
  ConnectionFlags given_;
  std::string context_;
  std::string timeout_ = "5s";
};

// The key that a file holds, without the blanks around it. INVALID_ARGUMENT: it cannot be read, or holds no key.
StatusOr<std::string> ReadKey(const std::string& what, const std::string& name);

// What can be seen to be wrong with the settings of a context.
Status CheckSettings(const Settings& settings);

}  // namespace carillon::cli
