#include "gateway/edge/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace carillon::edge {
namespace {

// Certificates that we send besides our own; chains are shorter.
constexpr int kMaxChain = 10;

constexpr char kTls12Ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

constexpr char kHandshake = 0x16;  // the first byte of every TLS connection (RFC 8446 section 5.1)

// What OpenSSL reads from and writes to: one for all channels of a thread, because each call takes all that came, and
// what it made is sent or kept at once. OpenSSL's own memory BIO would be one for each connection, and writes zeros
// over what it holds before each byte of it.
struct Pipe {
  std::string_view in;
  std::string out;
  BIO* bio = nullptr;
  char plain[TlsChannel::kRecordBytes];
};

int WritePipe(BIO* bio, const char* data, size_t size, size_t* written) {
  static_cast<Pipe*>(BIO_get_data(bio))->out.append(data, size);
  *written = size;
  return 1;
}

int ReadPipe(BIO* bio, char* data, size_t size, size_t* got) {
  auto* pipe = static_cast<Pipe*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (pipe->in.empty()) {
    BIO_set_retry_read(bio);
    return 0;
  }
  *got = pipe->in.copy(data, size);
  pipe->in.remove_prefix(*got);
  return 1;
}

long ControlPipe(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* PipeMethod() {
  static BIO_METHOD* method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "carillon");
    BIO_meth_set_write_ex(made, &WritePipe);
    BIO_meth_set_read_ex(made, &ReadPipe);
    BIO_meth_set_ctrl(made, &ControlPipe);
    return made;
  }();
  return method;
}

struct ThreadPipe : Pipe {
  ThreadPipe() {
    bio = BIO_new(PipeMethod());
    if (bio == nullptr) return;
    BIO_set_data(bio, static_cast<Pipe*>(this));
    BIO_set_init(bio, 1);
  }
  ~ThreadPipe() { BIO_free(bio); }  // channels that outlive the thread hold it, and use it no more
};

Pipe& OfThisThread() {
  static thread_local ThreadPipe pipe;
  return pipe;
}

// The oldest error of this thread, in OpenSSL's words; forgets the others.
std::string TakeError() {
  unsigned long error = ERR_get_error();
  const char* reason = ERR_reason_error_string(error);
  ERR_clear_error();
  return reason == nullptr ? "the connection broke" : reason;
}

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

std::unique_ptr<BIO, Free> Open(const std::string& text) {
  return std::unique_ptr<BIO, Free>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// OpenSSL would ask whoever sits at the terminal.
int NoPassword(char*, int, int, void*) {
  return 0;
}

int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                   void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  int found = SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11 - 1, in, in_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

using X509Ptr = std::unique_ptr<X509, Free>;

// Null where there are no more.
StatusOr<X509Ptr> NextCertificate(BIO* pem) {
  ERR_clear_error();
  X509Ptr next(PEM_read_bio_X509(pem, nullptr, &NoPassword, nullptr));
  if (next != nullptr) return next;
  bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  std::string error = TakeError();
  if (!at_end) return InvalidArgument("holds a certificate that is damaged: {}", error);
  return next;
}

std::chrono::system_clock::time_point TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  // Certificates may say the year 9999 (RFC 5280 section 4.1.2.5), which our clock cannot.
  using Clock = std::chrono::system_clock;
  return Clock::from_time_t(std::clamp(::timegm(&parts), Clock::to_time_t(Clock::time_point::min()) + 1,
                                       Clock::to_time_t(Clock::time_point::max())));
}

std::string DigestOf(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  return {digest, digest + size};
}

Status UseChain(SSL_CTX* context, const std::string& text, CertificateFacts* facts) {
  auto pem = Open(text);
  std::unique_ptr<X509, Free> own(PEM_read_bio_X509(pem.get(), nullptr, &NoPassword, nullptr));
  if (own == nullptr) {
    ERR_clear_error();
    return InvalidArgument("holds no certificate as PEM (-----BEGIN CERTIFICATE-----)");
  }
  if (SSL_CTX_use_certificate(context, own.get()) != 1) {
    return InvalidArgument("holds a certificate that cannot be used: {}", TakeError());
  }
  facts->begins_at = TimeOf(X509_get0_notBefore(own.get()));
  facts->ends_at = TimeOf(X509_get0_notAfter(own.get()));
  facts->for_servers = X509_check_purpose(own.get(), X509_PURPOSE_SSL_SERVER, 0) == 1;
  for (int more = 0;; ++more) {
    StatusOr<X509Ptr> next = NextCertificate(pem.get());
    if (!next.ok()) return next.status();
    if (*next == nullptr) return absl::OkStatus();
    if (more == kMaxChain)
      return InvalidArgument("holds more than {} certificates besides the gateway's own", kMaxChain);
    if (SSL_CTX_add1_chain_cert(context, next->get()) != 1) {
      return InvalidArgument("holds a certificate that cannot be used: {}", TakeError());
    }
  }
}

}  // namespace

