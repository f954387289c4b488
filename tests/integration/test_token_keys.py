"""Tokens of every algorithm, by keys of every source; what is wrong with a token is refused on the wire, and said by
carillon check-token."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448
from support.gateway import Gateway, clean_environment, encode_part
from support.http import RawConnection, request_bytes, upgrade_headers
from support.jose import ALGORITHMS, Key
from support.patience import PATIENCE
from support.ws import Browser, with_query

KEYS = {algorithm: Key(algorithm, f"key-{algorithm}") for algorithm in ALGORITHMS}
KEYS["Ed448"] = Key("EdDSA", "key-Ed448", ed448.Ed448PrivateKey)
NAMELESS = Key("ES256")
STRANGER = Key("RS256", "key-RS256")

CheckToken = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def auth(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Half of the keys come one by one as PEM, the others in one JWK Set, beside keys that nobody understands."""
    folder = tmp_path_factory.mktemp("keys")
    keys: list[dict[str, Any]] = []
    in_set = []
    for number, (name, key) in enumerate(KEYS.items()):
        if number % 2 == 0 or name.startswith("HS"):
            in_set.append(key.jwk())
            continue
        (folder / f"{name}.pem").write_text(key.pem())
        keys.append({"id": key.kid, "algorithm": key.algorithm, "pem_file": str(folder / f"{name}.pem")})
    (folder / "set.json").write_text(json.dumps({"keys": in_set}))
    (folder / "nameless.pem").write_text(NAMELESS.pem())
    keys += [{"jwk_file": str(folder / "set.json")}, {"pem_file": str(folder / "nameless.pem")}]
    return {
        "keys": keys,
        "issuer": "https://id.example.com",
        "audience": "carillon",
        "claims": {
            "user": "account.id",
            "roles": "realm_access.roles",
            "labels": [{"label": "workspace", "claim": "https://example.com/workspace"}],
            "subscribe": ["user-{user}", "workspace-{workspace}"],
        },
    }


@pytest.fixture(scope="module")
def config(auth: dict[str, Any]) -> dict[str, Any]:
    return {"edge": {"endpoints": [{"path": "/ws"}]}, "auth": auth}


@pytest.fixture
def check(binary: str, auth: dict[str, Any], tmp_path: Path) -> CheckToken:
    """Runs carillon check-token: check("TOKEN", "--jwk", "FILE"), or with a token on standard input."""
    def run(*arguments: str, piped: str = "", configured: bool = True) -> subprocess.CompletedProcess[str]:
        line = [binary, "check-token", *arguments]
        if configured:
            (tmp_path / "c.yaml").write_text(json.dumps({"auth": auth}))
            line += ["-c", str(tmp_path / "c.yaml")]
        return subprocess.run(
            line, input=piped, capture_output=True, text=True, timeout=PATIENCE, env=clean_environment()
        )

    return run


def claims(user: str = "alice", **more: Any) -> dict[str, Any]:
    return {
        "account": {"id": user},
        "iss": "https://id.example.com",
        "aud": ["other", "carillon"],
        "exp": int(time.time()) + 600,
        **more,
    }


@pytest.mark.parametrize("name", KEYS)
def test_every_algorithm_is_spoken(connect: Callable[..., Browser], check: CheckToken, name: str) -> None:
    """By its "kid", and without one among all keys of its algorithm."""
    key = KEYS[name]
    for text in (key.sign(claims()), key.sign(claims(), kid=None)):
        assert connect(with_query("/ws", token=text)).welcome["user"]["id"] == "alice"
        checked = check(text)
        assert (checked.returncode, json.loads(checked.stdout)["user"]) == (0, "alice"), checked


def test_a_key_without_a_name_is_for_any(connect: Callable[..., Browser]) -> None:
    """A provider that changes its names need not be followed, where the operator gave the key none."""
    assert connect(with_query("/ws", token=NAMELESS.sign(claims(), kid="another"))).welcome["user"]["id"] == "alice"


def test_claims_say_who_it_is(connect: Callable[..., Browser]) -> None:
    """By the names and paths of the configuration; its patterns subscribe, where the token says enough."""
    text = KEYS["ES256"].sign(
        claims("a-1", **{"realm_access": {"roles": ["admin"]}, "name": "Alice", "https://example.com/workspace": "w7"})
    )
    welcome = connect(with_query("/ws", token=text)).welcome
    assert welcome["user"] == {"id": "a-1", "name": "Alice", "roles": ["admin"]}
    assert sorted(welcome["streams"]) == ["user-a-1", "workspace-w7"]
    welcome = connect(with_query("/ws", token=KEYS["ES256"].sign(claims("a-2")))).welcome
    assert welcome["streams"] == ["user-a-2"]


def confused() -> str:
    """RS256's public key, as everybody has it, as an HMAC secret."""
    victim = KEYS["RS256"]
    forger = Key("HS256", victim.kid)
    forger.private = victim.pem().encode()
    return forger.sign(claims())


def changed_signature() -> str:
    text = KEYS["RS256"].sign(claims())
    return text[:-10] + ("A" if text[-10] != "A" else "B") + text[-9:]


def twice() -> str:
    """A second "account" behind the first."""
    key = KEYS["ES256"]
    body = json.dumps(claims())[:-1] + ', "account": {"id": "mallory"}}'
    text = encode_part(json.dumps({"alg": "ES256", "kid": key.kid}).encode()) + "." + encode_part(body.encode())
    return text + "." + encode_part(key.raw_sign(text.encode()))


