#include "gateway/edge/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/certificate.h"
#include "tests/support/seed.h"
#include "tests/support/tls_peer.h"

namespace carillon::edge {
namespace {

using test::MakeCertificate;
using test::Pem;
using test::TlsPeer;
using ::testing::HasSubstr;

TlsContextPtr Context(TlsVersion least = TlsVersion::k12) {
  Pem pem = MakeCertificate();
  auto context = TlsContext::FromPem(pem.certificate, pem.key, least);
  EXPECT_TRUE(context.ok()) << context.status();
  return *context;
}

// A channel and a peer that talk to each other.
class Talk {
 public:
  explicit Talk(const TlsContextPtr& context, int version = 0) : channel(context->NewChannel()), peer(version) {
    peer.Feed("", &peer_heard);
  }

  // Until both have nothing to say.
  void Run() {
    for (;;) {
      std::string out = peer.TakeOutput();
      if (out.empty()) return;
      fed = channel->Feed(out, &heard);
      peer.Feed(channel->output(), &peer_heard);
      channel->ClearOutput();
      if (fed != TlsChannel::Fed::kOk) return;
    }
  }

  void Deliver() {
    peer.Feed(channel->output(), &peer_heard);
    channel->ClearOutput();
  }

  std::unique_ptr<TlsChannel> channel;
  TlsPeer peer;
  TlsChannel::Fed fed = TlsChannel::Fed::kOk;
  std::string heard;
  std::string peer_heard;
};

TEST(TlsTest, BothVersionsCarryBytesBothWays) {
  TlsContextPtr context = Context();
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Talk talk(context, version);
    talk.Run();
    ASSERT_TRUE(talk.peer.connected()) << version;
    EXPECT_EQ(SSL_version(talk.peer.ssl()), version);

    std::string large(100'000, 'x');
    talk.peer.Write("hello");
    talk.Run();
    EXPECT_EQ(talk.heard, "hello");
    EXPECT_TRUE(talk.channel->Seal("one"));
    EXPECT_TRUE(talk.channel->Seal(large));
    talk.Deliver();
    EXPECT_EQ(talk.peer_heard, "one" + large);

    talk.channel->Close();
    talk.Deliver();
    EXPECT_TRUE(talk.peer.closed());
    EXPECT_FALSE(talk.peer.broken());
  }
}

TEST(TlsTest, OldVersionsAreRefusedWithAReason) {
  for (int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    Talk talk(Context(), version);
    talk.Run();
    EXPECT_EQ(talk.fed, TlsChannel::Fed::kBroken) << version;
    EXPECT_NE(talk.channel->problem(), "");
    EXPECT_TRUE(talk.peer.broken());  // it was told
  }
  Talk talk(Context(TlsVersion::k13), TLS1_2_VERSION);
  talk.Run();
  EXPECT_EQ(talk.fed, TlsChannel::Fed::kBroken);
  EXPECT_THAT(talk.channel->problem(), HasSubstr("protocol"));
}

TEST(TlsTest, WhatIsNoTlsIsToldApartAtItsFirstByte) {
  std::string heard;
  auto channel = Context()->NewChannel();
  EXPECT_EQ(channel->Feed("GET / HTTP/1.1\r\n", &heard), TlsChannel::Fed::kPlainText);
  EXPECT_EQ(channel->output(), "");

  auto garbled = Context()->NewChannel();
  EXPECT_EQ(garbled->Feed(std::string("\x16\x03\x01\x00\x05hello", 10), &heard), TlsChannel::Fed::kBroken);
  garbled->ClearOutput();
  EXPECT_EQ(heard, "");
}

TEST(TlsTest, AGoodbyeBeforeTheEndOfTheHandshakeIsNothing) {
  auto channel = Context()->NewChannel();
  channel->Close();
  EXPECT_EQ(channel->output(), "");
  EXPECT_FALSE(channel->Seal("x"));
  channel->ClearOutput();
}

TEST(TlsTest, HttpIsChosenWhereItIsOffered) {
  const std::pair<std::string, std::string> kCases[] = {
      {std::string("\x02h2\x08http/1.1"), "http/1.1"}, {std::string("\x02h2"), ""}, {"", ""}};
  for (const auto& [offered, chosen] : kCases) {
    TlsPeer fresh;
    if (!offered.empty()) {
      SSL_set_alpn_protos(fresh.ssl(), reinterpret_cast<const unsigned char*>(offered.data()),
                          static_cast<unsigned>(offered.size()));
    }
    auto channel = Context()->NewChannel();
    std::string heard;
    fresh.Feed("", &heard);
    for (std::string out = fresh.TakeOutput(); !out.empty(); out = fresh.TakeOutput()) {
      ASSERT_EQ(channel->Feed(out, &heard), TlsChannel::Fed::kOk);
      fresh.Feed(channel->output(), &heard);
      channel->ClearOutput();
    }
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(fresh.ssl(), &name, &size);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(name), size), chosen);
  }
}

