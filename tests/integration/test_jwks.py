"""Keys that are fetched from an address: they come and go there, the address errs or hangs, and no shard waits for it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from support import http
from support.certificates import make_certificate
from support.gateway import Gateway, clean_environment
from support.http import RawConnection, request_bytes, upgrade_headers
from support.jose import Key
from support.key_server import KeyServer, respond
from support.patience import PATIENCE, eventually
from support.ws import TEXT, Browser, ClosedByGateway, WebSocket, frame_bytes

OLD, NEW, NEVER = (Key("ES256", name) for name in ("old", "new", "never"))

Start = Callable[..., Gateway]
Keep = Callable[[Any], Any]


@pytest.fixture
def server(keep: Keep) -> KeyServer:
    return keep(KeyServer(OLD))


def settings(url: str, **jwks: str) -> dict[str, Any]:
    """A gateway of one shard: if anything waited for keys, everything would."""
    return {
        "hub": {"shards": 1},
        "edge": {"endpoints": [
            {"path": "/ws"},
            {"path": "/open", "anonymous": True},
            {"path": "/first", "auth_timeout": "30s"},
            {"path": "/hasty", "auth_timeout": "100ms", "ping_interval": "100ms", "peer_timeout": "300ms"},
        ]},
        "auth": {"hs256_secret": "", "keys": [{"jwks_url": url}], "jwks": {"min_interval": "100ms", **jwks}},
    }  # fmt: skip


def claims(user: str = "alice") -> dict[str, Any]:
    return {"sub": user, "exp": int(time.time()) + 600}


def user_of(gateway: Gateway, key: Key) -> str | None:
    """Who a token of the key is for; None where it is refused."""
    status = status_of(gateway, key)
    assert status in (101, 401)
    return key.kid if status == 101 else None


def status_of(gateway: Gateway, key: Key) -> int:
    connection = RawConnection(gateway.edge)
    headers = upgrade_headers("gateway.test", Authorization=f"Bearer {key.sign(claims(key.kid))}")
    connection.send(request_bytes("/ws", headers))
    response = connection.read_response()
    connection.close()
    return response.status


def fetches(gateway: Gateway, result: str) -> float:
    return gateway.metrics().value("carillon_jwks_fetches_total", result=result)


def test_a_token_waits_for_the_first_keys(start_gateway: Start, server: KeyServer, keep: Keep) -> None:
    """The gateway starts whatever its address does; tokens that come early wait for it."""
    server.answer = server.hang
    gateway = start_gateway(settings(server.url, timeout="30s"))
    connection = keep(RawConnection(gateway.edge))
    headers = upgrade_headers("gateway.test", Authorization=f"Bearer {OLD.sign(claims())}")
    connection.send(request_bytes("/ws", headers))
    eventually(lambda: server.requests, lambda count: count == 1, "the fetch")

    browser = keep(Browser(gateway.edge, "/open"))  # no shard waits
    assert browser.ask("ping")["event"] == "pong"
    assert http.get(gateway.admin, "/readyz").status == 200
    server.open_gate.set()

    assert connection.read_response().status == 101
    assert server.requests == 1


def test_keys_come_and_go(start_gateway: Start, server: KeyServer) -> None:
    """A new key counts from its first token on, an old one until it is gone at the address."""
    gateway = start_gateway(settings(server.url))
    assert user_of(gateway, OLD) == "old"

    server.keys = [OLD, NEW]
    eventually(lambda: user_of(gateway, NEW), lambda user: user == "new", "the new key")
    assert user_of(gateway, OLD) == "old"

    server.keys = [NEW]
    assert user_of(gateway, OLD) == "old"  # nobody has asked
    eventually(lambda: [user_of(gateway, key) for key in (NEVER, OLD)], lambda users: users == [None, None], "the end")
    assert user_of(gateway, NEW) == "new"


def test_keys_are_fetched_again_by_themselves(start_gateway: Start, server: KeyServer) -> None:
    gateway = start_gateway(settings(server.url, refresh="1s"))
    assert user_of(gateway, OLD) == "old"
    server.keys = [NEW]
    eventually(lambda: user_of(gateway, OLD), lambda user: user is None, "the end of the old key")


def test_there_is_a_floor_between_fetches(start_gateway: Start, server: KeyServer) -> None:
    """Whoever invents key names makes the gateway fetch once in 30 s, not once a token."""
    gateway = start_gateway(settings(server.url, min_interval="30s"))
    assert user_of(gateway, OLD) == "old"
    for number in range(50):
        assert user_of(gateway, Key("ES256", f"invented-{number}")) is None
    assert server.requests == 1


def status(code: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    body = json.dumps({"keys": [NEW.jwk()]}).encode()
    return lambda request: respond(request, body, code, **headers)


def ten_megabytes(request: BaseHTTPRequestHandler) -> None:
    body = json.dumps({"keys": [NEW.jwk()], "padding": "x" * 10_000_000}).encode()
    respond(request, body)


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b"[" * 65536)


def half(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    request.wfile.write(b'{"keys": [')


BAD: dict[str, tuple[Callable[[BaseHTTPRequestHandler], None], str]] = {
    "an error": (status(500), "status 500"),
    "nothing there": (status(404), "status 404"),
    "a redirect": (status(302, Location="/elsewhere"), "status 302"),
    "10 MB": (ten_megabytes, "more than 1048576 bytes"),
    "an answer without an end": (endless, "more than 1048576 bytes"),
    "half an answer": (half, "transfer closed"),
    "no JSON": (lambda request: respond(request, b"<html>"), "JSON"),
    "another JSON": (lambda request: respond(request, b"[]"), "JWK"),
    "no keys": (lambda request: respond(request, b'{"keys": []}'), "key"),
    "a secret": (lambda request: respond(request, json.dumps(Key("HS256", "new").jwk()).encode()), "holds a secret"),
    "a connection that closes": (lambda request: request.connection.close(), ""),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_answer_changes_nothing(start_gateway: Start, server: KeyServer, kind: str) -> None:
    """The keys from before count, the log says why, and it is tried again."""
    answer, why = BAD[kind]
    gateway = start_gateway(settings(server.url))
    assert user_of(gateway, OLD) == "old"

    server.answer = answer
    eventually(lambda: [user_of(gateway, NEW), fetches(gateway, "failed")], lambda seen: seen[1] >= 2, "two failures")
    assert user_of(gateway, NEW) is None
    assert user_of(gateway, OLD) == "old"
    log = gateway.wait_for_log("could not fetch keys")
    warnings = [json.loads(line) for line in log.splitlines() if "could not fetch keys" in line]
    assert why in warnings[0]["why"]
    assert warnings[0]["url"] == server.url

    server.answer = server.answer_keys
    server.keys = [OLD, NEW]
    eventually(lambda: user_of(gateway, NEW), lambda user: user == "new", "the new key")


def test_an_address_that_hangs(start_gateway: Start, server: KeyServer, keep: Keep) -> None:
    """A token with an unknown key waits as long as a fetch may take, known ones and everybody else do not wait."""
    gateway = start_gateway(settings(server.url, timeout="1s"))
    assert user_of(gateway, OLD) == "old"
    server.answer = server.hang
    waiting = keep(RawConnection(gateway.edge))
    token = NEW.sign(claims())
    eventually(lambda: (user_of(gateway, NEVER), server.requests)[1], lambda count: count >= 2, "a fetch that hangs")
    waiting.send(request_bytes("/ws", upgrade_headers("gateway.test", Authorization=f"Bearer {token}")))
    for _ in range(20):
        assert user_of(gateway, OLD) == "old"
    assert waiting.read_response().status == 401
    assert fetches(gateway, "failed") >= 1


def test_an_address_that_comes_later(start_gateway: Start, keep: Keep) -> None:
    """The gateway starts although nobody is there, and finds the keys when somebody is."""
    gone = KeyServer(OLD)
    gone.close()
    gateway = start_gateway(settings(gone.url))
    assert status_of(gateway, OLD) == 503  # it is not the token's fault
    browser = keep(Browser(gateway.edge, "/open"))
    assert browser.ask("auth", token=OLD.sign(claims()))["data"]["code"] == "unavailable"
    auth = json.dumps({"action": "auth", "token": OLD.sign(claims())}).encode()
    assert keep(Browser(gateway.edge, "/first", early=frame_bytes(TEXT, auth))).receive_close()[0] == 4100
    assert gateway.metrics().value("carillon_jwks_age_seconds") >= 0
    keep(KeyServer(OLD, port=gone.port))
    eventually(lambda: status_of(gateway, OLD), lambda status: status == 101, "the key")


def test_a_first_frame_waits_with_what_follows_it(start_gateway: Start, server: KeyServer, keep: Keep) -> None:
    """In order: what comes behind the token is handled when it is known whose it is."""
    server.answer = server.hang
    gateway = start_gateway(settings(server.url, timeout="30s"))
    auth = json.dumps({"action": "auth", "token": OLD.sign(claims("bob"))}).encode()
    subscribe = json.dumps({"action": "subscribe", "streams": ["private-a"]}).encode()
    browser = keep(Browser(gateway.edge, "/first", early=frame_bytes(TEXT, auth) + frame_bytes(TEXT, subscribe)))
    gateway.wait_for_metric("carillon_commands_total", 1)

    server.open_gate.set()

    welcome, subscribed = browser.receive(), browser.receive()
    assert (welcome["event"], welcome["data"]["user"]["id"]) == ("welcome", "bob")
    assert (subscribed["event"], subscribed["data"]["streams"]) == ("subscribed", ["private-a"])
    assert server.requests == 1


def test_waiting_for_keys_is_not_the_clients_delay(start_gateway: Start, server: KeyServer, keep: Keep) -> None:
    """Its time for a token, and for signs of life, do not run meanwhile; those of others do."""
    server.answer = server.hang
    gateway = start_gateway(settings(server.url, timeout="30s"))
    auth = json.dumps({"action": "auth", "token": OLD.sign(claims("bob"))}).encode()
    browser = keep(Browser(gateway.edge, "/hasty", early=frame_bytes(TEXT, auth)))
    gateway.wait_for_metric("carillon_commands_total", 1)
    for _ in range(5):
        assert keep(WebSocket(gateway.edge, "/hasty")).receive_close()[0] == 4009

    server.open_gate.set()

    assert browser.receive()["event"] == "welcome"


@pytest.mark.parametrize("path", ["/first", "/open"])
def test_a_frame_with_an_unknown_key_is_refused_when_it_stays_unknown(
    start_gateway: Start, server: KeyServer, keep: Keep, path: str
) -> None:
    gateway = start_gateway(settings(server.url))
    auth = json.dumps({"action": "auth", "token": NEVER.sign(claims())}).encode()
    if path == "/first":
        browser = keep(Browser(gateway.edge, path, early=frame_bytes(TEXT, auth)))
        assert browser.receive_close()[0] == 4001
    else:
        browser = keep(Browser(gateway.edge, path))
        reply = browser.ask("auth", token=NEVER.sign(claims()))
        assert (reply["event"], reply["data"]["code"]) == ("error", "unauthorized")
        assert browser.ask("ping")["event"] == "pong"


def test_the_gateway_ends_while_clients_wait(start_gateway: Start, server: KeyServer, keep: Keep) -> None:
    """Those who wait in the handshake, those who wait after it, and those who have gone meanwhile. Whoever
    is still there is told goodbye, and the answer is heard."""
    server.answer = server.hang
    gateway = start_gateway(settings(server.url, timeout="30s"))
    token = OLD.sign(claims())
    waiting = []
    for number in range(4):
        connection = RawConnection(gateway.edge)
        connection.send(request_bytes("/ws", upgrade_headers("gateway.test", Authorization=f"Bearer {token}")))
        browser = Browser(gateway.edge, "/open")
        browser.send_text(json.dumps({"action": "auth", "token": token}))
        for each in (connection, browser):
            keep(each) if number % 2 == 0 else each.close()
        if number % 2 == 0:
            waiting.append(browser)
    gateway.wait_for_metric("carillon_commands_total", 4)
    gateway.begin_stop()
    for browser in waiting:
        with pytest.raises(ClosedByGateway) as closed:
            while True:
                browser.next_message()
        browser.answer_close(closed.value.code)
    gateway.stop()


def test_keys_over_tls(start_gateway: Start, keep: Keep, tmp_path: Path) -> None:
    """The certificate must be one of the system's, or of auth.jwks.ca_file."""
    certificate = make_certificate(tmp_path / "server.pem")
    server = keep(KeyServer(OLD, certificate=certificate))
    distrustful = start_gateway(settings(server.url))
    eventually(lambda: fetches(distrustful, "failed"), lambda count: count >= 1, "the refusal")
    assert status_of(distrustful, OLD) == 503
    distrustful.wait_for_log("certificate")
    assert server.requests == 0

    assert user_of(start_gateway(settings(server.url, ca_file=str(certificate))), OLD) == "old"


