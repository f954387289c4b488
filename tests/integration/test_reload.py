"""SIGHUP loads the configuration again: all or nothing, and the log says what has changed."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.control import Control, pb, stream_item
from support.gateway import JWT_SECRET, LOADED, REFUSED, Gateway, merged, sign, token
from support.http import RawConnection, request_bytes, upgrade_headers
from support.jose import Key
from support.patience import eventually
from support.ws import Browser, with_query

NEW_SECRET = "another-secret-of-the-tests-0123456789"
KEY = "a-key-for-backends"
COUNT = pb.CountSubscribersRequest(user_id="alice")
PRIVATE = {"edge": {"endpoints": [{"path": "/ws"}]}}

Start = Callable[..., Gateway]
Keep = Callable[[Any], Any]


def lines(gateway: Gateway) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gateway.log_text().splitlines()]


def said(gateway: Gateway, message: str) -> list[dict[str, Any]]:
    return [line for line in lines(gateway) if line["msg"].startswith(message)]


def status(gateway: Gateway, text: str = "", **headers: str) -> int:
    """What a handshake is answered with."""
    connection = RawConnection(gateway.edge)
    if text:
        headers["Authorization"] = f"Bearer {text}"
    connection.send(request_bytes("/ws", upgrade_headers("gateway.test", **headers)))
    answer = connection.read_response().status
    connection.close()
    return answer


def test_nothing_has_changed(start_gateway: Start) -> None:
    gateway = start_gateway()
    gateway.hang_up()
    (line,) = said(gateway, LOADED)
    assert (line["changed"], line["need_restart"]) == (0, 0)


def test_a_new_secret_counts_for_new_tokens(start_gateway: Start, keep: Keep) -> None:
    """Sessions stay; the value is in no log."""
    gateway = start_gateway(PRIVATE)
    browser = keep(Browser(gateway.edge, with_query("/ws", token=token("alice"))))
    fresh = sign({"sub": "alice", "exp": 4_000_000_000}, NEW_SECRET)
    assert status(gateway, fresh) == 401

    gateway.reload({"auth": {"hs256_secret": NEW_SECRET, "max_lifetime": "0s"}})

    assert status(gateway, fresh) == 101
    assert status(gateway, token("alice")) == 401
    assert browser.ask("ping")["event"] == "pong"
    assert [(line["setting"], line["from"], line["to"]) for line in said(gateway, "a setting has changed")] == [
        ("auth.hs256_secret", "", ""),
        ("auth.max_lifetime", "86400000ms", "0ms"),
    ]
    assert NEW_SECRET not in gateway.log_text()
    assert JWT_SECRET not in gateway.log_text()


def test_a_file_of_keys_is_read_again(start_gateway: Start, tmp_path: Path) -> None:
    """Although no setting has changed."""
    old, new = Key("ES256"), Key("ES256")
    pem = tmp_path / "key.pem"
    pem.write_text(old.pem())
    gateway = start_gateway(merged(PRIVATE, {"auth": {"hs256_secret": "", "keys": [{"pem_file": str(pem)}]}}))
    claims = {"sub": "alice", "exp": int(time.time()) + 600}
    assert [status(gateway, key.sign(claims)) for key in (old, new)] == [101, 401]

    pem.write_text(new.pem())
    gateway.hang_up()

    assert [status(gateway, key.sign(claims)) for key in (old, new)] == [401, 101]


def test_origins_cookies_and_keys_of_backends(start_gateway: Start) -> None:
    gateway = start_gateway(merged(PRIVATE, {"control": {"keys": [{"name": "first", "secret": KEY}]}}))
    page = {"Origin": "https://new.example.com", "Cookie": f"sid={token('alice')}"}
    assert status(gateway, **page) == 403
    with Control(gateway.control, KEY) as backend:
        assert backend.count(user_id="alice") == 0

        gateway.reload({
            "edge": {"allowed_origins": ["https://new.example.com"]},
            "auth": {"cookie": "sid"},
            "control": {"keys": [{"name": "second", "secret": KEY + "-2"}]},
        })  # fmt: skip

        assert status(gateway, **page) == 101
        assert backend.refused("CountSubscribers", COUNT).code.name == "UNAUTHENTICATED"
    with Control(gateway.control, KEY + "-2") as backend:
        assert backend.count(user_id="alice") >= 0


def test_the_log_level(start_gateway: Start) -> None:
    gateway = start_gateway({"log": {"level": "warn"}})
    config = json.loads(gateway.file.read_text())
    gateway.file.write_text(json.dumps(merged(config, {"log": {"level": "info"}})))
    gateway.hang_up()
    (line,) = said(gateway, "a setting has changed")
    assert (line["setting"], line["from"], line["to"]) == ("log.level", "warn", "info")


def test_a_wrong_file_changes_nothing(start_gateway: Start) -> None:
    """Each problem is told with its place; what is right in the file does not count either."""
    gateway = start_gateway(PRIVATE)
    config = json.loads(gateway.file.read_text())
    good = gateway.file.read_text()
    wrong = merged(config, {"auth": {"hs256_secret": NEW_SECRET, "leeway": "1h"}, "edge": {"nonsense": 1}})
    gateway.file.write_text(json.dumps(wrong))
    gateway.hang_up(REFUSED)
    eventually(lambda: len(said(gateway, REFUSED)), lambda count: count == 2, "both problems")
    whys = [line["why"] for line in said(gateway, REFUSED)]
    assert any("auth.leeway" in why for why in whys) and any("edge.nonsense" in why for why in whys)
    assert all(str(gateway.file) + ":1:" in why for why in whys)
    assert status(gateway, token("alice")) == 101

    gateway.file.write_text("{")
    gateway.hang_up(REFUSED)
    gateway.file.unlink()
    gateway.hang_up(REFUSED)
    assert status(gateway, token("alice")) == 101
    gateway.file.write_text(good)
    gateway.hang_up()


def test_what_needs_a_restart_is_named(start_gateway: Start) -> None:
    """Each time, until the restart; the rest of the file counts."""
    gateway = start_gateway(PRIVATE)
    for issuer in ("one", "two"):
        gateway.reload({"hub": {"shards": 2}, "auth": {"issuer": issuer}})
        assert status(gateway, token("alice", iss=issuer)) == 101
    waiting = said(gateway, "a setting has changed that needs a restart")
    assert [(line["setting"], line["to"]) for line in waiting] == [("hub.shards", "2")] * 2
    assert [line["need_restart"] for line in said(gateway, LOADED)] == [1, 1]


def test_the_control_port_stays_closed_to_strangers(start_gateway: Start) -> None:
    """It stays where it is until the restart: a file that would only be safe with another address is refused."""
    keys = [{"name": "a", "secret": KEY}]
    gateway = start_gateway({"control": {"listen": "0.0.0.0:0", "insecure": True, "keys": keys}})
    gateway.reload({"control": {"listen": "127.0.0.1:0", "keys": []}}, REFUSED)
    with Control("127.0.0.1:" + gateway.control.rpartition(":")[2]) as backend:
        assert backend.refused("CountSubscribers", COUNT).code.name == "UNAUTHENTICATED"


def test_a_file_that_is_being_written_changes_nothing(start_gateway: Start) -> None:
    """Empty, or without the keys that keep strangers out."""
    gateway = start_gateway(merged(PRIVATE, {"control": {"keys": [{"name": "a", "secret": KEY}]}}))
    gateway.file.write_text("")
    gateway.hang_up(REFUSED)
    change_to = json.dumps({"edge": {"endpoints": [{"path": "/ws", "anonymous": True}]}})
    gateway.file.write_text(change_to)
    gateway.hang_up(REFUSED)
    assert "control.keys are gone" in said(gateway, REFUSED)[-1]["why"]
    with Control(gateway.control) as stranger:
        assert stranger.refused("CountSubscribers", COUNT).code.name == "UNAUTHENTICATED"


def test_a_stream_of_publishes_ends_with_its_key(start_gateway: Start) -> None:
    keys = [{"name": name, "secret": f"{KEY}-{name}"} for name in ("first", "second")]
    gateway = start_gateway({"control": {"keys": keys}})
    with Control(gateway.control, f"{KEY}-first") as first, Control(gateway.control, f"{KEY}-second") as second:
        goes, stays = first.publisher(), second.publisher()
        for publisher in (goes, stays):
            publisher.wait_acked(publisher.send([stream_item("chat")]))
        gateway.reload({"control": {"keys": keys[1:]}})
        stays.wait_acked(stays.send([stream_item("chat")]))
        goes.send([stream_item("chat")])
        assert goes.refused().code.name == "UNAUTHENTICATED"
        assert stays.finish() == []


def test_variables_still_beat_the_file(start_gateway: Start) -> None:
    gateway = start_gateway(PRIVATE, environment={"CARILLON_AUTH_HS256_SECRET": NEW_SECRET})
    gateway.reload({"auth": {"hs256_secret": JWT_SECRET, "max_lifetime": "0s"}})
    assert status(gateway, sign({"sub": "alice", "exp": 4_000_000_000}, NEW_SECRET)) == 101
    assert status(gateway, token("alice")) == 401


def test_loading_again_and_again(start_gateway: Start) -> None:
    """No handshake fails meanwhile."""
    gateway = start_gateway(PRIVATE)
    text = token("alice")
    for _ in range(50):
        gateway.process.send_signal(signal.SIGHUP)
        assert status(gateway, text) == 101
    gateway.hang_up()
    assert not said(gateway, REFUSED)
