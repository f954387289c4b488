#include "gateway/schema/json_tree.h"

#include <boost/json/basic_parser_impl.hpp>

#include "gateway/base/check.h"
#include "gateway/wire/json_check.h"

namespace carillon::schema {
namespace {

namespace json = boost::json;

// Makes the tree of what is known to be JSON. boost::json::value would do, but for its numbers: those of Boost 1.81 may
// be off by their last bit.
struct Builder {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  using Error = json::error_code;
  using Text = json::string_view;
  using Kind = JsonNode::Kind;

  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }
  bool on_object_begin(Error&) { return Open(Kind::kObject); }
  bool on_object_end(std::size_t, Error&) { return Close(); }
  bool on_array_begin(Error&) { return Open(Kind::kArray); }
  bool on_array_end(std::size_t, Error&) { return Close(); }
  bool on_key_part(Text part, std::size_t, Error&) { return Append(part); }
  bool on_key(Text part, std::size_t, Error&) {
    Append(part);
    open.back().names.push_back(std::exchange(text, {}));
    return true;
  }
  bool on_string_part(Text part, std::size_t, Error&) { return Append(part); }
  bool on_string(Text part, std::size_t, Error&) { return AddText(Kind::kString, part); }
  bool on_number_part(Text part, Error&) { return Append(part); }
  bool on_int64(int64_t, Text part, Error&) { return AddText(Kind::kNumber, part); }
  bool on_uint64(uint64_t, Text part, Error&) { return AddText(Kind::kNumber, part); }
  bool on_double(double, Text part, Error&) { return AddText(Kind::kNumber, part); }
  bool on_bool(bool truth, Error&) {
    Add({.kind = Kind::kBool, .truth = truth});
    return true;
  }
  bool on_null(Error&) {
    Add({});
    return true;
  }
  bool on_comment_part(Text, Error&) { return true; }
  bool on_comment(Text, Error&) { return true; }

  bool Append(Text part) {
    text.append(part.data(), part.size());
    return true;
  }
  bool AddText(Kind kind, Text part) {
    Append(part);
    Add({.kind = kind, .text = std::exchange(text, {})});
    return true;
  }
  bool Open(Kind kind) {
    open.push_back({.kind = kind});
    return true;
  }
  bool Close() {
    JsonNode done = std::move(open.back());
    open.pop_back();
    Add(std::move(done));
    return true;
  }
  void Add(JsonNode node) {
    if (open.empty()) {
      root = std::move(node);
    } else {
      open.back().entries.push_back(std::move(node));
    }
  }

  JsonNode root;
  std::vector<JsonNode> open;
  std::string text;
};

}  // namespace

StatusOr<JsonNode> ReadJson(std::string_view text) {
  RETURN_IF_ERROR(wire::CheckUniqueMembers(text));
  json::parse_options options;
  options.max_depth = wire::kMaxJsonDepth;
  json::basic_parser<Builder> parser(options);
  json::error_code error;
  parser.write_some(false, text.data(), text.size(), error);
  CARILLON_CHECK(!error);
  return std::move(parser.handler().root);
}

}  // namespace carillon::schema
