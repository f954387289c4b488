#include "gateway/auth/key_set.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "gateway/wire/json_check.h"

namespace carillon::auth {

namespace json = boost::json;

StatusOr<KeySet> KeySet::FromJwks(std::string_view text, std::optional<Algorithm> algorithm,
                                  std::vector<std::string>* left_out) {
  if (text.size() > kMaxJwksBytes) return InvalidArgument("keys have at most {} bytes", kMaxJwksBytes);
  RETURN_IF_ERROR(wire::CheckUniqueMembers(text));
  json::value value = json::parse({text.data(), text.size()});
  const json::object* object = value.if_object();
  if (object == nullptr) return InvalidArgument("a JWK Set or a JWK is an object");
  json::array alone;
  const json::array* list = &alone;
  if (const json::value* keys = object->if_contains("keys")) {
    list = keys->if_array();
    if (list == nullptr) return InvalidArgument("\"keys\" is not a list");
  } else {
    alone.push_back(*object);
  }
  if (list->size() > kMaxKeys) return InvalidArgument("at most {} keys are taken, not {}", kMaxKeys, list->size());
  KeySet set;
  for (size_t i = 0; i < list->size(); ++i) {
    const json::object* jwk = (*list)[i].if_object();
    auto key = jwk == nullptr ? StatusOr<Key>(InvalidArgument("is not an object")) : Key::FromJwk(*jwk, algorithm);
    if (key.ok()) {
      set.Add(*std::move(key));
    } else {
      left_out->push_back(fmt::format("key {}: {}", i, MessageOf(key.status())));
    }
  }
  if (set.empty()) {
    return InvalidArgument("no key that could be used{}{}", left_out->empty() ? "" : "; ",
                           left_out->empty() ? "" : left_out->front());
  }
  return set;
}

}  // namespace carillon::auth
