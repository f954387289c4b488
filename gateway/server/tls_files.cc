#include "gateway/server/tls_files.h"

#include <fmt/chrono.h>

#include "gateway/server/token_rules.h"

namespace carillon::server {
namespace {

using Clock = std::chrono::system_clock;

// Sooner than this is too soon for comfort.
constexpr std::chrono::hours kSoon{7 * 24};

edge::TlsContextPtr Load(const std::string& at, const std::string& cert_file, const std::string& key_file,
                         edge::TlsVersion least, const TlsProblem& problem, std::vector<std::string>* warnings) {
  if (cert_file.empty() && key_file.empty()) return nullptr;
  if (cert_file.empty() || key_file.empty()) {
    problem(at + (cert_file.empty() ? ".cert_file" : ".key_file"), "is missing: a certificate and its key are needed");
    return nullptr;
  }
  auto certificates = ReadKeyFile(cert_file);
  auto key = ReadKeyFile(key_file);
  if (!certificates.ok()) problem(at + ".cert_file", MessageOf(certificates.status()));
  if (!key.ok()) problem(at + ".key_file", MessageOf(key.status()));
  if (!certificates.ok() || !key.ok()) return nullptr;
  auto made = edge::TlsContext::FromPem(*certificates, *key, least);
  if (!made.ok()) {
    problem(at + ".cert_file", fmt::format("{} and {}: {}", cert_file, key_file, MessageOf(made.status())));
    return nullptr;
  }
  auto warn = [&](std::string_view what, Clock::time_point when) {
    warnings->push_back(fmt::format("{}.cert_file: the certificate in {} {} {:%Y-%m-%d at %H:%M} UTC", at, cert_file,
                                    what, fmt::gmtime(Clock::to_time_t(when))));
  };
  const edge::CertificateFacts& facts = (*made)->facts();
  Clock::time_point now = Clock::now();
  if (facts.ends_at < now + kSoon) warn(facts.ends_at < now ? "has ended on" : "ends on", facts.ends_at);
  if (facts.begins_at > now) warn("counts only from", facts.begins_at);
  if (!facts.for_servers) {
    warnings->push_back(
        fmt::format("{}.cert_file: the certificate in {} is not for servers: clients will refuse it", at, cert_file));
  }
  return *std::move(made);
}

}  // namespace

edge::TlsContextPtr TlsOf(const v1::EdgeTls& config, const TlsProblem& problem, std::vector<std::string>* warnings) {
  auto least = config.min_version() == v1::TLS_VERSION_TLS13 ? edge::TlsVersion::k13 : edge::TlsVersion::k12;
  if (config.min_version() == v1::TLS_VERSION_TLS13 && config.cert_file().empty() && config.key_file().empty()) {
    problem("edge.tls.cert_file", "is missing: min_version alone is no TLS");
  }
  return Load("edge.tls", config.cert_file(), config.key_file(), least, problem, warnings);
}

void CheckControlTls(const v1::ControlTls& config, const TlsProblem& problem, std::vector<std::string>* warnings) {
  Load("control.tls", config.cert_file(), config.key_file(), edge::TlsVersion::k12, problem, warnings);
  if (config.client_ca_file().empty()) return;
  if (config.cert_file().empty()) problem("control.tls.client_ca_file", "is of no use without cert_file and key_file");
  auto text = ReadKeyFile(config.client_ca_file());
  if (!text.ok()) {
    problem("control.tls.client_ca_file", MessageOf(text.status()));
  } else if (Status sound = edge::CheckAuthorities(*text); !sound.ok()) {
    problem("control.tls.client_ca_file", fmt::format("{}: {}", config.client_ca_file(), MessageOf(sound)));
  }
}

}  // namespace carillon::server