def test_check_token_fetches_as_well(binary: str, server: KeyServer, tmp_path: Path) -> None:
    def check(url: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "c.yaml").write_text(json.dumps(settings(url)))
        return subprocess.run(
            [binary, "check-token", "-c", str(tmp_path / "c.yaml")],
            input=OLD.sign(claims()), capture_output=True, text=True, timeout=PATIENCE, env=clean_environment(),
        )  # fmt: skip

    checked = check(server.url)
    assert (checked.returncode, json.loads(checked.stdout)["user"]) == (0, "alice")
    server.answer = BAD["a secret"][0]
    checked = check(server.url)
    assert checked.returncode == 1
    assert "holds a secret" in checked.stderr
    server.close()
    checked = check(server.url)
    assert checked.returncode == 1
    assert f"no keys from {server.url}" in checked.stderr


def test_addresses_change_with_sighup(start_gateway: Start, server: KeyServer, keep: Keep) -> None:
    """The keys of an address that stays are not fetched anew; those of one that goes are gone."""
    other = keep(KeyServer(NEW))
    gateway = start_gateway(settings(server.url))
    assert user_of(gateway, OLD) == "old"

    gateway.reload({"auth": {"keys": [{"jwks_url": server.url}, {"jwks_url": other.url}]}})
    fetched = server.requests
    assert [user_of(gateway, key) for key in (OLD, NEW)] == ["old", "new"]
    gateway.reload({"auth": {"keys": [{"jwks_url": other.url}]}})
    assert [user_of(gateway, key) for key in (OLD, NEW)] == [None, "new"]
    assert server.requests == fetched


def test_another_interval_does_not_cost_the_keys(start_gateway: Start, server: KeyServer) -> None:
    """Although the address is gone meanwhile; and counters only rise."""
    gateway = start_gateway(settings(server.url))
    assert user_of(gateway, OLD) == "old"
    server.close()
    gateway.reload({"auth": {"jwks": {"refresh": "20m", "min_interval": "200ms", "timeout": "2s"}}})
    eventually(lambda: fetches(gateway, "failed"), lambda count: count >= 1, "a failure")
    assert user_of(gateway, OLD) == "old"
    assert fetches(gateway, "ok") == 1
    gateway.wait_for_log("those from before still count")
    assert "there are none from it yet" not in gateway.log_text()
