#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/base/status.h"

struct ssl_ctx_st;
struct ssl_st;

namespace carillon::edge {

enum class TlsVersion : uint8_t { k12, k13 };

// One connection's TLS without its socket: what came from the peer goes in and is opened, what is to go out is sealed.
// Both ways are whole batches through memory, so that nothing of it waits for a socket (performance notes T7).
// Thread: the one that made it.
class TlsChannel {
 public:
  enum class Fed : uint8_t {
    kOk,
    kClosed,     // the peer has said goodbye
    kPlainText,  // its first byte is no TLS: nothing was said to it
    kBroken,     // see problem
  };

  // What one record holds (RFC 8446 section 5.1).
  static constexpr size_t kRecordBytes = 16 << 10;

  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  // Bytes from the peer; what they say is appended to `plain`.
  Fed Feed(std::string_view bytes, std::string* plain);

  // Seals bytes, a record for every kRecordBytes. False where that cannot be, which ends the connection.
  bool Seal(std::string_view plain);

  // Seals our goodbye: nothing may follow.
  void Close();

  // What must be sent now, in order; forgotten with ClearOutput. It is the thread's, so to be dealt with at once.
  std::string_view output() const;
  void ClearOutput();

  // Why it is broken, for logs.
  const std::string& problem() const { return problem_; }

 private:
  friend class TlsContext;
  explicit TlsChannel(ssl_st* ssl) : ssl_(ssl) {}

  ssl_st* ssl_;
  bool heard_ = false;
  std::string problem_;
};

// What a certificate says of itself.
struct CertificateFacts {
  std::chrono::system_clock::time_point begins_at;
  std::chrono::system_clock::time_point ends_at;
  bool for_servers = true;  // may be used by them (RFC 5280 section 4.2.1.12)
};

// The certificate that the edge shows, and how it speaks TLS. Immutable. Any thread.
class TlsContext {
 public:
  // A chain of certificates, the gateway's own first, and its key, as PEM. INVALID_ARGUMENT says which is wrong, and
  // how.
  static StatusOr<std::shared_ptr<const TlsContext>> FromPem(const std::string& certificates, const std::string& key,
                                                             TlsVersion least = TlsVersion::k12);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // For a connection that was accepted. Null where there is no memory.
  std::unique_ptr<TlsChannel> NewChannel() const;

  const CertificateFacts& facts() const { return facts_; }

  // True where both were made of the same.
  bool IsSameAs(const TlsContext& other) const { return made_of_ == other.made_of_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}

  ssl_ctx_st* context_;
  CertificateFacts facts_;
  std::string made_of_;  // a digest of the certificates, the key and the version
};
using TlsContextPtr = std::shared_ptr<const TlsContext>;

// Whether a text holds certificates as PEM, and nothing that is damaged.
Status CheckAuthorities(const std::string& text);

}  // namespace carillon::edge
