#pragma once

#include <cstdint>
#include <string>

#include "gateway/base/status.h"
#include "tools/cli/interrupt.h"

namespace carillon::cli {

// Standard input by lines, at any speed: it can be asked whether a line is there already, and an interrupt ends it.
class LineReader {
 public:
  // What is more than `max_bytes` of a line is thrown away: see Line.too_long.
  LineReader(const Interrupt& interrupt, size_t max_bytes) : interrupt_(interrupt), max_bytes_(max_bytes) {}

  struct Line {
    uint64_t number = 0;  // from 1; 0: there are no more
    std::string text;     // without its end
    bool too_long = false;
  };

  // Waits for the next line. The last one needs no line end.
  Line Next();

  // Why there are no more lines, where that is an error.
  const Status& failure() const { return failure_; }

  // Whether Next would not wait.
  bool ready() const { return over_ || buffer_.find('\n', at_) != std::string::npos; }

 private:
  bool Read();
  Line Take(size_t end, size_t next);

  const Interrupt& interrupt_;
  const size_t max_bytes_;
  std::string buffer_;
  size_t at_ = 0;
  uint64_t number_ = 0;
  bool cut_ = false;  // the line that is being read was too long
  bool over_ = false;
  Status failure_;
};

}  // namespace carillon::cli