// Whatever the pieces that the bytes come in, and however the channels of a thread take turns.
TEST(TlsTest, PiecesAndTurnsDoNotMatter) {
  test::Random random;
  TlsContextPtr context = Context();
  constexpr size_t kTalks = 5;
  std::vector<std::unique_ptr<Talk>> talks;
  std::vector<std::string> to_channel(kTalks), to_peer(kTalks);  // on their way
  std::vector<std::string> said(kTalks), peer_said(kTalks);
  for (size_t i = 0; i < kTalks; ++i) talks.push_back(std::make_unique<Talk>(context));
  auto step = [&](size_t i, size_t most) {
    Talk& talk = *talks[i];
    to_channel[i] += talk.peer.TakeOutput();
    size_t size = std::min(to_channel[i].size(), 1 + random.Below(most));
    if (!to_channel[i].empty()) {
      ASSERT_EQ(talk.channel->Feed(to_channel[i].substr(0, size), &talk.heard), TlsChannel::Fed::kOk);
      to_channel[i].erase(0, size);
      to_peer[i] += talk.channel->output();
      talk.channel->ClearOutput();
    }
    size = std::min(to_peer[i].size(), 1 + random.Below(most));
    talk.peer.Feed(to_peer[i].substr(0, size), &talk.peer_heard);
    to_peer[i].erase(0, size);
  };
  size_t steps = test::Scaled(20'000);
  for (size_t n = 0; n < steps; ++n) {
    size_t i = random.Below(kTalks);
    Talk& talk = *talks[i];
    if (talk.peer.connected() && random.OneIn(3)) {
      std::string text = random.Bytes(1 + random.Below(random.OneIn(20) ? 40'000 : 500));
      if (!talk.heard.empty() &&
          random.OneIn(2)) {  // the peer has done its part of the handshake before the channel has
        ASSERT_TRUE(talk.channel->Seal(text));
        said[i] += text;
        to_peer[i] += talk.channel->output();
        talk.channel->ClearOutput();
      } else {
        talk.peer.Write(text);
        peer_said[i] += text;
      }
      if (random.OneIn(50)) SSL_key_update(talk.peer.ssl(), SSL_KEY_UPDATE_REQUESTED);
    }
    step(i, 5000);
    if (testing::Test::HasFatalFailure()) return;
  }
  for (size_t i = 0; i < kTalks; ++i) {
    do step(i, 1 << 20);
    while (!to_channel[i].empty() || !to_peer[i].empty() || BIO_pending(SSL_get_wbio(talks[i]->peer.ssl())) > 0);
    EXPECT_GT(said[i].size(), 0u);
    EXPECT_EQ(talks[i]->peer_heard, said[i]);
    EXPECT_EQ(talks[i]->heard, peer_said[i]);
  }
}

TEST(TlsTest, ChannelsMayOutliveTheirThread) {
  TlsContextPtr context = Context();
  std::unique_ptr<TlsChannel> channel;
  std::thread([&] { channel = context->NewChannel(); }).join();
  context = nullptr;
  channel = nullptr;
}

struct BadPem {
  std::string certificate;
  std::string key;
  std::string why;
};

TEST(TlsTest, FilesThatAreWrongAreToldApart) {
  Pem one = MakeCertificate();
  Pem other = MakeCertificate();
  std::string torn = one.certificate.substr(0, one.certificate.size() / 2);
  std::string damaged = other.certificate;
  damaged.replace(100, 20, 20, '!');
  std::string many = one.certificate;
  for (int i = 0; i < 11; ++i) many += other.certificate;
  const BadPem kCases[] = {
      {one.certificate + torn.substr(0, 200), one.key, "is damaged"},
      {one.certificate + damaged, one.key, "is damaged"},
      {many, one.key, "more than 10"},
      {"", one.key, "holds no certificate"},
      {"hello", one.key, "holds no certificate"},
      {one.key, one.key, "holds no certificate"},
      {torn, one.key, "holds no certificate"},
      {one.certificate, "", "no private key"},
      {one.certificate, one.certificate, "no private key"},
      {one.certificate, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
       "no private key"},
      {one.certificate, other.key, "is not the certificate's"},
  };
  for (const BadPem& c : kCases) {
    auto made = TlsContext::FromPem(c.certificate, c.key);
    ASSERT_FALSE(made.ok()) << c.why;
    EXPECT_THAT(MessageOf(made.status()), HasSubstr(c.why));
  }
  EXPECT_TRUE(TlsContext::FromPem(one.certificate + other.certificate, one.key).ok());
}

TEST(TlsTest, AuthoritiesAreCertificates) {
  std::string good = MakeCertificate().certificate;
  EXPECT_TRUE(CheckAuthorities(good + "\n# a comment\n" + good).ok());
  EXPECT_FALSE(CheckAuthorities("").ok());
  EXPECT_FALSE(CheckAuthorities(MakeCertificate().key).ok());
  EXPECT_FALSE(CheckAuthorities("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n").ok());
  EXPECT_FALSE(CheckAuthorities(good + good.substr(0, 200)).ok());
}

TEST(TlsTest, ACertificateSaysWhenItEnds) {
  Pem pem = MakeCertificate("localhost", std::chrono::hours(48));
  auto ends = (*TlsContext::FromPem(pem.certificate, pem.key))->facts().ends_at - std::chrono::system_clock::now();

  EXPECT_GT(ends, std::chrono::hours(47));
  EXPECT_LT(ends, std::chrono::hours(49));
}

}  // namespace
}  // namespace carillon::edge
