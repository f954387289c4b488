"""Where the gateway is and how to speak to it: what both clients are made from."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from carillon_client._pb import admin_pb2_grpc, control_pb2, control_pb2_grpc, events_pb2_grpc, schema_pb2_grpc

DEFAULT_ADDRESS = "127.0.0.1:7311"
DEFAULT_TIMEOUT = 5.0
DEFAULT_RETRIES = 5

CHANNEL_OPTIONS: list[tuple[str, Any]] = [
    # gRPC waits up to 2 minutes between attempts to reconnect, and calls fail at once meanwhile: a backend would go on
    # failing long after a gateway's restart.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A watch on a connection that has silently died would wait for ever. Not under a minute: many servers and proxies
    # hang up on who asks more often.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Each client its own connection, also where two have the same address and key.
    ("grpc.use_local_subchannel_pool", 1),
]

_STUBS: dict[str, Callable[[Any], Any]] = {
    "ControlService": control_pb2_grpc.ControlServiceStub,
    "AdminService": admin_pb2_grpc.AdminServiceStub,
    "EventService": events_pb2_grpc.EventServiceStub,
    "SchemaService": schema_pb2_grpc.SchemaServiceStub,
}


@dataclass(frozen=True)
class Settings:
    """What was asked for, and what stands in for the rest."""

    address: str
    token: str
    timeout: float
    retries: int
    app: str
    credentials: grpc.ChannelCredentials | None

    @classmethod
    def of(
        cls,
        address: str | None,
        token: str | None,
        timeout: float,
        retries: int,
        app: str,
        credentials: grpc.ChannelCredentials | None,
    ) -> Settings:
        """Looks at the environment for what is None. Raises OSError where CARILLON_TOKEN_FILE cannot be read, and
        ValueError where a key cannot be sent."""
        address = address or os.environ.get("CARILLON_ADDRESS") or DEFAULT_ADDRESS
        key = _token() if token is None else _sendable(token, "token")
        return cls(address, key, timeout, retries, app, credentials)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with each call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def address_to(self, message: Any) -> Any:
        """The same message, for this client's app where it names none."""
        # ListNodes is about gateways, whatever their apps.
        if self.app and "app" in message.DESCRIPTOR.fields_by_name and not message.app:
            message.app = self.app
        return message


def stubs(channel: Any) -> dict[str, Any]:
    """One stub for each service, by name. They serve channels of both kinds."""
    made = {name: make(channel) for name, make in _STUBS.items()}
    # As the generated stub has it, but for requests that are bytes already: see batching.py.
    made["ControlService"].PublishStream = channel.stream_stream(
        "/carillon.v1.ControlService/PublishStream",
        response_deserializer=control_pb2.PublishStreamResponse.FromString,
    )
    return made


def _token() -> str:
    token = _sendable(os.environ.get("CARILLON_TOKEN", ""), "CARILLON_TOKEN")
    file = os.environ.get("CARILLON_TOKEN_FILE", "")
    if token or not file:
        return token
    # What is no text is refused below, in words that do not show it.
    return _sendable(Path(file).read_text(encoding="utf-8", errors="replace"), f"CARILLON_TOKEN_FILE ({file})")


def _sendable(token: str, whence: str) -> str:
    """The key without the white space around it: secrets in files and variables often end with a line. Raises
    ValueError where HTTP/2 cannot carry what is left, which says whence the key came, but not the key."""
    token = token.strip()
    if not all(" " <= character <= "~" for character in token):
        raise ValueError(f"{whence}: the key holds a character that cannot be sent: it may be of printable ASCII only")
    return token
