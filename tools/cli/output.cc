#include "tools/cli/output.h"

#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tools/cli/outcome.h"

namespace carillon::cli {
namespace {

namespace json = boost::json;

constexpr char kAbsent[] = "-";

const json::value* Find(const json::object& row, std::string_view path) {
  size_t dot = path.find('.');
  const json::value* found = row.if_contains(json::string_view(path.data(), std::min(dot, path.size())));
  if (found == nullptr || dot == std::string_view::npos) return found;
  return found->is_object() ? Find(found->get_object(), path.substr(dot + 1)) : nullptr;
}

std::string Cell(const json::object& row, const Column& column) {
  const json::value* value = Find(row, column.path);
  std::string text = value == nullptr || value->is_null() ? "" : Shown(column.show(*value));
  return text.empty() ? kAbsent : text;
}

// In characters. Those that are two columns wide are taken for one: a crooked table is no harm.
size_t WidthOf(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string Padded(const std::string& text, size_t width) {
  return text + std::string(width - std::min(width, WidthOf(text)), ' ');
}

}  // namespace

OutputFlag::OutputFlag(CLI::App& command) {
  command.add_option("-o,--output", name_, "table, json or jsonl (one object a line); default table")
      ->check(CLI::IsMember({"table", "json", "jsonl"}))
      ->group("Output");
}

Format OutputFlag::format() const {
  return name_ == "json" ? Format::kJson : name_ == "jsonl" ? Format::kJsonl : Format::kTable;
}

std::string ShowPlain(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_double()) return fmt::format("{}", value.get_double());  // Boost writes 8E-3
  std::string text;
  if (value.is_array()) {
    for (const json::value& each : value.get_array()) text += (text.empty() ? "" : ", ") + ShowPlain(each);
  } else if (value.is_object()) {
    for (const auto& [name, each] : value.get_object()) {
      text += (text.empty() ? "" : " ") + std::string(name) + "=" + ShowPlain(each);
    }
  } else {
    text = json::serialize(value);
  }
  return text;
}

std::string ShowDuration(const json::value& value) {
  double seconds = std::strtod(ShowPlain(value).c_str(), nullptr);
  auto whole = static_cast<uint64_t>(seconds);
  if (whole >= 86400) return fmt::format("{}d{}h", whole / 86400, whole % 86400 / 3600);
  if (whole >= 3600) return fmt::format("{}h{}m", whole / 3600, whole % 3600 / 60);
  if (whole >= 60) return fmt::format("{}m{}s", whole / 60, whole % 60);
  return seconds >= 1 || seconds == 0 ? fmt::format("{}s", whole) : fmt::format("{:.0f}ms", seconds * 1000);
}

std::string ShowWord(const json::value& value) {
  std::string text = ShowPlain(value);
  for (std::string_view prefix : {"PRESENCE_STATUS_", "EVENT_KIND_", "DRAIN_STATE_", "HOOK_BREAKER_"}) {
    if (text.starts_with(prefix)) text.erase(0, prefix.size());
  }
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

json::object RowOf(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  (void)google::protobuf::util::MessageToJsonString(message, &text, options);  // fails for Any alone
  json::error_code error;
  json::value row = json::parse(text, error);
  return row.is_object() ? std::move(row.get_object()) : json::object();
}

Status Print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
    return absl::OkStatus();
  if (errno == EPIPE) return absl::CancelledError("nobody reads any more");
  return Failed(std::string("cannot write to standard output: ") + std::strerror(errno),
                "see where standard output goes, and whether there is room");
}

Status PrintRecord(Format format, const json::object& row, const std::vector<Column>& columns) {
  if (format != Format::kTable) return Print(json::serialize(row) + "\n");
  size_t width = 0;
  for (const Column& column : columns) width = std::max(width, WidthOf(column.heading));
  std::string text;
  for (const Column& column : columns) {
    text += Bold(Padded(column.heading, width)) + "  " + Cell(row, column) + "\n";
  }
  return Print(text);
}

bool IsTerminal(int descriptor) {
  return ::isatty(descriptor) == 1;
}

std::string Bold(const std::string& text) {
  static const bool wanted = [] {
    const char* no_color = std::getenv("NO_COLOR");
    return IsTerminal(STDOUT_FILENO) && (no_color == nullptr || *no_color == '\0');
  }();
  return wanted ? "\x1b[1m" + text + "\x1b[0m" : text;
}

Status ListPrinter::Add(const json::object& row) {
  if (format_ == Format::kJsonl) return Print(json::serialize(row) + "\n");
  if (format_ == Format::kJson) {
    Status status = Print((begun_ ? ",\n" : "[\n") + std::string(json::serialize(row)));
    begun_ = true;
    return status;
  }
  std::vector<std::string> cells;
  for (const Column& column : columns_) cells.push_back(Cell(row, column));
  waiting_.push_back(std::move(cells));
  return absl::OkStatus();
}

Status ListPrinter::Flush() {
  if (format_ != Format::kTable) return absl::OkStatus();
  std::vector<std::string> headings;
  for (Column& column : columns_) {
    size_t i = headings.size();
    headings.push_back(column.heading);
    column.width = std::max(column.width, WidthOf(column.heading));
    for (const auto& cells : waiting_) column.width = std::max(column.width, WidthOf(cells[i]));
  }
  std::string text;
  if (!begun_) text += Bold(Line(headings)) + "\n";
  begun_ = true;
  for (const auto& cells : waiting_) text += Line(cells) + "\n";
  waiting_.clear();
  return Print(text);
}

Status ListPrinter::End() {
  if (format_ == Format::kJson) return Print(begun_ ? "\n]\n" : "[]\n");
  return begun_ && waiting_.empty() ? absl::OkStatus() : Flush();
}

std::string ListPrinter::Line(const std::vector<std::string>& cells) const {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    bool last = i + 1 == cells.size();
    line += last ? cells[i] : Padded(cells[i], columns_[i].width) + "  ";
  }
  return line;
}

}  // namespace carillon::cli
