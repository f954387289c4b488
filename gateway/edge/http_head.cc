#include "gateway/edge/http_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/url.hpp>
#include <optional>

#include "gateway/base/json_escape.h"

namespace carillon::edge {
namespace {

namespace http = boost::beast::http;

// What two readers might read in two ways, if it came twice.
constexpr std::string_view kSingleHeaders[] = {"host",
                                               "origin",
                                               "authorization",
                                               "content-length",
                                               "transfer-encoding",
                                               "sec-websocket-key",
                                               "sec-websocket-version"};

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

HttpError Malformed(std::string message) {
  return {400, "malformed", std::move(message), "", {}};
}

// The request line, as soon as any of it is there: METHOD SP target SP HTTP/1.x (RFC 9112 section 3).
std::optional<HttpError> CheckRequestLine(std::string_view bytes) {
  size_t end = bytes.find('\n');
  std::string_view line = bytes.substr(0, end);
  if (line.size() > kMaxRequestLineBytes) {
    return HttpError{
        414, "too_large", fmt::format("the request line has more than {} bytes", kMaxRequestLineBytes), "", {}};
  }
  bool complete = end != std::string_view::npos;
  if (complete) {
    if (!line.ends_with('\r')) return Malformed("a line ends without CR");
    line.remove_suffix(1);
  } else if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  for (char c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return Malformed("control bytes in the request line");
  }
  if (!line.empty() && !(line[0] >= 'A' && line[0] <= 'Z')) return Malformed("this is not HTTP");
  if (complete && !line.ends_with(" HTTP/1.1") && !line.ends_with(" HTTP/1.0")) {
    return Malformed("only HTTP/1.1 is spoken here");
  }
  return std::nullopt;
}

// The lines after it: CRLF only, no NUL, no folding (RFC 9112 sections 2.2 and 5.2).
std::optional<HttpError> CheckHeaderLines(std::string_view head) {
  size_t fields = 0;
  for (size_t at = head.find('\n'); at != std::string_view::npos; at = head.find('\n', at + 1)) {
    if (at == 0 || head[at - 1] != '\r') return Malformed("a line ends without CR");
    if (at + 1 < head.size() && (head[at + 1] == ' ' || head[at + 1] == '\t')) return Malformed("a folded header line");
    ++fields;
  }
  if (head.find('\0') != std::string_view::npos) return Malformed("a NUL byte in the headers");
  // The request line and the empty line at the end are lines, but no fields.
  if (fields > kMaxHeaderFields + 2) {
    return HttpError{431, "too_large", fmt::format("more than {} header fields", kMaxHeaderFields), "", {}};
  }
  return std::nullopt;
}

std::optional<HttpError> CheckHeaders(const HttpRequest& request) {
  for (std::string_view name : kSingleHeaders) {
    auto count = std::count_if(request.headers.begin(), request.headers.end(),
                               [name](const auto& header) { return header.first == name; });
    if (count > 1) return HttpError{400, "dup_header", fmt::format("the header {} came {} times", name, count), "", {}};
  }
  std::string_view host = request.Header("host");
  // HTTP/1.0 knows no Host, and health checks of old balancers still speak it.
  if (host.empty() && request.http_1_1) return HttpError{400, "dup_header", "the header Host is missing", "", {}};
  if (!boost::urls::parse_authority({host.data(), host.size()}).has_value() ||
      host.find('@') != std::string_view::npos) {
    return Malformed("the header Host is malformed");
  }
  auto has = [&request](std::string_view name) {
    return std::any_of(request.headers.begin(), request.headers.end(),
                       [name](const auto& header) { return header.first == name; });
  };
  bool sized = has("content-length");
  bool coded = has("transfer-encoding");
  if (sized && coded) return HttpError{400, "smuggling", "Content-Length beside Transfer-Encoding", "", {}};
  if (coded || (sized && request.Header("content-length") != "0")) {
    return HttpError{400, "smuggling", "no request takes a body here", "", {}};
  }
  return std::nullopt;
}

bool ParseTarget(std::string_view target, HttpRequest* request) {
  auto parsed = boost::urls::parse_origin_form({target.data(), target.size()});
  if (!parsed.has_value()) return false;
  request->path = parsed->path();
  for (const auto& param : parsed->params()) request->query.emplace_back(param.key, param.has_value ? param.value : "");
  return true;
}

}  // namespace

std::string_view HttpRequest::Header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

bool HttpRequest::HeaderHasToken(std::string_view lower_case_name, std::string_view lower_case_token) const {
  for (const auto& [name, value] : headers) {
    if (name != lower_case_name) continue;
    for (auto token : http::token_list(value)) {
      if (Lower({token.data(), token.size()}) == lower_case_token) return true;
    }
  }
  return false;
}

HeadResult ParseHead(std::string_view bytes) {
  // Empty lines before a request are forgiven (RFC 9112 section 2.2), but only the one that old clients send.
  if (bytes == "\r") return Incomplete{};
  size_t skipped = bytes.starts_with("\r\n") ? 2 : 0;
  bytes.remove_prefix(skipped);
  if (auto error = CheckRequestLine(bytes)) return *std::move(error);
  size_t end = bytes.find("\r\n\r\n");
  size_t line_end = std::min(bytes.find('\n'), bytes.size());
  size_t header_bytes = std::min(end, bytes.size()) - std::min(line_end, end);
  if (header_bytes > kMaxHeaderBytes) {
    return HttpError{431, "too_large", fmt::format("the headers have more than {} bytes", kMaxHeaderBytes), "", {}};
  }
  std::string_view head = bytes.substr(0, end == std::string_view::npos ? end : end + 4);
  if (auto error = CheckHeaderLines(head)) return *std::move(error);
  if (end == std::string_view::npos) return Incomplete{};

  http::request_parser<http::empty_body> parser;
  parser.header_limit(kMaxRequestLineBytes + kMaxHeaderBytes + 4);
  parser.skip(true);  // the body is judged by the headers; none is read
  boost::system::error_code error;
  parser.put(boost::asio::buffer(head.data(), head.size()), error);
  if (error == http::error::bad_content_length || error == http::error::bad_transfer_encoding) {
    return HttpError{400, "smuggling", "Content-Length or Transfer-Encoding is malformed, or both are there", "", {}};
  }
  if (error || !parser.is_header_done()) return Malformed(fmt::format("malformed: {}", error.message()));

  ParsedHead parsed;
  parsed.size = skipped + head.size();
  HttpRequest& request = parsed.request;
  const auto& message = parser.get();
  request.method = std::string(message.method_string());
  request.http_1_1 = message.version() == 11;
  for (const auto& field : message) {
    request.headers.emplace_back(Lower({field.name_string().data(), field.name_string().size()}),
                                 std::string(field.value()));
  }
  if (!ParseTarget({message.target().data(), message.target().size()}, &request)) {
    return Malformed("the request's target is malformed");
  }
  if (auto refused = CheckHeaders(request)) return *std::move(refused);
  return parsed;
}

std::string MakeResponse(int status, std::string_view content_type, std::string_view body,
                         const std::vector<std::pair<std::string, std::string>>& headers, bool with_body) {
  auto phrase = http::obsolete_reason(static_cast<http::status>(status));
  std::string out = fmt::format("HTTP/1.1 {} {}\r\nServer: carillon\r\nConnection: close\r\nContent-Length: {}\r\n",
                                status, std::string_view(phrase.data(), phrase.size()), body.size());
  if (!content_type.empty()) fmt::format_to(std::back_inserter(out), "Content-Type: {}\r\n", content_type);
  out.append("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
  for (const auto& [name, value] : headers) fmt::format_to(std::back_inserter(out), "{}: {}\r\n", name, value);
  out.append("\r\n");
  if (with_body) out.append(body);
  return out;
}

std::string MakeErrorResponse(const HttpError& error, bool with_body) {
  std::string body = R"({"error":{"code":)";
  AppendJsonString(body, error.reason);
  body.append(R"(,"message":)");
  AppendJsonString(body, error.message);
  if (!error.setting.empty()) {
    body.append(R"(,"setting":)");
    AppendJsonString(body, error.setting);
  }
  body.append("}}\n");
  return MakeResponse(error.status, "application/json", body, error.headers, with_body);
}

}  // namespace carillon::edge
