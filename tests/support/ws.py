"""A WebSocket client of our own, on a raw socket. It is stricter with the gateway than browsers are, and it can say
what no library would let it say."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import ssl
import struct
import urllib.parse
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from support import http

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3

# Close codes that an endpoint may send (RFC 6455 section 7.4 and its registry).
_SENDABLE = {1000, 1001, 1002, 1003, *range(1007, 1015)}


class BrokenFraming(AssertionError):
    """The gateway sent bytes that are no WebSocket frames, or a frame that it may not send."""


class ClosedByGateway(Exception):  # noqa: N818: it is no error where it is expected
    """The gateway's close frame came where something else was waited for."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"closed by the gateway: {code} {reason!r}")
        self.code = code
        self.reason = reason


@dataclass
class Frame:
    """One frame as it came."""

    opcode: int
    payload: bytes
    fin: bool = True

    @property
    def code(self) -> int | None:
        """A close frame's code."""
        return struct.unpack("!H", self.payload[:2])[0] if self.payload else None

    @property
    def reason(self) -> str:
        """A close frame's reason."""
        return self.payload[2:].decode()


class FrameParser:
    """Turns a server's bytes into frames, and raises BrokenFraming at the first byte that RFC 6455 forbids: a mask, a
    reserved bit, an unknown opcode, a length that is longer than it must be, a control frame that is cut or too long, a
    continuation of nothing, text that is not UTF-8, a close code that may not be sent, and any byte after a close."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._fragments: bytearray | None = None
        self._fragmented_text = False
        self._closed = False

    @property
    def torn(self) -> bool:
        """Whether a frame has begun that is not whole yet."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete."""
        self._buffer += data
        at = 0
        buffer = self._buffer
        try:
            while True:
                if self._closed and len(buffer) > at:
                    raise BrokenFraming(f"bytes after the close frame: {bytes(buffer[at:at + 64])!r}")
                if len(buffer) - at < 2:
                    return
                first, second = buffer[at], buffer[at + 1]
                if second & 0x80:
                    raise BrokenFraming("a masked frame from a server")
                if first & 0x70:
                    raise BrokenFraming(f"a reserved bit is set: 0x{first:02x}")
                size, start = second, at + 2
                if size == 126:
                    if len(buffer) < start + 2:
                        return
                    (size,) = struct.unpack_from("!H", buffer, start)
                    start += 2
                    if size < 126:
                        raise BrokenFraming("a length in more bytes than it needs")
                elif size == 127:
                    if len(buffer) < start + 8:
                        return
                    (size,) = struct.unpack_from("!Q", buffer, start)
                    start += 8
                    if not 1 << 16 <= size < 1 << 63:
                        raise BrokenFraming("a length in more bytes than it needs")
                if len(buffer) < start + size:
                    return
                frame = Frame(first & 0x0F, bytes(buffer[start : start + size]), bool(first & 0x80))
                at = start + size
                self._judge(frame)
                yield frame
        finally:
            del buffer[:at]

    def _judge(self, frame: Frame) -> None:
        if frame.opcode in (CLOSE, PING, PONG):
            if not frame.fin or len(frame.payload) > 125:
                raise BrokenFraming(f"a control frame that is cut or too long: {frame}")
            if frame.opcode == CLOSE:
                self._judge_close(frame)
        elif frame.opcode in (TEXT, BINARY):
            if self._fragments is not None:
                raise BrokenFraming("a new message within another")
            if not frame.fin:
                self._fragments = bytearray(frame.payload)
                self._fragmented_text = frame.opcode == TEXT
            elif frame.opcode == TEXT:
                self._judge_text(frame.payload)
        elif frame.opcode == CONTINUATION:
            if self._fragments is None:
                raise BrokenFraming("a continuation of nothing")
            self._fragments += frame.payload
            if frame.fin:
                if self._fragmented_text:
                    self._judge_text(bytes(self._fragments))
                self._fragments = None
        else:
            raise BrokenFraming(f"opcode {frame.opcode} is reserved")

    def _judge_close(self, frame: Frame) -> None:
        self._closed = True
        if len(frame.payload) == 1:
            raise BrokenFraming("a close frame with half a code")
        if frame.payload and not (frame.code in _SENDABLE or 3000 <= (frame.code or 0) <= 4999):
            raise BrokenFraming(f"a close code that nobody may send: {frame.code}")
        self._judge_text(frame.payload[2:])

    @staticmethod
    def _judge_text(text: bytes) -> None:
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise BrokenFraming(f"text that is not UTF-8: {error}") from error


