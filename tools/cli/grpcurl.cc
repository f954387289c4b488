#include "tools/cli/grpcurl.h"

#include <google/protobuf/util/json_util.h>

#include "tools/cli/remote.h"

namespace carillon::cli {
namespace {

// One word for a POSIX shell.
std::string Quoted(const std::string& word) {
  constexpr char kPlain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

std::string GrpcurlLine(const Connection& connection, const google::protobuf::Message& request) {
  std::string line = "grpcurl";
  if (!connection.tls) line += " -plaintext";
  if (!connection.ca.empty()) line += " -cacert " + Quoted(connection.ca);
  if (!connection.cert.empty()) line += " -cert " + Quoted(connection.cert) + " -key " + Quoted(connection.cert_key);
  if (!connection.key.empty()) line += " -H \"authorization: Bearer $KEY\"";
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  (void)google::protobuf::util::MessageToJsonString(request, &text, options);
  const google::protobuf::MethodDescriptor& method = MethodOf(*request.GetDescriptor());
  line += " -d " + Quoted(text) + " " + Quoted(connection.address);
  return line + " " + method.service()->full_name() + "/" + method.name();
}

}  // namespace carillon::cli
