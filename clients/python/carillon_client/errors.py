"""What calls raise, and how a gRPC status becomes that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from carillon_client.error_details import Details, FieldViolation, read_details


class CarillonError(Exception):
    """A call failed. Statuses that callers branch on have a subclass; for the others, look at code."""

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        reason: str = "",
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
        field_violations: tuple[FieldViolation, ...] = (),
    ) -> None:
        # All of them go to the base: pickle makes an exception anew from these arguments.
        super().__init__(code, message, reason, retry_after, metadata, field_violations)
        #: The gRPC status.
        self.code = code
        #: What was wrong, for people. Names the field where it was one.
        self.message = message
        #: What was wrong, for programs, in UPPER_SNAKE_CASE. Empty where the gateway gives none.
        self.reason = reason
        #: After how many seconds to try again. None where the gateway does not say.
        self.retry_after = retry_after
        #: More about the reason, for programs. Often empty.
        self.metadata: Mapping[str, str] = dict(metadata or {})
        #: Which fields were wrong, and how. Empty where it was no field.
        self.field_violations = field_violations

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


class InvalidArgument(CarillonError):
    """A field is missing, malformed or too large: see field_violations. Trying again cannot help."""


class Unauthenticated(CarillonError):
    """The token is missing or unknown."""


class PermissionDenied(CarillonError):
    """The token lacks the verb (publish, read or admin) that the call needs, or its streams do not hold this one."""


class NotFound(CarillonError):
    """There is no such app."""


class AlreadyExists(CarillonError):
    """options.request_id was used for another message, or with other options."""


class Aborted(CarillonError):
    """The log does not stand where the caller thought, or was cleared or trimmed while its pages were read."""


class FailedPrecondition(CarillonError):
    """The stream keeps no log, or no presence, or the app no feed of events: a matter of configuration."""


class ResourceExhausted(CarillonError):
    """The gateway is behind and sent nothing (broadcast_to_users: nothing more). Try again after retry_after seconds.

    Where that is None, trying again is of no use: with the reason LIMIT_REACHED there are too many of something, without
    a reason the request is larger than 1 MiB."""


class DeadlineExceeded(CarillonError):
    """No answer came within the timeout. A message may have been sent."""


class Unavailable(CarillonError):
    """The gateway is shutting down or cannot be reached, and retries have not helped. A message may have been sent."""


class PartialResult(CarillonError):
    """A part of the gateway did not answer in time. Raised after everything that the others said."""


_CLASSES: dict[grpc.StatusCode, type[CarillonError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.ABORTED: Aborted,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
}

_BY_NUMBER: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

_DETAILS_KEY = "grpc-status-details-bin"


def from_rpc_error(error: Any) -> CarillonError:
    """Translates what a stub's call raised; such an error is also the finished call, hence code() and details()."""
    details = Details()
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY:
            details = read_details(value)
    return from_status(error.code(), error.details() or "", details)


def from_status(code: grpc.StatusCode | int, message: str, details: Details = Details()) -> CarillonError:  # noqa: B008
    """The error for a status, also for one that stands inside a response as a number."""
    if isinstance(code, int):
        code = _BY_NUMBER.get(code, grpc.StatusCode.UNKNOWN)
    made = _CLASSES.get(code, CarillonError)
    return made(code, message, details.reason, details.retry_after, details.metadata, details.field_violations)


def from_item(failure: Any) -> CarillonError:
    """The error for one item of PublishStream."""
    violations = (FieldViolation(failure.field, failure.message),) if failure.field else ()
    return from_status(failure.code, failure.message, Details(reason=failure.reason, field_violations=violations))


def closed_error() -> CarillonError:
    """What every use of a closed client raises."""
    return CarillonError(grpc.StatusCode.CANCELLED, "the client is closed")
