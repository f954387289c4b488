#include "tools/cli/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace carillon::cli {

LineReader::Line LineReader::Next() {
  while (!interrupt_.raised()) {
    size_t end = buffer_.find('\n', at_);
    if (end != std::string::npos) return Take(end, end + 1);
    buffer_.erase(0, at_);
    at_ = 0;
    if (buffer_.size() > max_bytes_) {
      buffer_.clear();
      cut_ = true;
    }
    if (over_ || !Read()) {
      over_ = true;
      bool rest = !buffer_.empty() || cut_;
      return rest ? Take(buffer_.size(), buffer_.size()) : Line();
    }
  }
  return Line();
}

bool LineReader::Read() {
  pollfd either[2] = {{STDIN_FILENO, POLLIN, 0}, {interrupt_.descriptor(), POLLIN, 0}};
  ::poll(either, 2, -1);
  if (interrupt_.raised()) return false;
  char bytes[1 << 16];
  ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
  if (got > 0) buffer_.append(bytes, static_cast<size_t>(got));
  if (got < 0) failure_ = InvalidArgument("standard input cannot be read: {}", std::generic_category().message(errno));
  return got > 0;
}

LineReader::Line LineReader::Take(size_t end, size_t next) {
  Line line{++number_, buffer_.substr(at_, end - at_), cut_};
  if (line.text.ends_with('\r')) line.text.pop_back();
  line.too_long = cut_ || line.text.size() > max_bytes_;
  at_ = next;
  cut_ = false;
  return line;
}

}  // namespace carillon::cli
