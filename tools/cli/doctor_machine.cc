#include <fmt/ranges.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "gateway/edge/listener.h"
#include "gateway/server/config_loader.h"
#include "tools/cli/doctor_checks.h"

namespace carillon::cli {
namespace {

using Result = Check::Result;

// A thousand browsers and what the gateway needs for itself.
constexpr rlim_t kFewFiles = 4096;

Check CheckFiles(uint32_t max_connections) {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);  // the gateway raises the soft limit to the hard one
  std::string said = limit.rlim_max == RLIM_INFINITY ? "no limit" : fmt::format("at most {}", limit.rlim_max);
  if (limit.rlim_max > max_connections && limit.rlim_max >= kFewFiles) return {"open files", Result::kGood, said, ""};
  if (max_connections > 0) said += fmt::format(", and edge.max_connections is {}", max_connections);
  return {"open files", Result::kBad, said, "raise the limit: LimitNOFILE= of the service, or ulimit -Hn"};
}

Check CheckFree(const char* room, const std::string& listen, bool answers) {
  std::string name = fmt::format("{} port", room);
  if (listen.starts_with("unix:")) return {name, Result::kNote, listen, ""};
  auto address = edge::ParseAddress(listen);
  if (!address.ok())
    return {name, Result::kBad, MessageOf(address.status()), fmt::format("write {}.listen as address:port", room)};
  boost::asio::io_context context;
  boost::asio::ip::tcp::acceptor acceptor(context);
  boost::system::error_code error;
  acceptor.open(address->protocol(), error);
  acceptor.set_option(boost::asio::socket_base::reuse_address(true), error);
  acceptor.bind(*address, error);
  if (!error) return {name, Result::kGood, listen + " is free", ""};
  if (error == boost::asio::error::address_in_use && answers) {
    return {name, Result::kNote, listen + " is taken: by the gateway that answers, it seems", ""};
  }
  return {name, Result::kBad, fmt::format("{}: {}", listen, error.message()),
          fmt::format("end who has it (ss -ltnp says who), or set {}.listen to another", room)};
}

Check CheckOrigins(const v1::EdgeConfig& edge) {
  const auto& origins = edge.allowed_origins();
  if (origins.empty())
    return {"origins", Result::kNote,
            "pages of the gateway's own host and of loopback alone may connect (edge.allowed_origins)", ""};
  bool all = std::find(origins.begin(), origins.end(), "*") != origins.end();
  if (all) return {"origins", Result::kNote, "pages of every site may connect (edge.allowed_origins holds *)", ""};
  return {"origins", Result::kGood, fmt::format("{}", fmt::join(origins, ", ")), ""};
}

}  // namespace

Checks CheckMachine(const std::string& config_file, bool answers) {
  Checks checks;
  auto sources = server::GatherSources(config_file, {});
  auto loaded = sources.ok() ? server::LoadConfig(*sources) : StatusOr<server::LoadedConfig>(sources.status());
  if (!loaded.ok()) {
    checks.push_back({"configuration", Result::kBad, MessageOf(loaded.status()),
                      "mend the file: docs/configuration.md lists all settings"});
    return checks;
  }
  checks.push_back({"configuration", Result::kGood, config_file + " is fine", ""});
  for (const std::string& warning : loaded->warnings) checks.push_back({"configuration", Result::kNote, warning, ""});
  const v1::Config& config = loaded->config;
  checks.push_back(CheckFiles(config.edge().max_connections()));
  checks.push_back(CheckFree("edge", config.edge().listen(), answers));
  checks.push_back(CheckFree("control", config.control().listen(), answers));
  checks.push_back(CheckFree("admin", config.admin().listen(), answers));
  checks.push_back(CheckOrigins(config.edge()));
  return checks;
}

}  // namespace carillon::cli