def unsigned(algorithm: str) -> str:
    text = KEYS["RS256"].sign(claims(), alg=algorithm)
    return text.rpartition(".")[0] + "."


def aged(**times: int) -> str:
    now = int(time.time())
    return KEYS["EdDSA"].sign(claims(**{name: now + seconds for name, seconds in times.items()}))


BAD = {
    "alg none": (lambda: unsigned("none"), "\"alg\" is not one that is accepted"),
    "alg None": (lambda: unsigned("None"), "\"alg\" is not one that is accepted"),
    "no signature": (lambda: unsigned("RS256"), "signature is wrong"),
    "confused algorithm": (confused, "\"alg\" is not that of its key"),
    "another algorithm of the same kind": (lambda: KEYS["RS256"].sign(claims(), alg="RS512"), "not that of its key"),
    "another's key of the same name": (lambda: STRANGER.sign(claims()), "signature is wrong"),
    "a tampered signature": (changed_signature, "signature is wrong"),
    "a DER signature": (lambda: KEYS["ES256"].sign(claims()) + "AAAA", "signature is wrong"),
    "an unknown kid": (lambda: KEYS["RS256"].sign(claims(), kid="new"), "no key has the token's \"kid\""),
    "a kid that is no text": (lambda: KEYS["RS256"].sign(claims(), kid=7), "\"kid\" is no text"),
    "a kid that is a path": (lambda: KEYS["RS256"].sign(claims(), kid="../../etc/passwd"), "no key has"),
    "a key of its own": (lambda: STRANGER.sign(claims(), jwk=STRANGER.jwk()), "brings its own key"),
    "an address of its own": (lambda: STRANGER.sign(claims(), jku="http://127.0.0.1:1/"), "brings its own key"),
    "critical headers": (lambda: KEYS["ES256"].sign(claims(), crit=["b64"], b64=False), "critical headers"),
    "duplicate members": (twice, "names a member twice"),
    "a padded signature": (lambda: KEYS["ES256"].sign(claims()) + "==", "signature is wrong"),
    "more than 8 KiB": (lambda: KEYS["ES256"].sign(claims(x="x" * 8192)), "longer than 8192 bytes"),
    "encryption": (lambda: "a.b.c.d.e", "encrypted"),
    "no user": (lambda: KEYS["ES256"].sign(claims(account={})), "\"account.id\" is missing"),
    "another issuer": (lambda: KEYS["ES256"].sign(claims(iss="https://evil.example.com")), "\"iss\""),
    "no issuer": (lambda: KEYS["ES256"].sign(claims(iss=None)), "\"iss\""),
    "another audience": (lambda: KEYS["ES256"].sign(claims(aud="other")), "\"aud\""),
    "expired": (lambda: aged(exp=-40), "has expired"),
    "not valid yet": (lambda: aged(nbf=60), "not valid yet"),
    "of the future": (lambda: aged(iat=60), "\"iat\" is in the future"),
    "too long a life": (lambda: aged(iat=0, exp=25 * 3600), "lives longer than 86400 s"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_tokens_are_refused_with_the_reason(
    gateway: Gateway, tcp: Callable[..., RawConnection], check: CheckToken, kind: str
) -> None:
    """On the wire and by check-token, in the same words."""
    make, reason = BAD[kind]
    text = make()
    checked = check("-", piped=text + "\n")
    assert checked.returncode == 1
    assert reason in checked.stderr
    assert checked.stdout == ""
    if len(text) > 8000:
        return  # does not fit a request
    connection = tcp()
    with gateway.rises("carillon_handshakes_rejected_total", reason="invalid_token"):
        headers = upgrade_headers("gateway.test", Authorization=f"Bearer {text}")
        connection.send(request_bytes("/ws", headers))
        response = connection.read_response()
    assert response.status == 401
    assert reason in response.error["message"]


def test_within_the_leeway_clocks_may_differ(connect: Callable[..., Browser]) -> None:
    """30 s by default."""
    for text in (aged(exp=-20), aged(nbf=20), aged(iat=20), aged(iat=0, exp=24 * 3600)):
        connect(with_query("/ws", token=text))


def test_check_token_takes_keys_from_a_file(check: CheckToken, tmp_path: Path) -> None:
    """A JWK or a set, instead of the configured keys; without a configuration nothing but the signature and the times
    count."""
    key = Key("ES384", "mine")
    (tmp_path / "one.json").write_text(json.dumps(key.jwk()))
    text = key.sign({"sub": "bob", "exp": int(time.time()) + 60, "jti": "t-1"})
    checked = check("--jwk", str(tmp_path / "one.json"), piped=text, configured=False)
    assert checked.returncode == 0, checked
    said = json.loads(checked.stdout)
    assert (said["user"], said["token_id"]) == ("bob", "t-1")
    assert check(text, "--jwk", str(tmp_path / "one.json")).returncode == 1  # the configured issuer counts
    assert "no key has" in check(text).stderr
    missing = check(text, "--jwk", "nowhere.json")
    assert (missing.returncode, "nowhere.json" in missing.stderr) == (2, True)


def test_check_token_without_keys_says_so(check: CheckToken) -> None:
    """Not a word of the token comes back."""
    checked = check("CANARY.CANARY.CANARY", configured=False)
    assert (checked.returncode, "the gateway has no keys" in checked.stderr) == (1, True), checked
    assert "CANARY" not in checked.stderr + checked.stdout
