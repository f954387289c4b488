"""Sessions that nobody needs: anonymous, without a stream, and nothing is said either way."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from support.control import Control, event
from support.gateway import Gateway, token
from support.patience import eventually
from support.ws import PING, Browser, with_query

Start = Callable[..., Gateway]
Keep = Callable[[Any], Any]


def test_who_does_nothing_is_closed(start_gateway: Start, keep: Keep) -> None:
    """Pings are nothing. A stream, a user, a message from the client or to it are something."""
    endpoint = {"path": "/ws", "anonymous": True, "idle_timeout": "3s"}
    gateway = start_gateway({"edge": {"endpoints": [endpoint]}})
    control = keep(Control(gateway.control))

    def join(target: str = "/ws") -> Browser:
        browser = keep(Browser(gateway.edge, target))
        assert isinstance(browser, Browser)
        return browser

    idle, pinging, left = join(), join(), join("/ws?streams=chat")
    listening, user = join("/ws?streams=chat"), join(with_query("/ws", token=token("alice")))
    talking, hearing = join(), join()
    left.unsubscribe("chat")
    heard, pinged_at = 0, 0.0

    def closed() -> float:
        nonlocal heard, pinged_at
        if time.monotonic() > pinged_at + 0.1:  # more would be a flood
            pinged_at = time.monotonic()
            with suppress(ConnectionError):  # its end is what is waited for
                pinging.send_frame(PING, b"")
        assert talking.ask("ping")["event"] == "pong"
        control.to_session(hearing.session, event())
        heard += 1
        return gateway.metrics().value("carillon_connections_closed_total", code="4104")

    eventually(closed, lambda count: count == 3, "the idle ones' end")
    assert idle.receive_close() == (4104, "nothing was said for long")
    assert [hearing.receive()["event"] for _ in range(heard)] == ["note"] * heard
    for browser in (listening, user, talking, hearing):
        assert browser.ask("ping")["event"] == "pong"


def test_0_is_for_ever(start_gateway: Start, keep: Keep) -> None:
    endpoints = [
        {"path": "/ws", "anonymous": True, "idle_timeout": "1s"},
        {"path": "/ever", "anonymous": True, "idle_timeout": "0s"},
    ]
    gateway = start_gateway({"edge": {"endpoints": endpoints}})
    ever, idle = keep(Browser(gateway.edge, "/ever")), keep(Browser(gateway.edge))
    assert idle.receive_close()[0] == 4104
    assert ever.ask("ping")["event"] == "pong"
