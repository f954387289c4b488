"""What calls raise, and how a gRPC status becomes that."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration


class CarillonError(Exception):
    """A call failed. Statuses that callers branch on have a subclass; for the others, look at code."""

    def __init__(self, code: grpc.StatusCode, message: str, reason: str = "", retry_after: float | None = None) -> None:
        # All of them go to the base: pickle makes an exception anew from these arguments.
        super().__init__(code, message, reason, retry_after)
        #: The gRPC status.
        self.code = code
        #: What was wrong, for people. Names the field where it was one.
        self.message = message
        #: What was wrong, for programs, in UPPER_SNAKE_CASE. Empty where the gateway gives none.
        self.reason = reason
        #: After how many seconds to try again. None where the gateway does not say.
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


class InvalidArgument(CarillonError):
    """A field is missing, malformed or too large. Trying again cannot help."""


class Unauthenticated(CarillonError):
    """The token is missing or unknown."""


class PermissionDenied(CarillonError):
    """The token lacks the verb (publish, read or admin) that the call needs."""


class ResourceExhausted(CarillonError):
    """The gateway is behind and sent nothing (broadcast_to_users: nothing more). Try again after retry_after."""


class Unavailable(CarillonError):
    """The gateway is shutting down or cannot be reached. A message may have been sent if the answer was lost."""


class PartialResult(CarillonError):
    """A part of the gateway did not answer in time. Raised after everything that the others said."""


_CLASSES: dict[grpc.StatusCode, type[CarillonError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
}

_DETAILS_KEY = "grpc-status-details-bin"


def from_rpc_error(error: grpc.RpcError) -> CarillonError:
    """Translates what a stub's call raised; such an error is also the finished call, hence code() and details()."""
    code: grpc.StatusCode = error.code()
    reason, retry_after = "", None
    for entry in error.trailing_metadata() or ():
        if entry.key == _DETAILS_KEY:
            reason, retry_after = _read_details(entry.value)
    return _CLASSES.get(code, CarillonError)(code, error.details() or "", reason, retry_after)


def _read_details(status: bytes) -> tuple[str, float | None]:
    """Reads ErrorInfo.reason and RetryInfo.retry_delay out of an encoded google.rpc.Status.

    By hand, because the generated types are a package of their own, and two fields are not worth a dependency that
    pins protobuf. Details are extra: what cannot be read counts as absent, so that the status itself gets through.
    """
    reason, retry_after = "", None
    try:
        for detail in _submessages(status, 3):
            packed = Any.FromString(detail)
            if packed.type_url.endswith("/google.rpc.ErrorInfo"):
                for text in _submessages(packed.value, 1):
                    reason = text.decode()
            elif packed.type_url.endswith("/google.rpc.RetryInfo"):
                for delay in _submessages(packed.value, 1):
                    retry_after = Duration.FromString(delay).ToTimedelta().total_seconds()
    except Exception:  # The runtimes from 4.21 to 8 disagree on what a malformed message raises.
        pass
    return reason, retry_after


def _submessages(message: bytes, wanted: int) -> Iterator[bytes]:
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
            if key >> 3 == wanted:
                yield message[at : at + length_or_value]
            at += length_or_value
        elif key & 7 != 0:
            raise ValueError("unexpected wire type")
