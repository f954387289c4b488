"""A client that reads too slowly is let go, in good order if it can be, and nobody else notices."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control, event, stream_item
from support.patience import eventually, scaled
from support.swarm import Swarm
from support.ws import CLOSE, TEXT, Browser, WebSocket, close_payload, with_query

CLOSED = "carillon_connections_closed_total"
SLOW = "carillon_slow_consumers_total"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    small = {"anonymous": True, "send_buffer_bytes": "4KiB"}
    return {
        "limits": {"max_publish_bytes": "64KiB"},
        "edge": {
            "endpoints": [
                {"path": "/ws", "anonymous": True},
                {"path": "/bytes", **small, "outbox_bytes": "64KiB", "outbox_messages": 1000000},
                {"path": "/messages", **small, "outbox_messages": 10, "outbox_patience": "1s"},
                {"path": "/deadline", **small, "outbox_bytes": "64MiB", "write_deadline": "1s"},
                {"path": "/echo", **small, "dialect": "echo", "outbox_bytes": "64KiB", "outbox_messages": 1000000},
            ]
        }
    }


def numbered(number: int, size: int) -> Any:
    return event("n", json=json.dumps([number, "x" * size]))


def flood_until(gateway: Any, publish: Callable[[int], Any], name: str, value: float, **labels: str) -> int:
    """Publishes until the metric has that value; returns how many it took."""
    sent = 0

    def publish_and_look() -> float:
        nonlocal sent
        publish(sent)
        sent += 1
        return float(gateway.metrics().value(name, **labels))

    eventually(publish_and_look, lambda now: now == value, f"{name}{labels}")
    return sent


def test_a_reader_that_stops_is_let_go_and_the_others_lose_nothing(
    gateway: Any, control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """4101 is recorded for the one; each of the others receives every message, in order."""
    stream = fresh("stream")
    others = [connect(with_query("/ws", streams=stream)) for _ in range(5)]
    before = gateway.metrics()
    stopped = connect(with_query("/bytes", streams=stream), receive_buffer=4096)

    total = scaled(1000, 100)
    publisher = control.publisher()
    for number in range(total):
        publisher.send([stream_item(stream, numbered(number, 1000))])
        for other in others:
            assert other.receive()["data"][0] == number
    assert publisher.finish() == []

    gateway.wait_for_metric(SLOW, before.value(SLOW) + 1)
    assert control.count(stream=stream) == len(others)
    stopped.close()
    gateway.wait_for_metric(CLOSED, before.value(CLOSED, code="4101") + 1, code="4101")


def test_a_reader_that_resumes_in_time_learns_why_it_was_let_go(
    gateway: Any, control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """It receives whole frames in order, the rest of the one that had begun, then 4101, and nothing after it. What
    waited unsent is gone: it is less than was published."""
    stream = fresh("stream")
    before = gateway.metrics().value(SLOW)
    reader = connect(with_query("/bytes", streams=stream), receive_buffer=4096)

    sent = flood_until(gateway, lambda number: control.to_stream(stream, numbered(number, 3000)), SLOW, before + 1)
    for number in range(20):
        control.to_stream(stream, numbered(sent + number, 3000))

    received = 0
    while (frame := reader.next_frame()) is not None and frame.opcode == TEXT:
        assert json.loads(frame.payload)["data"] == [received, "x" * 3000]
        received += 1
    assert frame is not None and (frame.opcode, frame.code) == (CLOSE, 4101)
    assert "slow" in frame.reason
    assert 0 < received < sent
    with gateway.rises(CLOSED, code="4101"):
        reader.answer_close(4101)


def test_a_burst_is_forgiven_and_a_backlog_is_not(
    gateway: Any, control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """More messages than outbox_messages may wait for a moment; if they still do after outbox_patience, it is over."""
    burst, backlog = fresh("stream"), fresh("stream")
    keeps_up = connect(with_query("/messages", streams=burst), receive_buffer=4096)
    publisher = control.publisher()
    publisher.send([stream_item(burst, numbered(number, 300)) for number in range(60)])
    assert publisher.finish() == []
    assert [keeps_up.receive()["data"][0] for _ in range(60)] == list(range(60))
    assert keeps_up.ask("ping")["event"] == "pong"

    before = gateway.metrics().value(SLOW)
    stopped = connect(with_query("/messages", streams=backlog), receive_buffer=4096)
    flood_until(gateway, lambda number: control.to_stream(backlog, numbered(number, 300)), SLOW, before + 1)

    while (frame := stopped.next_frame()) is not None and frame.opcode == TEXT:
        pass
    assert frame is not None and frame.code == 4101
    assert keeps_up.ask("ping")["event"] == "pong"


def test_a_burst_to_a_thousand_healthy_readers_closes_nobody(
    gateway: Any, control: Control, keep: Callable[[Any], Any], websocket: Callable[..., WebSocket]
) -> None:
    """2,000 messages of 150 bytes at once: every reader receives every byte."""
    gateway.wait_until_empty()
    readers, count = scaled(1000, 100), 2000
    before = gateway.metrics().value(SLOW)
    swarm = keep(Swarm(gateway.edge, ["/ws/burst"] * readers))
    publisher = control.publisher()

    for first in range(0, count, 50):
        publisher.send([stream_item("burst", event("n", json=json.dumps("x" * 148)))] * min(50, count - first))
    assert publisher.finish() == []
    witness = websocket("/ws/burst")
    assert witness.next_message()  # its welcome
    control.to_stream("burst", event("n", json=json.dumps("x" * 148)))
    frame_size = 4 + len(witness.next_message().payload)

    eventually(swarm.bytes_read, lambda size: size == readers * (count + 1) * frame_size, "the bytes that were read")
    assert gateway.metrics().value(SLOW) == before
    assert control.count() == readers + 1


def test_a_reader_that_takes_nothing_for_too_long_is_reset(
    gateway: Any, control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """write_deadline: a peer at 0 bytes a second is reset, though within all bounds, and recorded as 4101."""
    stream = fresh("stream")
    stopped = connect(with_query("/deadline", streams=stream), receive_buffer=4096)
    with gateway.rises(CLOSED, code="4101"), gateway.rises(SLOW):
        for number in range(20):
            control.to_stream(stream, numbered(number, 10_000))

    assert control.count(stream=stream) == 0
    received = b""
    with pytest.raises(ConnectionResetError):
        while data := stopped.receive_some():
            received += data
    assert CLOSE not in [frame.opcode for frame in stopped.parser.feed(received)]


def test_a_slow_but_steady_reader_stays(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Whoever takes a little now and then is within the write deadline, however long the whole lasts."""
    stream = fresh("stream")
    reader = connect(with_query("/deadline", streams=stream), receive_buffer=4096)
    for number in range(20):
        control.to_stream(stream, numbered(number, 30_000))

    for number in range(20):
        assert reader.receive()["data"][0] == number

    assert reader.ask("ping")["event"] == "pong"


