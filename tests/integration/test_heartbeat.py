"""Heartbeats: who answers lives, who is silent is let go, and nobody keeps a connection by not saying goodbye."""

from __future__ import annotations

import json
import select
import signal
from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control, event
from support.patience import PATIENCE
from support.ws import CLOSE, PING, PONG, TEXT, Browser, Frame, WebSocket

CLOSED = "carillon_connections_closed_total"

# Pings four times a second, whatever happens elsewhere.
METRONOME = {"path": "/ws", "anonymous": True, "dialect": "echo", "ping_interval": "250ms", "peer_timeout": "0s"}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    native = {"anonymous": True}
    echo = {"anonymous": True, "dialect": "echo"}
    return {
        "edge": {
            "endpoints": [
                {"path": "/ws", "ping_interval": "250ms", "peer_timeout": "1s", **native},
                {"path": "/echo", "ping_interval": "250ms", "peer_timeout": "1s", **echo},
                {"path": "/wave", "ping_interval": "2s", "peer_timeout": "0s", **echo},
                {"path": "/no-pings", "ping_interval": "0s", "peer_timeout": "600ms", **echo},
                {"path": "/calm", **native},
                {"path": "/backlog", **native, "ping_interval": "250ms", "peer_timeout": "1s",
                 "send_buffer_bytes": "4KiB", "outbox_bytes": "64MiB"},
            ]
        }
    }


def next_frame(client: WebSocket) -> Frame:
    frame = client.next_frame()
    assert frame is not None, "the connection ended"
    return frame


def test_a_client_that_answers_pings_lives_on(connect: Callable[..., Browser]) -> None:
    """Ping after ping, well beyond the time after which silence is death."""
    browser = connect()

    for _ in range(5):
        ping = next_frame(browser)
        assert (ping.opcode, ping.payload) == (PING, b"")
        browser.send_frame(PONG, ping.payload)

    assert browser.ask("ping")["event"] == "pong"


def test_any_frame_is_a_sign_of_life(websocket: Callable[..., WebSocket]) -> None:
    """A client that answers no ping but talks is not dead."""
    client = websocket("/echo")

    for number in range(5):
        assert next_frame(client).opcode == PING
        client.send_frame(TEXT, b"%d" % number)
        while (frame := next_frame(client)).opcode == PING:
            pass
        assert frame.payload == b"%d" % number


def test_first_pings_are_spread_over_time(websocket: Callable[..., WebSocket]) -> None:
    """A wave of reconnects must not become a wave of pings: when the first of many has come, others have not."""
    clients = [websocket("/wave") for _ in range(32)]
    sockets = [client.socket for client in clients]

    assert select.select(sockets, [], [], PATIENCE)[0], "no ping came"
    early, _, _ = select.select(sockets, [], [], 0)

    assert len(early) < len(clients) / 2
    for client in clients:
        assert next_frame(client).opcode == PING


def test_a_silent_client_is_let_go(gateway: Any, websocket: Callable[..., WebSocket]) -> None:
    """4201, with pings or without, and soon after it the end of the connection, although the client says nothing to
    that either."""
    with gateway.rises(CLOSED, by=2, code="4201"):
        clients = [websocket("/echo"), websocket("/no-pings")]
        for client in clients:
            while (frame := next_frame(client)).opcode != CLOSE:
                assert frame.opcode == PING

            assert frame.code == 4201
        assert all(client.is_ended() for client in clients)


def test_time_in_which_the_gateway_stood_still_is_not_the_clients_silence(
    gateway: Any, start_gateway: Callable[..., Any], websocket: Callable[..., WebSocket], keep: Callable[[Any], Any]
) -> None:
    """A paused container, a machine that was suspended: what clients said meanwhile is read before they are judged."""
    clock = keep(WebSocket(start_gateway({"edge": {"endpoints": [METRONOME]}}).edge))
    client = websocket("/echo")
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(10):  # two and a half times what counts as dead
            assert next_frame(clock).opcode == PING
            client.send_frame(TEXT, b"still here")
    finally:
        gateway.process.send_signal(signal.SIGCONT)

    for _ in range(10):
        while (frame := next_frame(client)).opcode == PING:
            pass
        assert frame.payload == b"still here"


def test_a_client_that_works_through_a_backlog_is_alive(
    control: Control, connect: Callable[..., Browser], websocket: Callable[..., WebSocket], fresh: Callable[[str], str]
) -> None:
    """Pings stand behind what waits, so it cannot answer them in time; that it takes what waits is sign enough."""
    stream = fresh("stream")
    clock = websocket("/echo")
    reader = connect(f"/backlog/{stream}", receive_buffer=4096)
    count, size = 20, 60_000
    for number in range(count):
        control.to_stream(stream, event("n", json=json.dumps([number, "x" * size])))

    numbers = []
    while len(numbers) < count:
        if len(numbers) % 2 == 0:
            assert next_frame(clock).opcode == PING  # 250 ms have passed
            clock.send_frame(PONG)
        frame = next_frame(reader)
        if frame.opcode == TEXT:
            numbers.append(json.loads(frame.payload)["data"][0])

    assert numbers == list(range(count))
    assert reader.ask("ping")["event"] == "pong"


def test_a_client_that_never_answers_a_goodbye_is_reset(
    gateway: Any, control: Control, connect: Callable[..., Browser]
) -> None:
    """Whether it says nothing, goes on talking about other things, or answers but stays: no connection is left behind,
    and the books are closed under the code that was sent."""
    silent, chatty, clinging = (connect("/calm") for _ in range(3))
    with gateway.rises(CLOSED, by=2, code="4005"), gateway.rises(CLOSED, code="1000"):
        clinging.send_close(1000)
        for browser in (silent, chatty):
            assert control.kick(session_id=browser.session).sessions == 1
        chatty.send_json({"action": "ping"})

        for browser, code in ((silent, 4005), (chatty, 4005), (clinging, 1000)):
            frame = next_frame(browser)
            assert (frame.opcode, frame.code) == (CLOSE, code)
            assert browser.is_ended()
        gateway.wait_for_metric("carillon_connections", 0)
