#include "gateway/server/config_loader.h"

#include <yaml-cpp/yaml.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "gateway/server/config_rules.h"
#include "gateway/server/config_values.h"
#include "gateway/server/hook_rules.h"
#include "gateway/server/schema_files.h"
#include "gateway/server/tls_files.h"
#include "gateway/server/token_rules.h"
#include "gateway/wire/topic.h"

extern char** environ;

namespace carillon::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Configurations and secrets are small; what has no end (a device) must not be read to it.
constexpr size_t kMaxFileBytes = 1 << 20;

// Nothing where it cannot be read; errno says why.
std::optional<std::string> ReadFile(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {  // which opens well, and then reads as nothing
    errno = EISDIR;
    return std::nullopt;
  }
  std::ifstream in(path);
  if (!in) return std::nullopt;
  std::string text(kMaxFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return std::nullopt;
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kMaxFileBytes) {
    errno = EFBIG;
    return std::nullopt;
  }
  return text;
}

// Of keys, in all apps: each has a thread.
constexpr size_t kMaxAddresses = 64;

class Loader {
 public:
  explicit Loader(const ConfigSources& sources) : sources_(sources) { SetDefaults(loaded_.config); }

  StatusOr<LoadedConfig> Load() {
    if (!sources_.file_name.empty()) LoadFile();
    LoadEnvironment();
    for (const auto& [path, text] : sources_.flags) {
      SetByPath(path, text, FlagName(path));
    }
    if (!readable_) return InvalidArgument("{}", fmt::join(problems_, "\n"));  // the rest would be guesswork
    auto problem = [this](const std::string& path, const std::string& message) {
      problems_.push_back(fmt::format("{}{}: {}", PlaceOf(path), path, message));
    };
    if (sources_.to_serve) CheckRules(loaded_.config, problem);
    if (sources_.to_serve) {
      loaded_.tls = TlsOf(loaded_.config.edge().tls(), problem, &loaded_.warnings);
      CheckControlTls(loaded_.config.control().tls(), problem, &loaded_.warnings);
    }
    loaded_.backends = BackendsOf(loaded_.config, problem);
    LoadSchemas(problem);
    loaded_.tokens = TokenRulesOf(loaded_.config.auth(), problem);
    loaded_.tokens.claims.fold_names = loaded_.config.fold_names();
    for (int i = 0; i < loaded_.config.apps_size(); ++i) {
      loaded_.app_tokens.push_back(TokenRulesOf(loaded_.config.apps(i).auth(),
                                                [&problem, i](const std::string& path, const std::string& message) {
                                                  problem(fmt::format("apps[{}].{}", i, path), message);
                                                }));
      loaded_.app_tokens.back().claims.fold_names = loaded_.config.apps(i).fold_names();
    }
    size_t addresses = loaded_.tokens.fetched.size();
    for (const auth::TokenRules& rules : loaded_.app_tokens) addresses += rules.fetched.size();
    if (addresses > kMaxAddresses) {
      problem("apps", fmt::format("{} addresses of keys (jwks_url) in all, and at most {}", addresses, kMaxAddresses));
    }
    if (!problems_.empty()) return InvalidArgument("{}", fmt::join(problems_, "\n"));
    return std::move(loaded_);
  }

 private:
  // Who does not serve has no use for the files.
  void LoadSchemas(const std::function<void(const std::string&, const std::string&)>& problem) {
    const v1::Config& config = loaded_.config;
    loaded_.app_schemas.resize(static_cast<size_t>(config.apps_size()));
    if (!sources_.to_serve) return;
    loaded_.schemas = SchemasOf(config.schemas(), config.limits(), config.fold_names(), problem);
    for (int i = 0; i < config.apps_size(); ++i) {
      loaded_.app_schemas[static_cast<size_t>(i)] =
          SchemasOf(config.apps(i).schemas(), config.limits(), config.apps(i).fold_names(),
                    [&problem, i](const std::string& path, const std::string& message) {
                      problem(fmt::format("apps[{}].{}", i, path), message);
                    });
    }
  }

  // --- The file ---

  std::string At(const YAML::Mark& mark) const {
    return fmt::format("{}:{}:{}", sources_.file_name, mark.line + 1, mark.column + 1);
  }

  void Problem(const YAML::Mark& mark, const std::string& path, std::string_view message) {
    problems_.push_back(path.empty() ? fmt::format("{}: {}", At(mark), message)
                                     : fmt::format("{}: {}: {}", At(mark), path, message));
  }

  void LoadFile() {
    try {
      YAML::Node root = YAML::Load(sources_.file_text);
      CheckOneDocument();
      if (root.IsNull()) return;
      LoadMessage(root, "", loaded_.config);
    } catch (const YAML::Exception& error) {
      readable_ = false;
      Problem(error.mark, "", error.msg);
    }
  }