def frame_bytes(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x37\xfa\x21\x3d",
    length: int | None = None,
) -> bytes:
    """A client's frame. `mask` None leaves it unmasked; `length` lies about the payload's, in 8 bytes."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    mask_bit = 0 if mask is None else 0x80
    if length is not None:
        head = struct.pack("!BBQ", first, mask_bit | 127, length)
    elif len(payload) < 126:
        head = struct.pack("!BB", first, mask_bit | len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack("!BBH", first, mask_bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, len(payload))
    if mask is None:
        return head + payload
    size = len(payload)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


def close_payload(code: int, reason: bytes = b"") -> bytes:
    """A close frame's payload."""
    return struct.pack("!H", code) + reason


def with_query(path: str, **query: str | None) -> str:
    """The path with these parameters; None leaves one out."""
    pairs = {name: value for name, value in query.items() if value is not None}
    return path + ("?" + urllib.parse.urlencode(pairs) if pairs else "")


class WebSocket(http.RawConnection):
    """A WebSocket connection, frame by frame."""

    def __init__(
        self,
        address: str,
        target: str = "/ws",
        *,
        headers: list[tuple[str, str]] | None = None,
        extra: list[tuple[str, str]] | None = None,
        early: bytes = b"",
        receive_buffer: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Connects, and insists on a perfect 101.

        headers   Instead of a good handshake's.
        extra     Besides a good handshake's.
        early     Sent right behind the request, before there is an answer.
        """
        super().__init__(address, receive_buffer, tls)
        self.parser = FrameParser()
        self._frames: deque[Frame] = deque()
        try:
            self._shake_hands(target, headers or http.upgrade_headers(address) + (extra or []), early)
        except BaseException:
            self.close()
            raise

    def _shake_hands(self, target: str, headers: list[tuple[str, str]], early: bytes) -> None:
        self.send(http.request_bytes(target, headers) + early)
        self.response = self.read_response()
        response = self.response
        assert response.status == 101, f"{response.status}: {response.body!r}"
        key = next(value for name, value in headers if name == "Sec-WebSocket-Key")
        digest = hashlib.sha1((key + _GUID).encode()).digest()
        assert response.headers["sec-websocket-accept"] == base64.b64encode(digest).decode()
        assert response.headers["upgrade"].lower() == "websocket"
        assert response.headers["connection"].lower() == "upgrade"
        assert "sec-websocket-extensions" not in response.headers

    # --- Sending ---

    def send_frame(self, opcode: int, payload: bytes = b"", **how: Any) -> None:
        """One frame; see frame_bytes."""
        self.send(frame_bytes(opcode, payload, **how))

    def send_text(self, text: str) -> None:
        """One text message."""
        self.send_frame(TEXT, text.encode(), mask=os.urandom(4))

    def send_close(self, code: int = 1000, reason: str = "") -> None:
        """Our goodbye."""
        self.send_frame(CLOSE, close_payload(code, reason.encode()))

    # --- Receiving ---

    def next_frame(self) -> Frame | None:
        """The next frame; None at the end of the stream. It may not end within a frame."""
        while not self._frames:
            data = self.receive_some()
            if not data:
                assert not self.parser.torn, "the stream ended within a frame"
                return None
            self._frames.extend(self.parser.feed(data))
        return self._frames.popleft()

    def next_message(self) -> Frame:
        """The next text or binary frame; pings before it are answered. Raises ClosedByGateway at a close frame."""
        while True:
            frame = self.next_frame()
            assert frame is not None, "the connection ended without a close frame"
            if frame.opcode == PING:
                self.send_frame(PONG, frame.payload)
            elif frame.opcode == CLOSE:
                raise ClosedByGateway(frame.code, frame.reason)
            elif frame.opcode != PONG:
                return frame

    def receive_close(self) -> tuple[int | None, str]:
        """Insists that the gateway closes now: the next message is its close frame, and after our answer the stream
        ends in good order. Returns the code and the reason."""
        try:
            message = self.next_message()
        except ClosedByGateway as closed:
            self.answer_close(closed.code)
            return closed.code, closed.reason
        raise AssertionError(f"a message came instead of a close frame: {message}")

    def answer_close(self, code: int | None) -> None:
        """Answers the gateway's close frame, and insists that its side of the stream ends there."""
        try:
            self.send_frame(CLOSE, b"" if code is None else close_payload(code))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it had seen enough of us
        assert self.next_frame() is None
        self.close()

    def leave(self) -> None:
        """Closes as a browser does when its page closes the socket: goodbye, the answer to it, the end."""
        self.send_close()
        while (frame := self.next_frame()) is not None and frame.opcode != CLOSE:
            pass
        assert frame is not None and frame.code == 1000, frame
        assert self.next_frame() is None
        self.close()


class Browser(WebSocket):
    """A client of the native dialect: envelopes and commands. Its gateway has welcomed it."""

    def __init__(self, address: str, target: str = "/ws", **how: Any) -> None:
        super().__init__(address, target, **how)
        self._events: deque[dict[str, Any]] = deque()
        self._next_id = 0
        self.welcome: dict[str, Any] = {}
        if how.get("early", b"") == b"":
            self.receive_welcome()

    def receive_welcome(self) -> dict[str, Any]:
        """The first message of all."""
        message = self._receive()
        assert (message["stream"], message["event"]) == ("system", "welcome"), message
        self.welcome = message["data"]
        return self.welcome

    @property
    def session(self) -> str:
        """The session's id."""
        session = self.welcome["session"]
        assert isinstance(session, str)
        return session

    def send_json(self, value: Any) -> None:
        """One message."""
        self.send_text(json.dumps(value))

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        """Sends a command and returns the envelope that answers it. Events that come before are kept for receive."""
        self._next_id += 1
        wanted = fields.setdefault("id", self._next_id)
        self.send_json({"action": action, **fields})
        while True:
            message = self._receive()
            if message["stream"] == "system" and message.get("id") == wanted:
                return message
            self._events.append(message)

    def subscribe(self, *streams: str) -> None:
        """Subscribes, and insists on it."""
        reply = self.ask("subscribe", streams=list(streams))
        assert reply["event"] == "subscribed" and reply["data"]["refused"] == [], reply

    def unsubscribe(self, *streams: str) -> None:
        """Unsubscribes, and insists on it."""
        reply = self.ask("unsubscribe", streams=list(streams))
        assert reply["event"] == "unsubscribed", reply

    def pending(self) -> int:
        """How many envelopes came before an answer and are kept for receive."""
        return len(self._events)

    def receive(self) -> dict[str, Any]:
        """The next envelope."""
        return self._events.popleft() if self._events else self._receive()

    def receive_error(self) -> dict[str, Any]:
        """The next envelope, which must be an error: what it says."""
        message = self.receive()
        assert (message["stream"], message["event"]) == ("system", "error"), message
        error = message["data"]
        assert error["code"] and error["message"] and error["temporary"] in (True, False), error
        return dict(error)

    def receive_until(self, event: str) -> list[dict[str, Any]]:
        """The envelopes up to the one of that event, without it."""
        before = []
        while (message := self.receive())["event"] != event:
            before.append(message)
        return before

    def _receive(self) -> dict[str, Any]:
        frame = self.next_message()
        assert frame.opcode == TEXT and frame.fin, frame
        message = json.loads(frame.payload)
        # A reply to a command that had an id has that id as well.
        assert [key for key in message if key != "id"] == ["stream", "event", "data", "meta"], message
        return dict(message)
