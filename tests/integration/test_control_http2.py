"""The control port below gRPC's calls: what it lets a peer do to its HTTP/2 connection (reliability R56)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.control import Control
from support.http import RawConnection

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS, PING, GOAWAY = 0x1, 0x4, 0x6, 0x7
MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE = 0x3, 0x6
ENHANCE_YOUR_CALM = 0xB


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    """RFC 9113 section 4.1."""
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def frames(connection: RawConnection) -> Iterator[tuple[int, int, bytes]]:
    """Kind, flags and payload of each frame, to the connection's end."""
    buffer = b""
    while True:
        while len(buffer) >= 9 and len(buffer) >= 9 + (size := int.from_bytes(buffer[:3], "big")):
            yield buffer[3], buffer[4], buffer[9 : 9 + size]
            buffer = buffer[9 + size :]
        try:
            data = connection.receive_some()
        except ConnectionResetError:
            return
        if not data:
            return
        buffer += data


@pytest.fixture
def http2(gateway: Any, keep: Callable[[Any], Any]) -> RawConnection:
    """A connection that has said hello."""
    connection = keep(RawConnection(gateway.control))
    connection.send(PREFACE + frame(SETTINGS))
    return connection


def test_the_bounds_are_announced(http2: RawConnection) -> None:
    """100 calls at once, 8 KiB of metadata."""
    kind, _, payload = next(frames(http2))

    settings = dict(struct.iter_unpack("!HI", payload))
    assert kind == SETTINGS
    assert settings[MAX_CONCURRENT_STREAMS] == 100
    assert settings[MAX_HEADER_LIST_SIZE] == 8192


def test_a_flood_of_pings_ends_its_connection(http2: RawConnection, control: Control) -> None:
    """GOAWAY says why; other callers do not notice."""
    http2.send(frame(PING, b"12345678") * 50)

    (goaway,) = (payload for kind, _, payload in frames(http2) if kind == GOAWAY)

    assert struct.unpack_from("!II", goaway)[1] == ENHANCE_YOUR_CALM
    assert control.count() == 0


@pytest.mark.parametrize(
    "junk", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\0" * 100, PREFACE + b"\xff" * 100]
)
def test_junk_ends_its_connection(gateway: Any, keep: Callable[[Any], Any], control: Control, junk: bytes) -> None:
    """What is no HTTP/2 gets no service, and takes none from others."""
    connection = keep(RawConnection(gateway.control))
    connection.send(junk)

    assert all(kind != HEADERS for kind, _, _ in frames(connection))
    assert control.count() == 0
