#include "gateway/wire/json_check.h"

#include <boost/json/basic_parser_impl.hpp>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"

namespace carillon::wire {
namespace {

namespace json = boost::json;

// Accepts every event and keeps none.
struct Nothing {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  using Error = json::error_code;
  using Text = json::string_view;
  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }
  bool on_object_begin(Error&) { return true; }
  bool on_object_end(std::size_t, Error&) { return true; }
  bool on_array_begin(Error&) { return true; }
  bool on_array_end(std::size_t, Error&) { return true; }
  bool on_key_part(Text, std::size_t, Error&) { return true; }
  bool on_key(Text, std::size_t, Error&) { return true; }
  bool on_string_part(Text, std::size_t, Error&) { return true; }
  bool on_string(Text, std::size_t, Error&) { return true; }
  bool on_number_part(Text, Error&) { return true; }
  bool on_int64(int64_t, Text, Error&) { return true; }
  bool on_uint64(uint64_t, Text, Error&) { return true; }
  bool on_double(double, Text, Error&) { return true; }
  bool on_bool(bool, Error&) { return true; }
  bool on_null(Error&) { return true; }
  bool on_comment_part(Text, Error&) { return true; }
  bool on_comment(Text, Error&) { return true; }
};

// Remembers the names in the objects that are open.
struct Members : Nothing {
  bool on_object_begin(Error&) {
    open.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t, Error&) {
    open.pop_back();
    return true;
  }
  bool on_key_part(Text part, std::size_t, Error&) {
    name.append(part.data(), part.size());
    return true;
  }
  bool on_key(Text part, std::size_t, Error&) {
    name.append(part.data(), part.size());
    twice = twice || !open.back().insert(std::move(name)).second;
    name.clear();
    return true;
  }

  std::vector<absl::flat_hash_set<std::string>> open;
  std::string name;
  bool twice = false;
};

template <class Handler>
Status Check(std::string_view text, json::basic_parser<Handler>& parser) {
  json::error_code error;
  size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (!error && used < text.size()) {
    return InvalidArgument("not one JSON value: more text follows at byte {}", used);
  }
  if (error) return InvalidArgument("not JSON at byte {}: {}", used, error.message());
  return absl::OkStatus();
}

json::parse_options Options() {
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  return options;
}

}  // namespace

Status CheckJson(std::string_view text) {
  json::basic_parser<Nothing> parser(Options());
  return Check(text, parser);
}

Status CheckUniqueMembers(std::string_view text) {
  json::basic_parser<Members> parser(Options());
  RETURN_IF_ERROR(Check(text, parser));
  if (parser.handler().twice) return InvalidArgument("an object names a member twice");
  return absl::OkStatus();
}

}  // namespace carillon::wire
