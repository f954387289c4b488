#pragma once

#include <google/protobuf/message.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "gateway/base/status.h"

// Arguments of a command that are fields of a request.
namespace carillon::cli {

struct Field {
  const char* option;  // as CLI11 has it: "--user", or "stream" for a word without a flag
  const char* path;    // of the request: "options.ttl"
  const char* help;
  bool required = false;
};

// Sets the field, or adds to it where it is repeated: also maps (key=value), times (RFC 3339) and positions
// (EPOCH:OFFSET); of bytes, the text is the name of a file that holds them. The error says what would have been right.
Status SetField(google::protobuf::Message& request, const std::string& path, const std::string& text);

// The options of one command that fill its request.
class FieldFlags {
 public:
  FieldFlags(CLI::App& command, const google::protobuf::Descriptor& request, std::vector<Field> fields);
  FieldFlags(const FieldFlags&) = delete;  // the command line holds on to it
  FieldFlags& operator=(const FieldFlags&) = delete;

  // INVALID_ARGUMENT names the option. Of a target, of which there must be one, also where there are none or two.
  Status Fill(google::protobuf::Message& request) const;

 private:
  const std::vector<Field> fields_;
  std::vector<CLI::Option*> options_;
};

}  // namespace carillon::cli
