"""How fast a client may send: what comes faster is dropped, it is told how long to wait, and closed when it goes on."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from support.gateway import Gateway
from support.patience import eventually
from support.ws import TEXT, Browser, ClosedByGateway, WebSocket, frame_bytes

PING = frame_bytes(TEXT, b'{"action":"ping","data":1}')

Start = Callable[..., Gateway]
Keep = Callable[[Any], Any]


def test_by_default_200_at_once(gateway: Gateway, connect: Callable[..., Browser]) -> None:
    """And then 100 a second; nobody else's messages count."""
    other, browser = connect("/ws"), connect("/ws")
    before = gateway.metrics().value("carillon_rate_limited_total")
    began = time.monotonic()
    browser.send(PING * 1000)
    dropped = gateway.wait_for_metric("carillon_rate_limited_total", lambda value: value > before) - before
    gateway.wait_for_metric("carillon_commands_total", lambda value: value >= 1000)
    elapsed = time.monotonic() - began
    dropped = gateway.metrics().value("carillon_rate_limited_total") - before
    assert 1000 - 200 - 100 * (elapsed + 1) <= dropped <= 800
    seen = Counter(browser.receive()["event"] for _ in range(int(1000 - dropped)))
    assert seen["pong"] >= 200
    for _ in range(50):
        assert other.ask("ping")["event"] == "pong"


def test_the_client_is_told_how_long_to_wait(start_gateway: Start, keep: Keep) -> None:
    gateway = start_gateway({"edge": {"endpoints": [{"path": "/ws", "anonymous": True, "messages_per_second": 1}]}})
    browser = keep(Browser(gateway.edge))
    browser.send(PING * 10)
    events = []
    while "error" not in [each["event"] for each in events]:
        events.append(browser.receive())
    error = events[-1]["data"]
    assert error["code"] == "rate_limited"
    assert error["temporary"] is True
    assert 1 <= error["retry_after_ms"] <= 1000

    browser.socket.settimeout(0.1)

    def answered() -> bool:
        browser.send(PING)
        try:
            return bool(browser.receive()["event"] == "pong")
        except TimeoutError:
            return False

    eventually(answered, bool, "a place")


def test_who_goes_on_for_ten_seconds_is_closed(start_gateway: Start, keep: Keep) -> None:
    """And is told about once a second until then."""
    gateway = start_gateway({"edge": {"endpoints": [{"path": "/ws", "anonymous": True, "messages_per_second": 1}]}})
    client = keep(WebSocket(gateway.edge, "/ws"))
    enough = threading.Event()

    def go_on() -> None:
        while not enough.wait(0.02):
            client.send(PING * 20)

    sender = threading.Thread(target=go_on)
    began = time.monotonic()
    sender.start()
    kinds: Counter[str] = Counter()
    try:
        with pytest.raises(ClosedByGateway) as closed:
            while True:
                kinds[json.loads(client.next_message().payload)["event"]] += 1
    finally:
        enough.set()
        sender.join()
    took = time.monotonic() - began
    client.answer_close(closed.value.code)
    assert (closed.value.code, closed.value.reason) == (4102, "messages too fast")
    assert took >= 9.9  # the shard's clock is read between turns
    assert 5 <= kinds["error"] <= took + 1


def test_0_is_any_number(start_gateway: Start, keep: Keep) -> None:
    gateway = start_gateway({"edge": {"endpoints": [{"path": "/ws", "anonymous": True, "messages_per_second": 0}]}})
    browser = keep(Browser(gateway.edge))
    browser.send(PING * 2000)
    assert all(browser.receive()["event"] == "pong" for _ in range(2000))
