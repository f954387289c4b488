#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// HTTP as the edge reads it: strictly. Beast 1.81's parser is lax where request smuggling begins (two Host headers,
// folded lines), so the text is checked here as well. Pure; any thread.
namespace carillon::edge {

inline constexpr size_t kMaxRequestLineBytes = 8 << 10;
inline constexpr size_t kMaxHeaderBytes = 8 << 10;
inline constexpr size_t kMaxHeaderFields = 100;

// A refusal: the status and what the JSON body says of it. `reason` is of a fixed set, for metrics and logs.
struct HttpError {
  int status = 400;  // 0: there is no answer
  std::string_view reason;
  std::string message;
  std::string setting;  // the configuration setting that decided, or ""
  std::vector<std::pair<std::string, std::string>> headers;
};

// A request's head, checked: one Host, no body, nothing that two readers could read in two ways.
struct HttpRequest {
  std::string method;
  bool http_1_1 = true;                                      // else 1.0
  std::string path;                                          // decoded
  std::vector<std::pair<std::string, std::string>> query;    // decoded, in order
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case

  // The header's value, or "". Headers that matter are there at most once.
  std::string_view Header(std::string_view lower_case_name) const;
  // Whether a comma-separated header holds the token, in any case.
  bool HeaderHasToken(std::string_view lower_case_name, std::string_view lower_case_token) const;
};

// More bytes are needed.
struct Incomplete {};

// A whole head; `size` is how many bytes it took.
struct ParsedHead {
  HttpRequest request;
  size_t size;
};

using HeadResult = std::variant<Incomplete, ParsedHead, HttpError>;

// Judges what has come so far. Errors are found as early as they can be: garbage does not get to wait for a time-out.
HeadResult ParseHead(std::string_view bytes);

// A whole response, with Connection: close. Content type "" means none.
std::string MakeResponse(int status, std::string_view content_type, std::string_view body,
                         const std::vector<std::pair<std::string, std::string>>& headers = {}, bool with_body = true);

// The response to a refusal: {"error":{"code":…,"message":…,"setting":…}}.
std::string MakeErrorResponse(const HttpError& error, bool with_body = true);

}  // namespace carillon::edge
