#pragma once

#include <openssl/ssl.h>

#include <string>
#include <string_view>

namespace carillon::test {

// The client's side of TLS, in memory: OpenSSL's own BIOs, so that nothing of ours is on both sides. It trusts
// everybody.
class TlsPeer {
 public:
  // 0: whatever both can.
  explicit TlsPeer(int version = 0) : context_(SSL_CTX_new(TLS_client_method())) {
    if (version != 0) {
      SSL_CTX_set_min_proto_version(context_, version);
      SSL_CTX_set_max_proto_version(context_, version);
    }
    SSL_CTX_set_security_level(context_, 0);  // old versions are offered, for the gateway to refuse
    ssl_ = SSL_new(context_);
    SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_);
  }
  ~TlsPeer() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  SSL* ssl() { return ssl_; }
  bool connected() const { return SSL_is_init_finished(ssl_) == 1; }
  bool broken() const { return broken_; }
  bool closed() const { return closed_; }  // the other side has said goodbye

  // Bytes from the other side; what they say is appended to `plain`. With none it begins.
  void Feed(std::string_view bytes, std::string* plain) {
    if (!bytes.empty()) BIO_write(SSL_get_rbio(ssl_), bytes.data(), static_cast<int>(bytes.size()));
    char buffer[4096];
    for (;;) {
      int size = SSL_read(ssl_, buffer, sizeof buffer);
      if (size > 0) {
        plain->append(buffer, static_cast<size_t>(size));
        continue;
      }
      int error = SSL_get_error(ssl_, size);
      closed_ = closed_ || error == SSL_ERROR_ZERO_RETURN;
      broken_ = broken_ || (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN);
      return;
    }
  }

  void Write(std::string_view plain) { SSL_write(ssl_, plain.data(), static_cast<int>(plain.size())); }

  // What is to be sent to the other side.
  std::string TakeOutput() {
    std::string out(static_cast<size_t>(BIO_pending(SSL_get_wbio(ssl_))), '\0');
    if (!out.empty()) BIO_read(SSL_get_wbio(ssl_), out.data(), static_cast<int>(out.size()));
    return out;
  }

 private:
  SSL_CTX* context_;
  SSL* ssl_;
  bool broken_ = false;
  bool closed_ = false;
};

}  // namespace carillon::test
