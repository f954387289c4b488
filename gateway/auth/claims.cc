#include "gateway/auth/claims.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "gateway/wire/json_check.h"
#include "gateway/wire/topic.h"

namespace carillon::auth {
namespace {

namespace json = boost::json;

constexpr size_t kMaxListEntries = 100;
constexpr size_t kMaxTextBytes = 256;

// Every member's goes to everybody in a stream.
constexpr size_t kMaxInfoBytes = 1024;

// By the name as it stands, else by the path.
const json::value* Find(const json::object& claims, std::string_view name) {
  if (const json::value* value = claims.if_contains({name.data(), name.size()})) return value;
  size_t dot = name.find('.');
  if (dot == std::string_view::npos) return nullptr;
  const json::value* outer = claims.if_contains({name.data(), dot});
  const json::object* object = outer == nullptr ? nullptr : outer->if_object();
  return object == nullptr ? nullptr : Find(*object, name.substr(dot + 1));
}

// Texts, and whole numbers, which many account tables have.
std::optional<std::string> TextOf(const json::value* value) {
  if (value == nullptr) return std::nullopt;
  if (const json::string* text = value->if_string()) return std::string(text->data(), text->size());
  if (value->is_int64()) return fmt::format("{}", value->get_int64());
  if (value->is_uint64()) return fmt::format("{}", value->get_uint64());
  return std::nullopt;
}

Status AddLabels(const json::object& claims, const ClaimRules& rules, std::map<std::string, std::string>* labels) {
  Status bad = absl::UnauthenticatedError("the token's \"labels\" is not an object of at most 100 short strings");
  if (const json::value* value = claims.if_contains("labels"); value != nullptr && !value->is_null()) {
    const json::object* object = value->if_object();
    if (object == nullptr || object->size() > kMaxListEntries) return bad;
    for (const auto& [key, entry] : *object) {
      const json::string* text = entry.if_string();
      if (text == nullptr || text->size() > kMaxTextBytes || key.size() > kMaxTextBytes) return bad;
      labels->emplace(key, std::string(*text));
    }
  }
  for (const auto& [label, claim] : rules.labels) {
    const json::value* value = Find(claims, claim);
    if (value == nullptr || value->is_null()) continue;
    std::optional<std::string> text = TextOf(value);
    if (value->is_bool()) text = value->get_bool() ? "true" : "false";
    if (!text.has_value() || text->size() > kMaxTextBytes) {
      return absl::UnauthenticatedError(fmt::format("the token's \"{}\" is not a short text", claim));
    }
    labels->insert_or_assign(label, *std::move(text));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::vector<std::string>> ListClaim(const json::object& claims, const std::string& name) {
  std::vector<std::string> list;
  const json::value* value = Find(claims, name);
  if (value == nullptr || value->is_null()) return list;
  auto add = [&](const json::value& entry) {
    const json::string* text = entry.if_string();
    if (text == nullptr || text->size() > kMaxTextBytes || list.size() >= kMaxListEntries) return false;
    list.emplace_back(text->data(), text->size());
    return true;
  };
  bool good = true;
  if (const json::array* entries = value->if_array()) {
    for (const json::value& entry : *entries) good = good && add(entry);
  } else {
    good = add(*value);
  }
  if (!good) {
    return absl::UnauthenticatedError(
        fmt::format("the token's \"{}\" is not a list of at most {} strings", name, kMaxListEntries));
  }
  return list;
}

StatusOr<Identity> IdentityOf(const json::object& claims, const ClaimRules& rules) {
  Identity identity;
  identity.user_id = TextOf(Find(claims, rules.user)).value_or("");
  if (Status status = wire::CheckUserId(identity.user_id); !status.ok()) {
    return absl::UnauthenticatedError(fmt::format("the token's \"{}\" is missing or not a user id", rules.user));
  }
  identity.name = TextOf(Find(claims, rules.name)).value_or("").substr(0, kMaxTextBytes);
  if (const json::value* info = rules.info.empty() ? nullptr : Find(claims, rules.info); info != nullptr) {
    identity.info = json::serialize(*info);
    if (identity.info.size() > kMaxInfoBytes || !wire::CheckJson(identity.info).ok()) {
      return absl::UnauthenticatedError(fmt::format(
          "the token's \"{}\" has more than {} bytes, or a number that is too large", rules.info, kMaxInfoBytes));
    }
  }
  ASSIGN_OR_RETURN(identity.roles, ListClaim(claims, rules.roles));
  ASSIGN_OR_RETURN(identity.streams, ListClaim(claims, rules.streams));
  if (const json::value* only = rules.stream.empty() ? nullptr : Find(claims, rules.stream); only != nullptr) {
    const json::string* name = only->if_string();
    if (name == nullptr || !wire::CheckStreamName({name->data(), name->size()}).ok()) {
      return absl::UnauthenticatedError(fmt::format("the token's \"{}\" is not the name of a stream", rules.stream));
    }
    identity.only_stream.assign(name->data(), name->size());
    if (rules.fold_names) wire::FoldName(&identity.only_stream);
  }
  RETURN_IF_ERROR(AddLabels(claims, rules, &identity.labels));
  if (rules.fold_names) {
    for (std::string& stream : identity.streams) wire::FoldName(&stream);
  }
  for (const std::string& pattern : rules.subscribe) {
    auto stream = Expand(pattern, identity);
    // Ann and ann are two users: neither gets what is the other's as well.
    if (stream.has_value() && rules.fold_names && wire::HasCapitals(*stream)) continue;
    if (stream.has_value()) identity.streams.push_back(*std::move(stream));
  }
  return identity;
}

}  // namespace carillon::auth
