"""A session lives as long as its token: the client is told before, may bring a new one, and is closed after."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control, event
from support.gateway import Gateway, token
from support.ws import TEXT, Browser, frame_bytes, with_query

CLOSED = "carillon_connections_closed_total"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {"endpoints": [
            {"path": "/ws", "anonymous": True},
            {"path": "/first", "auth_timeout": "30s"},
        ]},
        "auth": {"leeway": "0s"},
    }  # fmt: skip


def at_connect(connect: Callable[..., Browser], text: str) -> Browser:
    return connect(with_query("/ws", token=text))


def as_first_frame(connect: Callable[..., Browser], text: str) -> Browser:
    auth = json.dumps({"action": "auth", "token": text}).encode()
    browser = connect("/first", early=frame_bytes(TEXT, auth))
    assert browser.receive()["event"] == "welcome"
    return browser


def later(connect: Callable[..., Browser], text: str) -> Browser:
    browser = connect("/ws")
    assert browser.ask("auth", token=text)["event"] == "authenticated"
    return browser


@pytest.mark.parametrize("begin", [at_connect, as_first_frame, later])
def test_the_client_is_told_and_then_closed(
    gateway: Gateway, connect: Callable[..., Browser], begin: Callable[..., Browser]
) -> None:
    """Wherever the token came from: token_expiring when a tenth of its life is left, then 4202, and not before its
    time."""
    expires = int(time.time()) + 6
    with gateway.rises(CLOSED, code="4202"):
        browser = begin(connect, token("alice", exp=expires))

        notice = browser.receive()
        code, reason = browser.receive_close()

    assert time.time() >= expires
    assert (notice["stream"], notice["event"]) == ("system", "token_expiring")
    assert 0 < notice["data"]["expires_in_ms"] <= 600
    assert (code, reason) == (4202, "the token has expired: come back with a new one")


def test_a_new_token_for_the_same_user_keeps_the_session(
    control: Control, connect: Callable[..., Browser]
) -> None:
    """In band: nothing is missed and nothing is subscribed anew; what the new token says counts from then on."""
    expires = int(time.time()) + 3
    browser = connect(with_query("/ws", token=token("bob", exp=expires, roles=["reader"]), streams="private-a"))

    reply = browser.ask("auth", token=token("bob", exp=expires + 6, roles=["editor"], streams=["private-b"]))

    assert reply["event"] == "authenticated"
    assert reply["data"]["user"]["roles"] == ["editor"]
    assert reply["data"]["streams"] == ["private-b"]
    notice = browser.receive()
    assert notice["event"] == "token_expiring"
    assert time.time() > expires  # the first token's end has passed
    for stream in ("private-a", "private-b"):
        control.to_stream(stream, event("still-there"))
        assert browser.receive()["stream"] == stream
    assert browser.receive_close()[0] == 4202
    assert time.time() >= expires + 6


def test_a_token_may_be_refreshed_after_the_notice(connect: Callable[..., Browser]) -> None:
    """Which is when clients do it."""
    browser = connect(with_query("/ws", token=token("carol", exp=int(time.time()) + 6)))
    assert browser.receive()["event"] == "token_expiring"
    assert browser.ask("auth", token=token("carol", exp=int(time.time()) + 6))["event"] == "authenticated"
    assert browser.receive()["event"] == "token_expiring"
    assert browser.receive_close()[0] == 4202


def test_a_refresh_leaves_filters_alone(control: Control, connect: Callable[..., Browser]) -> None:
    """Also on a stream that the new token names: the client goes on where it was."""
    browser = connect(with_query("/ws", token=token("gina")))
    browser.ask("subscribe", streams=["narrow"], filter={"events": ["wanted"]})
    assert browser.ask("auth", token=token("gina", streams=["narrow"]))["data"]["streams"] == ["narrow"]
    for name in ("unwanted", "wanted"):
        control.to_stream("narrow", event(name))
    assert browser.receive()["event"] == "wanted"


def test_nobody_changes_into_somebody_else(connect: Callable[..., Browser]) -> None:
    """Nor does a bad token do any harm: the session goes on with the one that it has."""
    browser = connect(with_query("/ws", token=token("dave")))
    for text, code in ((token("eve"), "already_authenticated"), ("rubbish", "unauthorized"),
                       (token("dave", exp=1), "unauthorized")):  # fmt: skip
        reply = browser.ask("auth", token=text)
        assert (reply["event"], reply["data"]["code"]) == ("error", code)
    assert browser.ask("ping")["event"] == "pong"


def test_a_client_that_reads_nothing_is_closed_too(gateway: Gateway, connect: Callable[..., Browser]) -> None:
    """Its notice waits in the queue; its session does not."""
    with gateway.rises(CLOSED, code="4202"):
        connect(with_query("/ws", token=token("frank", exp=int(time.time()) + 2)))
        gateway.wait_for_metric("carillon_users", 0)
