#pragma once

#include <google/protobuf/message.h>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"

// Results on standard output: tables for people, JSON for programs.
namespace carillon::cli {

enum class Format { kTable, kJson, kJsonl };

// -o table|json|jsonl.
class OutputFlag {
 public:
  explicit OutputFlag(CLI::App& command);
  OutputFlag(const OutputFlag&) = delete;  // the command line holds on to it
  OutputFlag& operator=(const OutputFlag&) = delete;

  Format format() const;

 private:
  std::string name_ = "table";
};

// What a cell shows of a value.
std::string ShowPlain(const boost::json::value& value);     // texts, numbers, a, b and key=value
std::string ShowDuration(const boost::json::value& value);  // 75.5s as 1m15s
std::string ShowWord(const boost::json::value& value);      // PRESENCE_STATUS_AWAY as away

struct Column {
  std::string heading;
  std::string path;  // "backlog.bytes": from object to object
  std::string (*show)(const boost::json::value&) = &ShowPlain;
  size_t width = 0;  // at least; for rows that come one by one
};

// The message as JSON, with the names of the .proto and with fields that are zero.
boost::json::object RowOf(const google::protobuf::Message& message);

// The text is flushed. CANCELLED where nobody reads any more, another where it cannot be written.
Status Print(std::string_view text);

// One thing: a table of two columns, or one object.
Status PrintRecord(Format format, const boost::json::object& row, const std::vector<Column>& columns);

bool IsTerminal(int descriptor);

// Bold, where standard output is a terminal and nobody objects (NO_COLOR, see no-color.org).
std::string Bold(const std::string& text);

// Many things: a table that grows wider where it must, a JSON array, or one object a line.
class ListPrinter {
 public:
  ListPrinter(Format format, std::vector<Column> columns) : format_(format), columns_(std::move(columns)) {}

  // Of tables, rows are shown by Flush.
  Status Add(const boost::json::object& row);
  Status Flush();
  // Once, at the end. Where a list broke off it is not called: half an array must not look like a whole one.
  Status End();

 private:
  std::string Line(const std::vector<std::string>& cells) const;

  const Format format_;
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> waiting_;
  bool begun_ = false;
};

}  // namespace carillon::cli
