#include "tools/cli/connection.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gateway/base/utf8.h"
#include "gateway/server/config_values.h"
#include "tools/cli/outcome.h"

namespace carillon::cli {
namespace {

constexpr char kGroup[] = "Connection";
constexpr char kDefaultAddress[] = "127.0.0.1:7311";

constexpr ConnectionSetting kConnectionSettings[] = {
    {"address", "-s,--address", "CARILLON_ADDRESS",
     "host:port of the control plane, or unix:/path; default 127.0.0.1:7311", false},
    {"key", "--key", "CARILLON_TOKEN", "The API key. Other users of the machine can see arguments: rather --key-file",
     false},
    {"key_file", "--key-file", "CARILLON_TOKEN_FILE", "A file that holds the API key", true},
    {"tls", "--tls", nullptr, "Speak TLS, as the machine's certificate authorities allow", false},
    {"ca", "--ca", nullptr, "Speak TLS, as the authorities in this PEM file allow", true},
    {"cert", "--cert", nullptr, "Our certificate (PEM), where the gateway asks for one; with --cert-key", true},
    {"cert_key", "--cert-key", nullptr, "Its private key (PEM)", true},
    {"app", "--app", nullptr, "The app, by its name; default the key's first", false},
};

StatusOr<std::string> ReadFile(const std::string& what, const std::string& name) {
  std::ifstream file(name);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.good() || (file.eof() && !text.empty())) return text;
  return WithAdvice(InvalidArgument("{}: the file {} is not there, empty, or cannot be read", what, name),
                    "see its name and its mode");
}

// gRPC ends the process over a header that HTTP does not allow. The key is not shown.
Status CheckKey(const std::string& key) {
  bool good = std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (good) return absl::OkStatus();
  return WithAdvice(
      InvalidArgument("the key holds characters that no key has: blanks, line ends or others beyond ASCII"),
      "see whether the file or the variable holds the key alone");
}

std::string Trimmed(const std::string& text) {
  constexpr char kBlank[] = " \t\r\n";
  size_t first = text.find_first_not_of(kBlank);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

Status CheckAddress(const std::string& address) {
  if (address.starts_with("unix:") && IsUtf8(address)) return absl::OkStatus();
  size_t colon = address.rfind(':');
  std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  bool number = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  bool host = colon != std::string::npos && colon > 0 && address.find('/') == std::string::npos && IsUtf8(address);
  if (host && number && std::stoi(port) > 0 && std::stoi(port) < 65536) return absl::OkStatus();
  return WithAdvice(InvalidArgument("address: \"{}\" is no host:port", address),
                    "write it like 127.0.0.1:7311, [::1]:7311 or unix:/path");
}

Settings FromEnvironment() {
  Settings found;
  for (const ConnectionSetting& setting : kConnectionSettings) {
    const char* value = setting.variable == nullptr ? nullptr : std::getenv(setting.variable);
    if (value == nullptr || *value == '\0') continue;
    // What a variable is filled with often ends with a line end.
    found[std::string(setting.name)] = setting.name == "key" ? Trimmed(value) : value;
  }
  return found;
}

StatusOr<Settings> FromContext(const std::string& named, const Settings& before) {
  ASSIGN_OR_RETURN(Contexts contexts, ReadContexts());
  const std::string& name = named.empty() ? contexts.selected : named;
  if (name.empty()) return Settings();
  auto found = contexts.all.find(name);
  if (found == contexts.all.end()) {
    return WithAdvice(InvalidArgument("there is no context \"{}\"", name),
                      "\"carillon context ls\" lists them, \"carillon context select\" chooses one");
  }
  // A key is for the gateway that it was written down with: with another address, only who names the context means it.
  auto address = before.find("address");
  bool other =
      address != before.end() && (!found->second.contains("address") || found->second.at("address") != address->second);
  return named.empty() && other ? Settings() : found->second;
}

}  // namespace

const ConnectionSetting* FindConnectionSetting(std::string_view name) {
  const auto* found = std::find_if(std::begin(kConnectionSettings), std::end(kConnectionSettings),
                                   [&](const ConnectionSetting& setting) { return setting.name == name; });
  return found == std::end(kConnectionSettings) ? nullptr : found;
}

ConnectionFlags::ConnectionFlags(CLI::App& command) {
  for (const ConnectionSetting& setting : kConnectionSettings) {
    CLI::Option*& option = options_[setting.name];
    std::string help = setting.help;
    if (setting.variable != nullptr) help += std::string(" (") + setting.variable + ")";
    if (setting.name == "tls") {
      option = command.add_flag_function(
          setting.flag, [this](int64_t) { values_["tls"] = "true"; }, help);
    } else {
      option = command.add_option(setting.flag, values_[setting.name], help);
    }
    option->group(kGroup);
  }
}

StatusOr<Settings> ConnectionFlags::Given() const {
  Settings given;
  for (const ConnectionSetting& setting : kConnectionSettings) {
    if (options_.at(setting.name)->count() == 0) continue;
    std::string value = values_.at(setting.name);
    if (value.empty()) return InvalidArgument("{}: is empty", setting.flag);
    if (setting.is_file) value = std::filesystem::absolute(value).string();
    given[std::string(setting.name)] = value;
  }
  if (given.contains("key") && given.contains("key_file")) return InvalidArgument("give --key or --key-file, not both");
  RETURN_IF_ERROR(CheckSettings(given));
  return given;
}

Status CheckSettings(const Settings& settings) {
  for (const auto& [name, value] : settings) {
    if (name == "address") RETURN_IF_ERROR(CheckAddress(value));
    if (name == "key") RETURN_IF_ERROR(CheckKey(value));
    if (!IsUtf8(value)) return InvalidArgument("{}: is not UTF-8", name);
  }
  return absl::OkStatus();
}

RemoteFlags::RemoteFlags(CLI::App& command) : given_(command) {
  command.add_option("--context", context_, "The context to use in place of the selected one (CARILLON_CONTEXT)")
      ->envname("CARILLON_CONTEXT")
      ->group(kGroup);
  command.add_option("--timeout", timeout_, "How long a call may take, default 5s")->group(kGroup);
}

StatusOr<Connection> RemoteFlags::Resolve() const {
  Connection connection;
  auto timeout = server::ParseDuration(timeout_);
  constexpr std::chrono::hours kLongest{24};
  if (!timeout.has_value() || timeout->count() == 0 || *timeout > kLongest) {
    return InvalidArgument("--timeout: \"{}\" is no duration such as 500ms, 5s or 2m, at most 24h", timeout_);
  }
  connection.timeout = *timeout;

  ASSIGN_OR_RETURN(Settings settings, given_.Given());
  // A key and a file of a key are two ways to say one thing: the nearer source says it.
  auto add = [&settings](Settings more) {
    if (settings.contains("key") || settings.contains("key_file")) {
      more.erase("key");
      more.erase("key_file");
    }
    settings.merge(more);
  };
  add(FromEnvironment());
  ASSIGN_OR_RETURN(Settings context, FromContext(context_, settings));
  add(context);
  settings.emplace("address", kDefaultAddress);
  RETURN_IF_ERROR(CheckSettings(settings));

  auto value = [&settings](const char* name) { return settings.contains(name) ? settings.at(name) : std::string(); };
  connection.address = value("address");
  connection.app = value("app");
  connection.ca = value("ca");
  connection.cert = value("cert");
  connection.cert_key = value("cert_key");
  connection.tls = value("tls") == "true" || !connection.ca.empty() || !connection.cert.empty();
  if (connection.cert.empty() != connection.cert_key.empty())
    return InvalidArgument("--cert and --cert-key go together");
  connection.key = value("key");
  if (connection.key.empty() && settings.contains("key_file")) {
    ASSIGN_OR_RETURN(connection.key, ReadKey("the API key", settings.at("key_file")));
  }
  return connection;
}

StatusOr<std::string> ReadKey(const std::string& what, const std::string& name) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(what, name));
  std::string key = Trimmed(text);
  if (key.empty()) {
    return WithAdvice(InvalidArgument("{}: the file {} holds none", what, name), "see what it holds");
  }
  RETURN_IF_ERROR(CheckKey(key));
  return key;
}

}  // namespace carillon::cli
