#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "control/control_service.h"

namespace carillon::control {

// Files, as PEM; see config.proto's ControlTls.
struct ControlTlsFiles {
  std::string certificate;  // empty: no TLS
  std::string key;
  std::string client_authorities;  // empty: callers need no certificate
};

struct ControlOptions {
  std::string listen;
  bool reflection = true;
  size_t max_publish_bytes = 512 << 10;
  auth::ApiKeys keys;
  ControlTlsFiles tls;
  std::string version;
};

// The gRPC server of the control plane: ControlService, health and reflection.
// Owned by: server::Application. Thread: the main one; gRPC brings its own for the calls.
class ControlServer {
 public:
  // What it is given must outlive it; the apps may be exchanged meanwhile.
  ControlServer(ControlOptions options, hub::Node& node, const auth::LiveApps& apps, Operations& operations);
  ~ControlServer();

  Status Start();

  // "127.0.0.1:7311", with the port that was taken.
  const std::string& address() const;

  // From the next call on, the next request of a PublishStream, and for a Watch at once. After the apps. Any thread.
  void SetKeys(auth::ApiKeys keys);

  // What health says from here on. Calls are taken all the same.
  void SetServing(bool serving);
  // New calls and items get UNAVAILABLE from here on.
  void Stop();
  // Stops, and ends. Running calls get that long, and are cut then. False where gRPC cannot end, because somebody's
  // connection takes nothing any more; nothing is answered then either, but the destructor waits until it breaks.
  bool Shutdown(std::chrono::milliseconds patience);

  // How far groups of consumers have come; after Shutdown.
  std::vector<engine::GroupPlace> Places() const;

  void Collect(MetricsWriter& writer) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace carillon::control
