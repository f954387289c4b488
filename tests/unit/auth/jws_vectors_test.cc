#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/auth/base64url.h"
#include "gateway/auth/jws.h"

// The examples of RFC 7515 appendix A, RFC 7520 section 4 and RFC 8037 appendix A, with their public keys.
namespace carillon::auth {
namespace {

struct Vector {
  std::string_view name;
  Algorithm algorithm;
  std::string_view jwk;
  std::string_view text;
};

// clang-format off
constexpr Vector kVectors[] = {
    {"Rfc7515A1", Algorithm::kHs256,
     R"({"kty":"oct","alg":"HS256","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4h)"
     R"(cgUuTwjAzZr1Z9CAow"})",
     R"(eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9)"
     R"(leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk)"},
    {"Rfc7515A2", Algorithm::kRs256,
     R"({"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPM)"
     R"(EzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5)"
     R"(rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-D)"
     R"(WNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"})",
     R"(eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19)"
     R"(yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt)"
     R"(_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb)"
     R"(1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI)"
     R"(8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw)"},
    {"Rfc7515A3", Algorithm::kEs256,
     R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue6)"
     R"(59LNpXW6pCyStikYjKIWI5a0"})",
     R"(eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19)"
     R"(yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU)"
     R"(1Q)"},
    {"Rfc7515A4", Algorithm::kEs512,
     R"({"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jS)"
     R"(fS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh)"
     R"(9ubmf63e3kyMj2"})",
     R"(eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2)"
     R"(SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXo)"
     R"(lLzeO_Jn)"},
    {"Rfc7520S41", Algorithm::kRs256,
     R"({"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZL)"
     R"(wUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzc)"
     R"(Ee6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZC)"
     R"(uEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqg)"
     R"(c5gHdrNP5zw","e":"AQAB"})",
     R"(eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ)"
     R"(1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24)"
     R"(ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.MRj)"
     R"(dkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wn)"
     R"(B-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadn)"
     R"(HXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ)"
     R"(41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg)"},
    {"Rfc7520S42", Algorithm::kPs384,
     R"({"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZL)"
     R"(wUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzc)"
     R"(Ee6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZC)"
     R"(uEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqg)"
     R"(c5gHdrNP5zw","e":"AQAB"})",
     R"(eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ)"
     R"(1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24)"
     R"(ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.cu2)"
     R"(2eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo)"
     R"(6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTr)"
     R"(xUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTO)"
     R"(cbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw)"},
    {"Rfc7520S43", Algorithm::kEs512,
     R"({"kty":"EC","kid":"bilbo.baggins@hobbiton.example","use":"sig","crv":"P-521","x":"AHKZLLOsCOzz5cY97e)"
     R"(wNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt","y":"AdymlHvOiLxXkEhayXQnNCv)"
     R"(DX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"})",
     R"(eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ)"
     R"(1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24)"
     R"(ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.AE_)"
     R"(R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDD)"
     R"(yYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2)"},
    {"Rfc7520S44", Algorithm::kHs256,
     R"({"kty":"oct","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037","use":"sig","alg":"HS256","k":"hJtXIZ2uSN5)"
     R"(kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"})",
     R"(eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9.SXTigJlzIGEgZGFuZ2V)"
     R"(yb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHl)"
     R"(vdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB)"
     R"(0by4.s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0)"},
    {"Rfc8037A4", Algorithm::kEdDsa,
     R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
     R"(eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6)"
     R"(dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg)"},
};
// clang-format on

KeySet KeysOf(const Vector& vector) {
  std::vector<std::string> left_out;
  auto keys = KeySet::FromJwks(vector.jwk, vector.algorithm, &left_out);
  EXPECT_TRUE(keys.ok()) << vector.name << ": " << MessageOf(keys.status());
  return keys.ok() ? *std::move(keys) : KeySet();
}

TEST(JwsVectorsTest, EachIsVerifiedWithItsKey) {
  for (const Vector& vector : kVectors) {
    auto payload = VerifyJws(vector.text, KeysOf(vector));

    ASSERT_TRUE(payload.ok()) << vector.name << ": " << MessageOf(payload.status());
    size_t first = vector.text.find('.');
    EXPECT_EQ(EncodeBase64Url(*payload), vector.text.substr(first + 1, vector.text.rfind('.') - first - 1));
  }
}

TEST(JwsVectorsTest, NoChangedByteGetsPast) {
  for (const Vector& vector : kVectors) {
    KeySet keys = KeysOf(vector);
    for (size_t i = 0; i < vector.text.size(); ++i) {
      std::string changed(vector.text);
      changed[i] = changed[i] == 'A' ? 'B' : 'A';

      EXPECT_FALSE(VerifyJws(changed, keys).ok()) << vector.name << " at " << i;
    }
  }
}

TEST(JwsVectorsTest, NoKeyVerifiesAnothersText) {
  for (const Vector& key : kVectors) {
    KeySet keys = KeysOf(key);
    for (const Vector& text : kVectors) {
      if (key.jwk != text.jwk || key.algorithm != text.algorithm) {
        EXPECT_FALSE(VerifyJws(text.text, keys).ok()) << text.name << " with the key of " << key.name;
      }
    }
  }
}

// One RSA key, two algorithms: what the key is for decides.
TEST(JwsVectorsTest, AKeyIsForOneAlgorithm) {
  std::vector<std::string> left_out;
  auto keys = KeySet::FromJwks(kVectors[5].jwk, Algorithm::kRs256, &left_out);
  ASSERT_TRUE(keys.ok());

  EXPECT_TRUE(VerifyJws(kVectors[4].text, *keys).ok());
  EXPECT_THAT(MessageOf(VerifyJws(kVectors[5].text, *keys).status()),
              ::testing::HasSubstr("\"alg\" is not that of its key"));
}

// The confusion that gave such libraries their name: the public key's bytes, as everybody has them, as an HMAC secret.
TEST(JwsVectorsTest, APublicKeyIsNoSecret) {
  KeySet keys = KeysOf(kVectors[1]);
  std::string forged = SignJws(Algorithm::kHs256, kVectors[1].jwk, R"({"sub":"mallory","exp":9999999999})");

  EXPECT_FALSE(VerifyJws(forged, keys).ok());
}

}  // namespace
}  // namespace carillon::auth
