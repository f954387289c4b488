"""A TCP connection on which one writes whatever one likes, and reads HTTP/1.1 answers strictly."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any

from support.patience import PATIENCE


@dataclass
class Response:
    """An answer, with its header names in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def error(self) -> dict[str, Any]:
        """What the JSON body says of a refusal: code, message and perhaps setting."""
        assert self.headers.get("content-type") == "application/json", self
        error = json.loads(self.body)["error"]
        assert isinstance(error, dict) and error["message"], self
        return error


def split_address(address: str) -> tuple[str, int]:
    """The host and port of "127.0.0.1:7310"."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


class RawConnection:
    """A TCP connection. Every wait has a deadline: what does not come raises TimeoutError."""

    def __init__(
        self, address: str, receive_buffer: int | None = None, tls: ssl.SSLContext | None = None, name: str = "127.0.0.1"
    ) -> None:
        """
        receive_buffer   Bounds what the kernel takes on our behalf: the smaller, the sooner the gateway blocks.
        tls              Speaks TLS; the gateway's certificate must be for `name`, and its end must be said.
        """
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            # Segments that fit into it several times: loopback's own of 64 KiB would make TCP wait for probes.
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, max(88, min(receive_buffer // 8, 1400)))
        self.unread = bytearray()
        try:
            self.socket.connect(split_address(address))
            if tls is not None:
                self.socket = tls.wrap_socket(self.socket, server_hostname=name, suppress_ragged_eofs=False)
        except BaseException:
            self.socket.close()
            raise

    def send(self, data: bytes) -> None:
        """Writes all of it."""
        self.socket.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        """Writes it in as many segments as it has bytes."""
        for byte in data:
            self.socket.sendall(bytes([byte]))

    def receive_some(self, most: int = 65536) -> bytes:
        """What there is, at least one byte; b"" at the end of the stream."""
        if self.unread:
            data = bytes(self.unread[:most])
            del self.unread[:most]
            return data
        return self.socket.recv(most)

    def receive_to_end(self) -> bytes:
        """Everything until the gateway ends its side. A reset raises ConnectionResetError."""
        parts = []
        while data := self.receive_some():
            parts.append(data)
        return b"".join(parts)

    def is_ended(self) -> bool:
        """Waits for the end, however it comes, and says whether nothing came before it."""
        try:
            return self.receive_to_end() == b""
        except ConnectionResetError:
            return True

    def read_response(self) -> Response:
        """One whole answer; what follows it stays unread."""
        head = bytearray()
        while b"\r\n\r\n" not in head:
            data = self.receive_some()
            assert data, f"the connection ended within the answer's head: {bytes(head)!r}"
            head += data
        text, _, rest = bytes(head).partition(b"\r\n\r\n")
        lines = text.decode("ascii").split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines[0]
        response = Response(int(status))
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            assert colon and name.lower() not in response.headers, f"a bad or repeated header: {line!r}"
            response.headers[name.lower()] = value.strip()
        length = int(response.headers.get("content-length", "0"))
        while len(rest) < length:
            data = self.receive_some()
            assert data, "the connection ended within the answer's body"
            rest += data
        response.body = rest[:length]
        self.unread[:0] = rest[length:]
        return response

    def end_sending(self) -> None:
        """Ends our side of the stream."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Leaves. May be called again."""
        self.socket.close()


def new_key() -> str:
    """A Sec-WebSocket-Key."""
    return base64.b64encode(os.urandom(16)).decode()


def upgrade_headers(host: str, **changes: str | None) -> list[tuple[str, str]]:
    """The headers of a good handshake. `changes` replaces or adds some (Sec_WebSocket_Key=…); None leaves one out."""
    headers: dict[str, str | None] = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": new_key(),
    }
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    return [(name, value) for name, value in headers.items() if value is not None]


def request_bytes(target: str, headers: list[tuple[str, str]], method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """A request's head as it goes over the wire."""
    lines = [f"{method} {target} {version}"] + [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def get(address: str, target: str, headers: list[tuple[str, str]] | None = None) -> Response:
    """A plain GET, for the admin port, the demo page, and handshakes that are refused."""
    connection = RawConnection(address)
    try:
        connection.send(request_bytes(target, headers or [("Host", address)]))
        response = connection.read_response()
        assert connection.receive_to_end() == b"", "bytes followed the answer"
        return response
    finally:
        connection.close()
