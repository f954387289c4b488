"""Reads the details that the gateway sends with an error: an encoded google.rpc.Status.

By hand, because the generated types are a package of their own, and a few fields are not worth a dependency that pins
protobuf.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration


@dataclass(frozen=True)
class FieldViolation:
    """One field of a request that is not as it should be."""

    #: Which, as the API calls it: "options.ttl".
    field: str
    #: What is wrong with it.
    description: str


@dataclass(frozen=True)
class Details:
    """What the details say. Each part is empty where they do not."""

    reason: str = ""
    retry_after: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    field_violations: tuple[FieldViolation, ...] = ()


def read_details(status: bytes) -> Details:
    """Details are extra: what cannot be read counts as absent, so that the status itself gets through."""
    try:
        return _read(status)
    except Exception:  # The runtimes from 4.21 to 8 disagree on what a malformed message raises.
        return Details()


def _read(status: bytes) -> Details:
    reason, retry_after = "", None
    metadata: dict[str, str] = {}
    violations: list[FieldViolation] = []
    for detail in _fields(status, 3):
        packed = Any.FromString(detail)
        if packed.type_url.endswith("/google.rpc.ErrorInfo"):
            reason = _text(packed.value, 1)
            for entry in _fields(packed.value, 3):
                metadata[_text(entry, 1)] = _text(entry, 2)
        elif packed.type_url.endswith("/google.rpc.BadRequest"):
            for each in _fields(packed.value, 1):
                violations.append(FieldViolation(_text(each, 1), _text(each, 2)))
        elif packed.type_url.endswith("/google.rpc.RetryInfo"):
            for delay in _fields(packed.value, 1):
                retry_after = Duration.FromString(delay).ToTimedelta().total_seconds()
    return Details(reason, retry_after, metadata, tuple(violations))


def _text(message: bytes, wanted: int) -> str:
    found = ""
    for text in _fields(message, wanted):
        found = text.decode()
    return found


def _fields(message: bytes, wanted: int) -> Iterator[bytes]:
    """Yields the length-delimited fields numbered `wanted` of an encoded message that has only those and varints."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(message):
        key = varint()
        length_or_value = varint()
        if key & 7 == 2:
            if at + length_or_value > len(message):
                raise ValueError("cut short")
            if key >> 3 == wanted:
                yield message[at : at + length_or_value]
            at += length_or_value
        elif key & 7 != 0:
            raise ValueError("unexpected wire type")
