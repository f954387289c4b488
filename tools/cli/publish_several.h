#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "carillon/v1/control.pb.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/output.h"
#include "tools/cli/payload_template.h"
#include "tools/cli/remote.h"

// Publishing several messages, from wherever they come.
namespace carillon::cli {

// A message as it comes from where messages come from.
struct Draft {
  uint64_t number = 0;  // from 1: its line, or the how manieth it is
  std::optional<std::string> json;
  Status bad;  // why it cannot be sent
};

// Where messages come from.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::optional<Draft> Next() = 0;
  virtual bool ready() const = 0;  // Next would not wait
  // Why there is no next one, where that is an error.
  virtual Status failure() const { return absl::OkStatus(); }
};

// The same payload so many times, with its templates filled. Without one: messages without a payload.
std::unique_ptr<Source> RepeatedMessage(std::optional<PayloadTemplate> payload, uint64_t count);

// The lines of standard input, until it ends or the interrupt comes. Blank ones are nothing.
std::unique_ptr<Source> LinesOfInput(const Interrupt& interrupt);

struct SeveralMessages {
  Source& source;
  bool lines;   // they are lines of standard input; said where one is refused
  double rate;  // messages a second; 0: as fast as the gateway takes them
  std::function<v1::PublishItem(const std::optional<std::string>& json)> addressed;
};

// Says what is refused, and on a terminal how it goes; prints the sum at the end. Not OK where not all is published.
Status PublishSeveral(const Remote& remote, const SeveralMessages& messages, const Interrupt& interrupt, Format format);

}  // namespace carillon::cli
