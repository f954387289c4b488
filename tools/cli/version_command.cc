#include <openssl/crypto.h>

#include <google/protobuf/stubs/common.h>
#include <boost/version.hpp>
#include <cstdio>

#include "gateway/server/version.h"
#include "tools/cli/commands.h"

namespace grpc {
std::string Version();
}

namespace carillon::cli {

void AddVersion(CLI::App& app, int* exit_code) {
  CLI::App* command =
      app.add_subcommand("version", "Say which version this is, and what it was built with")->group(kDiagnose);
  command->callback([exit_code] {
    std::printf("carillon %s\nBoost %s, gRPC %s, protobuf %s, %s\n", std::string(server::kVersion).c_str(),
                BOOST_LIB_VERSION, grpc::Version().c_str(),
                google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION).c_str(),
                OpenSSL_version(OPENSSL_VERSION));
    *exit_code = 0;
  });
}

}  // namespace carillon::cli
