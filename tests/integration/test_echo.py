"""The echo dialect: every message comes back as it went, through the same sessions and queues as all others, so that
conformance suites can be pointed at the real thing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.control import Control, event
from support.gateway import clean_environment
from support.patience import dice, scaled
from support.ws import BINARY, CONTINUATION, PING, PONG, TEXT, WebSocket, frame_bytes

LIMIT = 1 << 20


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {
            "endpoints": [
                {"path": "/ws", "anonymous": True},
                {
                    "path": "/echo",
                    "anonymous": True,
                    "dialect": "echo",
                    "max_message_bytes": str(LIMIT),
                    "outbox_bytes": "64MiB",
                },
            ]
        }
    }


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 255, 256, 257, 4096, 8192, 8193, 65535, 65536, 65537, LIMIT])
def test_a_message_of_any_size_comes_back(websocket: Callable[..., WebSocket], opcode: int, size: int) -> None:
    """At every boundary of the framing and of the gateway's own buffers."""
    payload = bytes(0x20 + number % 0x5F for number in range(size))
    client = websocket("/echo")

    client.send_frame(opcode, payload)
    message = client.next_message()

    assert (message.opcode, message.payload) == (opcode, payload)


def test_fragments_come_back_as_one_message(websocket: Callable[..., WebSocket]) -> None:
    """With empty ones among them, and with pings between them, which are answered at once."""
    client = websocket("/echo")

    client.send(frame_bytes(TEXT, b"", fin=False) + frame_bytes(CONTINUATION, b"one ", fin=False))
    client.send(frame_bytes(PING, b"between"))
    pong = client.next_frame()
    client.send(frame_bytes(CONTINUATION, b"", fin=False) + frame_bytes(CONTINUATION, b"two", fin=False))
    client.send(frame_bytes(CONTINUATION, b""))
    message = client.next_message()

    assert pong is not None and (pong.opcode, pong.payload) == (PONG, b"between")
    assert (message.opcode, message.payload) == (TEXT, b"one two")


def test_empty_messages_come_back(websocket: Callable[..., WebSocket]) -> None:
    """One for each, whole or in fragments."""
    client = websocket("/echo")

    client.send(frame_bytes(TEXT) + frame_bytes(BINARY))
    client.send(frame_bytes(BINARY, fin=False) + frame_bytes(CONTINUATION, fin=False) + frame_bytes(CONTINUATION))
    client.send(frame_bytes(TEXT, b"end"))

    messages = [(each.opcode, each.payload) for each in (client.next_message() for _ in range(4))]
    assert messages == [(TEXT, b""), (BINARY, b""), (BINARY, b""), (TEXT, b"end")]


def test_random_conversations_come_back(websocket: Callable[..., WebSocket]) -> None:
    """Messages of random kinds and sizes, cut into random fragments, sent in random pieces."""
    random = dice()
    client = websocket("/echo")

    for _ in range(scaled(60, 10)):
        batch, stream = [], b""
        for _ in range(random.randrange(1, 6)):
            opcode = random.choice([TEXT, BINARY])
            text = "".join(random.choice("aZ 9é€𝄞\n\0") for _ in range(random.choice([0, 3, 200, 3000, 30_000])))
            payload = text.encode()
            batch.append((opcode, payload))
            cuts = sorted(random.randrange(len(payload) + 1) for _ in range(random.randrange(5)))
            parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
            for number, part in enumerate(parts):
                last = number == len(parts) - 1
                kind = CONTINUATION if number > 0 else opcode
                stream += frame_bytes(kind, part, fin=last, mask=random.randbytes(4))
        at = 0
        while at < len(stream):
            size = random.choice([1, 7, 300, 5000, 100_000])
            client.send(stream[at : at + size])
            at += size
        assert [(each.opcode, each.payload) for each in (client.next_message() for _ in batch)] == batch


def test_what_is_for_everyone_is_not_echoed(control: Control, websocket: Callable[..., WebSocket]) -> None:
    """Broadcasts are no part of this language."""
    client = websocket("/echo")

    control.to_all(event("hello"))
    client.send_frame(TEXT, b"only this")

    assert client.next_message().payload == b"only this"


def test_echo_is_refused_off_loopback(binary: str, tmp_path: Path) -> None:
    """check-config says so, with the place: it would answer strangers without end."""
    file = tmp_path / "carillon.yaml"
    file.write_text(
        "edge:\n"
        '  listen: "0.0.0.0:0"\n'
        "  endpoints:\n"
        "    - {path: /echo, dialect: echo, anonymous: true}\n"
    )

    checked = subprocess.run(
        [binary, "check-config", "-c", str(file)], capture_output=True, text=True, env=clean_environment(), timeout=60
    )

    assert checked.returncode == 1
    assert f"{file}:4:" in checked.stderr
    assert "edge.endpoints[0].dialect" in checked.stderr