def test_a_client_that_asks_and_does_not_listen_is_let_go(gateway: Any, websocket: Callable[..., WebSocket]) -> None:
    """Answers are bounded like everything else: a client cannot fill the gateway's memory with its own echo."""
    client = websocket("/echo", receive_buffer=4096)
    client.socket.settimeout(0.2)
    before = gateway.metrics().value(SLOW)

    def ask_and_look() -> float:
        try:
            client.send_frame(TEXT, b"x" * 8000)
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass  # the gateway reads no more, which is as good
        return float(gateway.metrics().value(SLOW))

    eventually(ask_and_look, lambda now: now == before + 1, SLOW)


@pytest.mark.parametrize("code", [4005, 4101, 4201])
def test_a_goodbye_to_a_full_queue_still_arrives(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str], code: int
) -> None:
    """A kick stands behind what was accepted before it, whatever its code, and all of it arrives when it reads."""
    stream = fresh("stream")
    reader = connect(with_query("/deadline", streams=stream), receive_buffer=4096)
    for number in range(5):
        control.to_stream(stream, numbered(number, 30_000))
    control.kick(stream=stream, code=code)

    assert [reader.receive()["data"][0] for _ in range(5)] == [0, 1, 2, 3, 4]
    assert reader.receive_close() == (code, "kicked")


def test_a_clients_goodbye_is_answered_behind_what_waits(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Closing while the gateway is still writing tears nothing."""
    stream = fresh("stream")
    reader = connect(with_query("/deadline", streams=stream), receive_buffer=4096)
    for number in range(5):
        control.to_stream(stream, numbered(number, 30_000))
    reader.send_frame(CLOSE, close_payload(1000))

    frames = []
    while (frame := reader.next_frame()) is not None:
        frames.append(frame)

    assert [json.loads(frame.payload)["data"][0] for frame in frames[:-1]] == [0, 1, 2, 3, 4]
    assert (frames[-1].opcode, frames[-1].code) == (CLOSE, 1000)
