"""When to try again, and when to give up."""

from __future__ import annotations

import random
import time

import grpc

from carillon_client.errors import CarillonError

#: The first pause is about this long, in seconds; each further one twice as long as the one before.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0


def pause_after(failures: int) -> float:
    """How long to wait after so many failures in a row, in seconds. Between half and all of it by chance, so that many
    clients of one gateway do not come back together."""
    longest: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 16))
    return longest * random.uniform(0.5, 1.0)


#: What connecting again does not heal.
_FATAL = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


#: There are as many as there may be, of groups for example, and trying again soon is of no use. RESOURCE_EXHAUSTED for
#: another reason heals.
_LIMIT_REACHED = "LIMIT_REACHED"


def heals(error: CarillonError) -> bool:
    """Whether a stream that ended so may go on over another connection."""
    return error.code not in _FATAL and error.reason != _LIMIT_REACHED


class Attempts:
    """The attempts of one call: no more than retries + 1, and all of them within the timeout."""

    def __init__(self, timeout: float, retries: int) -> None:
        self._deadline = time.monotonic() + timeout
        self._retries = retries
        self._failures = 0

    def time_left(self) -> float:
        """How many seconds the next attempt may take."""
        return max(0.0, self._deadline - time.monotonic())

    def pause(self, error: CarillonError) -> float | None:
        """How many seconds to wait before the next attempt, or None where there is none: UNAVAILABLE only."""
        self._failures += 1
        if error.code is not grpc.StatusCode.UNAVAILABLE or self._failures > self._retries:
            return None
        pause = max(pause_after(self._failures), error.retry_after or 0.0)
        return pause if pause < self.time_left() else None
