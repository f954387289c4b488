#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "carillon/v1/config.pb.h"
#include "gateway/base/status.h"

// Single settings: text to value, as the schema says. Pure.
namespace carillon::server {

// 500ms, 54s, 2m, 1h; 0 alone is allowed.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);

// 512, 64KiB, 1MiB, 4GiB.
std::optional<uint64_t> ParseSize(std::string_view text);

inline std::chrono::milliseconds ToMilliseconds(const google::protobuf::Duration& duration) {
  return std::chrono::milliseconds(duration.seconds() * 1000 + duration.nanos() / 1'000'000);
}

// True for fields that hold one value: numbers, texts, enums and durations.
bool IsScalar(const google::protobuf::FieldDescriptor& field);

// The loader's notes on a field.
const v1::Setting& SettingOf(const google::protobuf::FieldDescriptor& field);

// Sets the field, or adds to it where it is repeated. The error says what would have been right.
Status SetScalar(google::protobuf::Message& message, const google::protobuf::FieldDescriptor& field,
                 const std::string& text);

// Sets every scalar of the message, and of the single messages within it, to its default.
void SetDefaults(google::protobuf::Message& message);

// An enum value as YAML writes it: DIALECT_KIND_NATIVE is "native".
std::string EnumText(const google::protobuf::EnumValueDescriptor& value);

// Every setting that has one value in the whole configuration, by its path ("edge.listen"). Lists have one as well
// ("edge.allowed_origins"); what is inside lists of messages has none.
void ForEachSetting(
    const std::function<void(const std::string& path, const google::protobuf::FieldDescriptor& field)>& visit);

// edge.max_connections is CARILLON_EDGE_MAX_CONNECTIONS and --edge.max-connections.
std::string EnvironmentName(std::string_view path);
std::string FlagName(std::string_view path);

// The name among `names` that `word` was probably meant to be; "" where none is near.
std::string NearestName(std::string_view word, const std::vector<std::string>& names);

}  // namespace carillon::server
