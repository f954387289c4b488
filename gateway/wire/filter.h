#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "carillon/v1/envelope.pb.h"

namespace carillon::wire {

// Which of a stream's messages a subscriber wants to hear. What it does not, it is told of by skip markers only.
struct Filter {
  static constexpr size_t kMaxEvents = 32;
  static constexpr size_t kMaxMeta = 16;
  static constexpr size_t kMaxBytes = 4096;  // of all its texts

  std::vector<std::string> events;          // names, or beginnings of names followed by "*"; empty: every event
  std::map<std::string, std::string> meta;  // annotations that a message must have

  // The same, whatever the subscriber wants: imposed by the stream's rule.
  std::map<std::string, std::string> imposed{};

  bool empty() const { return events.empty() && meta.empty() && imposed.empty(); }
  bool Passes(const v1::Envelope& envelope) const;

  // Of what the subscriber brought.
  size_t bytes() const;

  bool operator==(const Filter&) const = default;
};

// Shared by all streams of the command that brought it. Null: every message.
using FilterPtr = std::shared_ptr<const Filter>;

}  // namespace carillon::wire
