#pragma once

#include <chrono>
#include <string>

namespace carillon::test {

// A certificate and its key, as PEM.
struct Pem {
  std::string certificate;
  std::string key;
};

// One that vouches for itself.
Pem MakeCertificate(const std::string& name = "localhost", std::chrono::seconds lasts = std::chrono::hours(24));

}  // namespace carillon::test