  // YAML::Load reads the first document and says nothing of others; YAML::LoadAll (yaml-cpp 0.7) may run for ever. A
  // line that begins with "---" begins a document wherever it stands.
  void CheckOneDocument() {
    std::istringstream lines(sources_.file_text);
    bool begun = false;
    std::string line;
    for (int number = 0; std::getline(lines, line); ++number) {
      bool marker = line.starts_with("---") && (line.size() == 3 || std::isspace(static_cast<unsigned char>(line[3])));
      if (marker && begun) {
        YAML::Mark mark;
        mark.line = number;
        return Problem(mark, "", "a second document begins; only the first is read");
      }
      size_t first = line.find_first_not_of(" \t\r");
      begun = begun || marker || (first != std::string::npos && line[first] != '#' && line[first] != '%');
    }
  }

  void LoadMessage(const YAML::Node& node, const std::string& path, Message& message) {
    if (node.IsNull()) return;  // "edge:" with nothing below it
    if (!node.IsMap()) return Problem(node.Mark(), path, "must be a group of settings (key: value)");
    const Descriptor& type = *message.GetDescriptor();
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        Problem(entry.first.Mark(), path, "a key must be a word");
        continue;
      }
      const std::string& key = entry.first.Scalar();
      std::string where = path.empty() ? key : fmt::format("{}.{}", path, key);
      const FieldDescriptor* field = type.FindFieldByName(key);
      if (field == nullptr) {
        Problem(entry.first.Mark(), where, Unknown(key, type));
      } else if (!seen.insert(key).second) {
        Problem(entry.first.Mark(), where, "is there twice");
      } else {
        places_[where] = At(entry.second.Mark()) + ": ";
        LoadField(entry.second, where, *field, message);
      }
    }
  }

  static std::string Unknown(const std::string& key, const Descriptor& type) {
    std::vector<std::string> names;
    names.reserve(static_cast<size_t>(type.field_count()));
    for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
    std::string nearest = NearestName(key, names);
    return nearest.empty() ? fmt::format("unknown setting; known here: {}", fmt::join(names, ", "))
                           : fmt::format("unknown setting; did you mean {}?", nearest);
  }

  void LoadField(const YAML::Node& node, const std::string& path, const FieldDescriptor& field, Message& message) {
    const auto& reflection = *message.GetReflection();
    if (!field.is_repeated()) {
      if (!IsScalar(field)) return LoadMessage(node, path, *reflection.MutableMessage(&message, &field));
      return LoadScalar(node, path, field, message);
    }
    if (node.IsNull()) return;
    if (!node.IsSequence()) return Problem(node.Mark(), path, "must be a list (- entry, or [entry, entry])");
    reflection.ClearField(&message, &field);
    size_t index = 0;
    for (const auto& entry : node) {
      std::string where = fmt::format("{}[{}]", path, index++);
      places_[where] = At(entry.Mark()) + ": ";
      if (IsScalar(field)) {
        LoadScalar(entry, where, field, message);
      } else {
        Message& added = *reflection.AddMessage(&message, &field);
        SetDefaults(added);
        LoadMessage(entry, where, added);
      }
    }
  }

  void LoadScalar(const YAML::Node& node, const std::string& path, const FieldDescriptor& field, Message& message) {
    if (!node.IsScalar()) return Problem(node.Mark(), path, "must be one value");
    Status status = SetScalar(message, field, node.Scalar());
    if (!status.ok()) Problem(node.Mark(), path, Shown(field, status));
  }

  // Errors repeat what they refuse, but never a secret.
  static std::string Shown(const FieldDescriptor& field, const Status& status) {
    return SettingOf(field).secret() ? "is not a valid value" : MessageOf(status);
  }

  // --- Environment and flags ---

  void LoadEnvironment() {
    std::map<std::string, std::string> left = sources_.environment;
    ForEachSetting([&](const std::string& path, const FieldDescriptor& field) {
      std::string name = EnvironmentName(path);
      auto take = [&](const std::string& variable) {
        auto it = left.find(variable);
        std::string text = it == left.end() ? "" : it->second;
        if (it != left.end()) left.erase(it);
        return text;
      };
      std::string text = take(name);
      std::string file = SettingOf(field).secret() ? take(name + "_FILE") : "";
      if (!text.empty() && !file.empty()) {
        problems_.push_back(fmt::format("{} and {}_FILE are both set: which one?", name, name));
        return;
      }
      if (!text.empty()) SetByPath(path, text, name);
      if (!file.empty()) SetFromFile(path, file, name + "_FILE");
    });
    for (const auto& [name, text] : left) {
      if (IsKubernetes(name) || IsOfClients(name)) continue;
      loaded_.warnings.push_back(fmt::format("the environment variable {} is no setting of Carillon", name));
    }
  }

  // What clients and the command line go by.
  static bool IsOfClients(std::string_view name) {
    return name == "CARILLON_ADDRESS" || name == "CARILLON_TOKEN" || name == "CARILLON_TOKEN_FILE" ||
           name == "CARILLON_CONTEXT";
  }

  // Kubernetes sets these by itself for a Service called "carillon": CARILLON_PORT=tcp://10.0.0.1:7310 and so on.
  static bool IsKubernetes(std::string_view name) {
    return name == "CARILLON_PORT" || name.starts_with("CARILLON_PORT_") || name.starts_with("CARILLON_SERVICE_");
  }

  void SetFromFile(const std::string& path, const std::string& file, const std::string& place) {
    std::string text = ReadFile(file).value_or("");
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    if (text.empty()) {
      problems_.push_back(fmt::format("{}: cannot read {}, or it is empty", place, file));
      return;
    }
    SetByPath(path, text, place);
  }

  void SetByPath(const std::string& path, const std::string& text, const std::string& place) {
    Message* message = &loaded_.config;
    const FieldDescriptor* field = nullptr;
    for (size_t at = 0; at <= path.size();) {
      size_t dot = std::min(path.find('.', at), path.size());
      if (field != nullptr) message = message->GetReflection()->MutableMessage(message, field);
      field = message->GetDescriptor()->FindFieldByName(path.substr(at, dot - at));
      if (field == nullptr) {
        problems_.push_back(fmt::format("{}: unknown setting", place));
        return;
      }
      at = dot + 1;
    }
    places_[path] = place + ": ";
    if (!field->is_repeated()) {
      Status status = SetScalar(*message, *field, text);
      if (!status.ok()) problems_.push_back(fmt::format("{}: {}", place, Shown(*field, status)));
      return;
    }
    SetList(path, *field, text, place, *message);
  }

  // A list is written as a YAML or JSON list; a list of words also as a,b,c.
  void SetList(const std::string& path, const FieldDescriptor& field, const std::string& text, const std::string& place,
               Message& message) {
    if (IsScalar(field) && !text.starts_with('[')) {
      message.GetReflection()->ClearField(&message, &field);
      for (size_t at = 0; at < text.size();) {
        size_t comma = std::min(text.find(',', at), text.size());
        Status status = SetScalar(message, field, text.substr(at, comma - at));
        if (!status.ok()) problems_.push_back(fmt::format("{}: {}", place, Shown(field, status)));
        at = comma + 1;
      }
      return;
    }
    ConfigSources inner;
    inner.file_name = place;
    Loader nested(inner);
    try {
      YAML::Node node = YAML::Load(text);
      nested.LoadField(node, path, field, message);
    } catch (const YAML::Exception& error) {
      nested.Problem(error.mark, path, error.msg);
    }
    problems_.insert(problems_.end(), nested.problems_.begin(), nested.problems_.end());
  }

  // Where the setting, or the nearest group around it, was written.
  std::string PlaceOf(std::string path) const {
    while (!path.empty()) {
      if (auto it = places_.find(path); it != places_.end()) return it->second;
      size_t cut = path.find_last_of(".[");
      path.resize(cut == std::string::npos ? 0 : cut);
    }
    return sources_.file_name.empty() ? "" : sources_.file_name + ": ";
  }

  const ConfigSources& sources_;
  LoadedConfig loaded_;
  std::map<std::string, std::string> places_;  // path to "file:line:column: "
  std::vector<std::string> problems_;
  bool readable_ = true;  // the file is YAML
};

}  // namespace

std::optional<AppAuth> AuthOf(const LoadedConfig& loaded, const std::string& app) {
  if (app.empty() || app == wire::kDefaultAppName) return AppAuth{&loaded.config.auth(), &loaded.tokens};
  for (int i = 0; i < loaded.config.apps_size(); ++i) {
    if (loaded.config.apps(i).name() != app) continue;
    return AppAuth{&loaded.config.apps(i).auth(), &loaded.app_tokens[static_cast<size_t>(i)]};
  }
  return std::nullopt;
}

StatusOr<LoadedConfig> LoadConfig(const ConfigSources& sources) {
  return Loader(sources).Load();
}

StatusOr<ConfigSources> GatherSources(const std::string& path, std::map<std::string, std::string> flags) {
  ConfigSources sources;
  sources.flags = std::move(flags);
  if (!path.empty()) {
    auto text = ReadFile(path);
    if (!text.has_value()) return InvalidArgument("cannot read {}: {}", path, std::strerror(errno));
    sources.file_name = path;
    sources.file_text = *std::move(text);
  }
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string_view text = *entry;
    size_t equals = text.find('=');
    if (!text.starts_with("CARILLON_") || equals == std::string_view::npos) continue;
    sources.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return sources;
}

}  // namespace carillon::server
