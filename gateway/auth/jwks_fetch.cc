#include "gateway/auth/jwks_fetch.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

#include "gateway/auth/key_set.h"
#include "gateway/auth/origin.h"

namespace carillon::auth {
namespace {

constexpr size_t kMaxUrlBytes = 2048;

struct Body {
  std::string text;
  bool too_long = false;
};

size_t OnBody(char* bytes, size_t, size_t count, void* into) {
  auto* body = static_cast<Body*>(into);
  body->too_long = body->text.size() + count > kMaxJwksBytes;
  if (body->too_long) return 0;  // ends the transfer
  body->text.append(bytes, count);
  return count;
}

int OnProgress(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(stop)->load(std::memory_order_relaxed) ? 1 : 0;
}

using CurlUrl = std::unique_ptr<CURLU, decltype(&::curl_url_cleanup)>;

// A part of a URL; empty where it has none.
std::string PartOf(const CurlUrl& url, CURLUPart part) {
  char* text = nullptr;
  if (::curl_url_get(url.get(), part, &text, 0) != CURLUE_OK || text == nullptr) return "";
  std::string copy(text);
  ::curl_free(text);
  return copy;
}

}  // namespace

// Read by the library that will ask for it: two readers may take one text for two addresses.
std::string JwksUrlProblem(const std::string& text) {
  if (text.size() > kMaxUrlBytes) return fmt::format("has more than {} bytes", kMaxUrlBytes);
  CurlUrl url(::curl_url(), &::curl_url_cleanup);
  bool good = url != nullptr && text.find_first_of("\r\n\t ") == std::string::npos &&
              text.find('\0') == std::string::npos && text.find("://") != std::string::npos &&
              ::curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) == CURLUE_OK;
  std::string scheme = good ? PartOf(url, CURLUPART_SCHEME) : "";
  std::string host = good ? PartOf(url, CURLUPART_HOST) : "";
  if (host.empty()) return "is no URL, such as https://login.example.com/.well-known/jwks.json";
  if (!PartOf(url, CURLUPART_USER).empty() || !PartOf(url, CURLUPART_PASSWORD).empty()) {
    return "holds a user or password";
  }
  if (!PartOf(url, CURLUPART_FRAGMENT).empty()) return "has a fragment (#…), which servers never see";
  if (scheme == "https") return "";
  if (scheme != "http") return "must begin with https://";
  return IsLoopbackHost(host) ? "" : "is http: whoever is in between could put in keys of their own; use https";
}

std::string ShownUrl(const std::string& url) {
  return url.substr(0, url.find_first_of("?;"));
}

StatusOr<std::string> FetchJwks(const JwksAddress& address, const std::atomic<bool>& stop) {
  static const CURLcode ready = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  std::unique_ptr<CURL, decltype(&::curl_easy_cleanup)> curl(::curl_easy_init(), &::curl_easy_cleanup);
  std::unique_ptr<curl_slist, decltype(&::curl_slist_free_all)> headers(
      ::curl_slist_append(nullptr, "Accept: application/jwk-set+json, application/json"), &::curl_slist_free_all);
  if (ready != CURLE_OK || curl == nullptr || headers == nullptr)
    return absl::UnavailableError("libcurl does not start");
  Body body;
  char reason[CURL_ERROR_SIZE] = "";
  bool plain = !address.url.starts_with("https:");
  auto set = [&](CURLoption option, auto value) { ::curl_easy_setopt(curl.get(), option, value); };
  set(CURLOPT_URL, address.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // or a resolver that hangs would be waited for, beyond the timeout
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(address.timeout.count()));
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_USERAGENT, "carillon");
  set(CURLOPT_WRITEFUNCTION, &OnBody);
  set(CURLOPT_WRITEDATA, &body);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &OnProgress);
  set(CURLOPT_XFERINFODATA, const_cast<std::atomic<bool>*>(&stop));
  set(CURLOPT_ERRORBUFFER, &reason[0]);
  if (plain) set(CURLOPT_PROXY, "");  // loopback: never by a proxy
  if (!address.ca_file.empty()) set(CURLOPT_CAINFO, address.ca_file.c_str());
  CURLcode result = ::curl_easy_perform(curl.get());
  if (body.too_long) return absl::UnavailableError(fmt::format("the answer has more than {} bytes", kMaxJwksBytes));
  if (result != CURLE_OK) return absl::UnavailableError(reason[0] != '\0' ? reason : ::curl_easy_strerror(result));
  long status = 0;
  ::curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) return absl::UnavailableError(fmt::format("the answer has the status {}, not 200", status));
  return std::move(body.text);
}

}  // namespace carillon::auth
