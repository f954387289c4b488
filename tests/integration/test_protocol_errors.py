"""Broken WebSocket frames: each ends its own connection with the close code of the rule that it broke, in a close frame
that arrives, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.ws import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Browser, WebSocket, close_payload, frame_bytes

CLOSED = "carillon_connections_closed_total"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {
            "endpoints": [
                {"path": "/ws", "anonymous": True},
                {"path": "/echo", "anonymous": True, "dialect": "echo"},
                {"path": "/small", "anonymous": True, "dialect": "echo", "max_message_bytes": "1000"},
            ]
        }
    }


def text(payload: bytes = b'{"action":"ping"}', **how: Any) -> bytes:
    return frame_bytes(TEXT, payload, **how)


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame_bytes(CLOSE, close_payload(code, reason))


BROKEN = {
    # R21
    "an unmasked text": (text(mask=None), 1002),
    "an unmasked ping": (frame_bytes(PING, mask=None), 1002),
    "an unmasked close": (frame_bytes(CLOSE, close_payload(1000), mask=None), 1002),
    "RSV1 without compression": (text(rsv=4), 1002),
    "RSV2": (text(rsv=2), 1002),
    "RSV3 on a ping": (frame_bytes(PING, rsv=1), 1002),
    **{f"reserved opcode {opcode}": (frame_bytes(opcode, b"x"), 1002) for opcode in (3, 7, 11, 15)},
    "a fragmented ping": (frame_bytes(PING, fin=False), 1002),
    "a fragmented close": (frame_bytes(CLOSE, close_payload(1000), fin=False), 1002),
    "a ping of 126 bytes": (frame_bytes(PING, b"x" * 126), 1002),
    "a pong of 70,000 bytes": (frame_bytes(PONG, b"x" * 70_000), 1002),
    "a close of 126 bytes": (closing(1000, b"x" * 124), 1002),
    "a continuation of nothing": (frame_bytes(CONTINUATION, b"x"), 1002),
    "a continuation after a whole message": (text() + frame_bytes(CONTINUATION, b"x"), 1002),
    "a new message within another": (text(fin=False) + text(), 1002),
    "a close with half a code": (frame_bytes(CLOSE, b"\x03"), 1002),
    **{
        f"close code {code}": (closing(code), 1002)
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
    # R22
    "text that is not UTF-8": (text(b'{"action":"\xff"}'), 1007),
    "text that ends within a character": (text(b'"\xe2\x82'), 1007),
    "an overlong character": (text(b'"\xc0\xaf"'), 1007),
    "a surrogate": (text(b'"\xed\xa0\x80"'), 1007),
    "beyond Unicode": (text(b'"\xf4\x90\x80\x80"'), 1007),
    "bad UTF-8 over two fragments": (text(b'"\xe2\x82', fin=False) + frame_bytes(CONTINUATION, b'x"'), 1007),
    "text that ends within a character, before an empty last fragment": (
        text(b'"\xe2\x82', fin=False) + frame_bytes(CONTINUATION, b""), 1007
    ),
    "a bad first fragment, the rest still to come": (text(b'"\xff"', fin=False), 1007),
    "a close reason that is not UTF-8": (closing(1000, b"\xff\xfe"), 1007),
    # R23
    "a message of 64 KiB and 1 byte": (text(b" " * 65537), 1009),
    "the header alone of a message of 1 GiB": (text(b"", length=1 << 30), 1009),
    "the header of the longest message there is": (text(b"", length=(1 << 63) - 1), 1009),
    "a length with its highest bit set": (text(b"", length=1 << 63), 1009),
    "fragments that add up to too much": (
        text(b" " * 40_000, fin=False) + frame_bytes(CONTINUATION, b" " * 30_000), 1009
    ),
    # R24
    "1,025 fragments": (text(b" ", fin=False) + frame_bytes(CONTINUATION, b" ", fin=False) * 1024, 1008),
    "1,025 empty fragments": (text(b"", fin=False) + frame_bytes(CONTINUATION, b"", fin=False) * 1024, 1008),
    "a flood of pings": (frame_bytes(PING, b"x") * 500, 1008),
    "a flood of pongs": (frame_bytes(PONG) * 500, 1008),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_frame_ends_its_connection_with_the_code_of_its_rule(
    gateway: Any, connect: Callable[..., Browser], case: str
) -> None:
    """The close frame arrives although more bytes may be under way, the stream ends behind it, and it is counted."""
    frames, code = BROKEN[case]
    bystander, browser = connect(), connect()

    with gateway.rises(CLOSED, code=str(code)):
        browser.send(frames)

        assert received_close(browser) == code
        browser.close()

    assert bystander.ask("ping")["event"] == "pong"


def received_close(browser: WebSocket) -> int | None:
    """The code of the close frame; answers may come before it, nothing after it."""
    while (frame := browser.next_frame()) is not None:
        if frame.opcode == CLOSE:
            assert browser.next_frame() is None
            return frame.code
        assert frame.opcode in (TEXT, PONG), frame
    raise AssertionError("the stream ended without a close frame")


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 3000, 4999])
def test_a_good_close_is_answered_in_kind(gateway: Any, websocket: Callable[..., WebSocket], code: int) -> None:
    """The same code comes back (RFC 6455 section 5.5.1), then the end of the stream. In the books it is the client's
    own going, whatever it gave as its reason."""
    with gateway.rises(CLOSED, code="1001" if code == 1001 else "1000"):
        client = websocket("/echo")
        client.send(closing(code, "grüße".encode()))

        assert received_close(client) == code


def test_a_close_without_a_code_is_answered(gateway: Any, websocket: Callable[..., WebSocket]) -> None:
    """It is a normal one, and is counted as 1005, the code that is never sent."""
    with gateway.rises(CLOSED, code="1005"):
        client = websocket("/echo")
        client.send_frame(CLOSE)

        assert received_close(client) in (None, 1000)
        client.close()


def test_a_connection_that_just_ends_is_counted_as_1006(gateway: Any, websocket: Callable[..., WebSocket]) -> None:
    """The code that is never sent, for those who leave without a word."""
    with gateway.rises(CLOSED, code="1006"):
        websocket("/echo").close()


def test_what_is_just_within_the_limits_is_taken(websocket: Callable[..., WebSocket]) -> None:
    """1,024 fragments, 1,000 bytes, 125 bytes of ping, a character cut by every fragment, pings within a message."""
    echo, small = websocket("/echo"), websocket("/small")

    echo.send(frame_bytes(BINARY, b"x", fin=False) + frame_bytes(CONTINUATION, b"x", fin=False) * 1022)
    echo.send(frame_bytes(CONTINUATION, b"x"))
    assert echo.next_message().payload == b"x" * 1024

    small.send_frame(BINARY, b"y" * 1000)
    assert small.next_message().payload == b"y" * 1000

    echo.send_frame(PING, b"p" * 125)
    pong = echo.next_frame()
    assert pong is not None and (pong.opcode, pong.payload) == (PONG, b"p" * 125)

    bytes_of_text = [bytes([byte]) for byte in "€𝄞".encode()]
    echo.send(frame_bytes(TEXT, bytes_of_text[0], fin=False))
    for byte in bytes_of_text[1:]:
        echo.send(frame_bytes(PING, b"") + frame_bytes(CONTINUATION, byte, fin=False))
    echo.send_frame(CONTINUATION)
    assert echo.next_message().payload == "€𝄞".encode()


def test_a_message_one_byte_above_an_endpoints_limit_is_refused(websocket: Callable[..., WebSocket]) -> None:
    """Each endpoint has its own limit, also for fragments."""
    whole, cut = websocket("/small"), websocket("/small")
    whole.send_frame(BINARY, b"y" * 1001)
    cut.send(frame_bytes(BINARY, b"y" * 1000, fin=False) + frame_bytes(CONTINUATION, b"y"))

    assert received_close(whole) == 1009
    assert received_close(cut) == 1009


def test_nothing_is_answered_after_the_goodbye(websocket: Callable[..., WebSocket]) -> None:
    """What follows a close frame is ignored: the parser insists that no byte comes after the answer."""
    client = websocket("/echo")
    client.send(closing(1000) + text(b"too late") + frame_bytes(PING, b"too late"))

    assert received_close(client) == 1000


def test_the_books_balance(gateway: Any, connect: Callable[..., Browser]) -> None:
    """I8: opened less closed is what is open, and every end has a code."""
    gateway.wait_until_empty()
    kept = [connect() for _ in range(3)]
    leaving = connect()
    leaving.leave()
    gateway.wait_for_metric("carillon_connections", len(kept))

    metrics = gateway.metrics()

    assert metrics.value("carillon_connections_opened_total") - metrics.value(CLOSED) == len(kept)