Status CheckAuthorities(const std::string& text) {
  auto pem = Open(text);
  ASSIGN_OR_RETURN(X509Ptr certificate, NextCertificate(pem.get()));
  if (certificate == nullptr) return InvalidArgument("holds no certificate as PEM (-----BEGIN CERTIFICATE-----)");
  while (certificate != nullptr) {
    ASSIGN_OR_RETURN(certificate, NextCertificate(pem.get()));
  }
  return absl::OkStatus();
}

// --- The channel -----------------------------------------------------------------------------------------------------

TlsChannel::~TlsChannel() {
  SSL_free(ssl_);
}

TlsChannel::Fed TlsChannel::Feed(std::string_view bytes, std::string* plain) {
  if (!std::exchange(heard_, true) && bytes[0] != kHandshake) return Fed::kPlainText;
  Pipe& pipe = OfThisThread();
  pipe.in = bytes;
  for (;;) {
    ERR_clear_error();
    int size = SSL_read(ssl_, pipe.plain, sizeof pipe.plain);
    if (size > 0) {
      plain->append(pipe.plain, static_cast<size_t>(size));
      continue;
    }
    int error = SSL_get_error(ssl_, size);
    if (error == SSL_ERROR_WANT_READ) return Fed::kOk;  // which takes all that came
    pipe.in = {};
    if (error == SSL_ERROR_ZERO_RETURN) return Fed::kClosed;
    problem_ = TakeError();
    return Fed::kBroken;
  }
}

bool TlsChannel::Seal(std::string_view plain) {
  while (!plain.empty()) {
    ERR_clear_error();
    int size = SSL_write(ssl_, plain.data(), static_cast<int>(std::min(plain.size(), kRecordBytes)));
    if (size <= 0) {
      problem_ = TakeError();
      return false;
    }
    plain.remove_prefix(static_cast<size_t>(size));
  }
  return true;
}

void TlsChannel::Close() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_) == 1) SSL_shutdown(ssl_);
  ERR_clear_error();
}

std::string_view TlsChannel::output() const {
  return OfThisThread().out;
}

void TlsChannel::ClearOutput() {
  OfThisThread().out.clear();
}

// --- The context -----------------------------------------------------------------------------------------------------

StatusOr<TlsContextPtr> TlsContext::FromPem(const std::string& certificates, const std::string& key, TlsVersion least) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) return absl::ResourceExhaustedError("no memory for TLS");
  std::shared_ptr<TlsContext> made(new TlsContext(context));
  SSL_CTX_set_min_proto_version(context, least == TlsVersion::k13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, kTls12Ciphers);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Buffers come with records and go with them: most connections are idle.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // resuming is by ticket, which costs us no memory
  SSL_CTX_set_alpn_select_cb(context, &ChooseProtocol, nullptr);
  RETURN_IF_ERROR(UseChain(context, certificates, &made->facts_));

  auto pem = Open(key);
  std::unique_ptr<EVP_PKEY, Free> own(PEM_read_bio_PrivateKey(pem.get(), nullptr, &NoPassword, nullptr));
  if (own == nullptr) {
    ERR_clear_error();
    return InvalidArgument("the key's file holds no private key as PEM, or one with a password");
  }
  if (SSL_CTX_use_PrivateKey(context, own.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return InvalidArgument("the private key is not the certificate's: {}", TakeError());
  }
  made->made_of_ = DigestOf(fmt::format("{}\n{}\n{}", static_cast<int>(least), certificates, key));
  return TlsContextPtr(std::move(made));
}

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
}

std::unique_ptr<TlsChannel> TlsContext::NewChannel() const {
  BIO* bio = OfThisThread().bio;
  SSL* ssl = bio == nullptr ? nullptr : SSL_new(context_);
  if (ssl == nullptr) return nullptr;
  BIO_up_ref(bio);  // SSL_set_bio takes one count where both are the same
  SSL_set_bio(ssl, bio, bio);
  SSL_set_accept_state(ssl);
  return std::unique_ptr<TlsChannel>(new TlsChannel(ssl));
}

}  // namespace carillon::edge
