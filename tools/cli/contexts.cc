#include "tools/cli/contexts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "tools/cli/connection.h"
#include "tools/cli/outcome.h"

namespace carillon::cli {
namespace {

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Status CannotWrite(const std::string& file, int error) {
  return WithAdvice(FailedPrecondition("{}: {}", file, std::strerror(error)),
                    "see whether the folder is there and yours, or let XDG_CONFIG_HOME name another");
}

StatusOr<Contexts> Parse(const std::string& file) {
  YAML::Node root = YAML::LoadFile(file);
  Contexts contexts;
  if (root.IsNull()) return contexts;
  if (!root.IsMap() || (root["contexts"] && !root["contexts"].IsMap())) throw YAML::Exception(root.Mark(), "no map");
  if (root["selected"]) contexts.selected = root["selected"].as<std::string>();
  for (const auto& context : root["contexts"]) {
    Settings& settings = contexts.all[context.first.as<std::string>()];
    for (const auto& setting : context.second) {
      auto name = setting.first.as<std::string>();
      if (FindConnectionSetting(name) == nullptr)
        return InvalidArgument("{}: \"{}\" is no setting of a context", file, name);
      settings[name] = setting.second.as<std::string>();
    }
  }
  return contexts;
}

// Others of the machine could read the keys that are in it.
void WarnOfOthers(const std::string& file, const Contexts& contexts) {
  struct stat found = {};
  if (::stat(file.c_str(), &found) != 0 || (found.st_mode & 077) == 0) return;
  for (const auto& [name, settings] : contexts.all) {
    if (settings.contains("key")) return Say("warning: others may read " + file + ", which holds keys: chmod 600");
  }
}

}  // namespace

StatusOr<std::string> ContextsFile() {
  std::string folder = FromEnvironment("XDG_CONFIG_HOME");
  if (folder.empty()) {
    std::string home = FromEnvironment("HOME");
    if (home.empty()) {
      return WithAdvice(FailedPrecondition("there is no place for contexts: HOME is not set"),
                        "set HOME or XDG_CONFIG_HOME");
    }
    folder = home + "/.config";
  }
  return folder + "/carillon/contexts.yaml";
}

StatusOr<Contexts> ReadContexts() {
  auto file = ContextsFile();
  std::error_code ignored;
  if (!file.ok() || !std::filesystem::exists(*file, ignored)) return Contexts();
  constexpr char kAdvice[] = "repair the file, or move it away and begin anew with \"carillon context add\"";
  try {
    auto contexts = Parse(*file);
    if (!contexts.ok()) return WithAdvice(contexts.status(), kAdvice);
    WarnOfOthers(*file, *contexts);
    return contexts;
  } catch (const YAML::BadFile&) {
    return WithAdvice(InvalidArgument("{} cannot be read", *file), "see whose file it is, and its mode");
  } catch (const YAML::Exception& error) {
    // Not error.what(): it may quote a key.
    return WithAdvice(
        InvalidArgument("{}:{}:{}: is no file of contexts", *file, error.mark.line + 1, error.mark.column + 1),
        kAdvice);
  }
}

Status WriteContexts(const Contexts& contexts) {
  ASSIGN_OR_RETURN(std::string file, ContextsFile());
  YAML::Emitter text;
  text << YAML::BeginMap << YAML::Key << "selected" << YAML::Value << YAML::DoubleQuoted << contexts.selected;
  text << YAML::Key << "contexts" << YAML::Value << YAML::BeginMap;
  for (const auto& [name, settings] : contexts.all) {
    text << YAML::Key << YAML::DoubleQuoted << name << YAML::Value << YAML::BeginMap;
    for (const auto& [setting, value] : settings) {
      text << YAML::Key << setting << YAML::Value << YAML::DoubleQuoted << value;
    }
    text << YAML::EndMap;
  }
  text << YAML::EndMap << YAML::EndMap << YAML::Newline;

  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), error);
  if (error) return CannotWrite(file, error.value());
  std::string draft = file + ".XXXXXX";
  int descriptor = ::mkostemp(draft.data(), O_CLOEXEC);  // with mode 0600
  if (descriptor < 0) return CannotWrite(file, errno);
  auto size = static_cast<ssize_t>(text.size());
  bool written = ::write(descriptor, text.c_str(), text.size()) == size && ::fsync(descriptor) == 0;
  int why = errno;
  ::close(descriptor);
  if (written && ::rename(draft.c_str(), file.c_str()) == 0) return absl::OkStatus();
  if (written) why = errno;
  ::unlink(draft.c_str());
  return CannotWrite(file, why);
}

}  // namespace carillon::cli
