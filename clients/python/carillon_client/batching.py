"""What a batcher has to send and what became of it. Without any I/O, for both clients."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc

from carillon_client._pb import control_pb2
from carillon_client.calls import Publish
from carillon_client.errors import CarillonError, InvalidArgument, from_item
from carillon_client.retry import heals
from carillon_client.settings import Settings

log = logging.getLogger("carillon_client")

#: How many messages may wait or be on their way, unless somebody says otherwise.
MAX_OUTSTANDING = 2048

#: A request that is not full is sent only while fewer than so many are on their way. What gathers meanwhile makes the
#: next one fuller, and each costs as much as some ten messages do. Full ones do not wait.
_MAX_UNDERWAY = 2

#: The gateway's bounds on a request: items, and 1 MiB with room for what stands around them.
_MAX_ITEMS = 64
_MAX_BYTES = (1 << 20) - 4096

F = TypeVar("F")

OnFailure = Callable[[Any, CarillonError], object]


@dataclass
class Item(Generic[F]):
    """One message."""

    #: A PublishStreamRequest with nothing but this, as bytes. Such bytes may be strung together: that is a request with
    #: all of their items, and much faster than to make it out of objects in a thread that others wait for.
    encoded: bytes
    future: F


def make_item(publish: Publish[Any], settings: Settings, future: F) -> Item[F]:
    """Raises InvalidArgument where it can never be sent."""
    request = control_pb2.PublishStreamRequest()
    getattr(request.items.add(), publish.arm).CopyFrom(settings.address_to(publish.request))
    encoded: bytes = request.SerializeToString()
    if len(encoded) > _MAX_BYTES:
        text = f"the message has {len(encoded)} bytes, at most {_MAX_BYTES}"
        raise InvalidArgument(grpc.StatusCode.INVALID_ARGUMENT, text)
    if publish.request.options.report:
        raise InvalidArgument(grpc.StatusCode.INVALID_ARGUMENT, "options.report: a batcher gets no receipts")
    return Item(encoded, future)


def make_request(first: int, items: list[bytes]) -> bytes:
    """An encoded PublishStreamRequest, of what next_items() said."""
    number: bytes = control_pb2.PublishStreamRequest(seq=first).SerializeToString()
    return number + b"".join(items)


def ends_batcher(error: CarillonError) -> bool:
    """Whether sending again over another call is of no use. A request that is too large is refused by gRPC with
    RESOURCE_EXHAUSTED; a gateway that is behind slows us down and says nothing."""
    return not heals(error) or error.code is grpc.StatusCode.RESOURCE_EXHAUSTED


class Outbox(Generic[F]):
    """Messages in the order in which they were published. Thread: one at a time."""

    def __init__(self) -> None:
        self._unsent: deque[Item[F]] = deque()
        self._sent: deque[Item[F]] = deque()  # over this call, not acknowledged
        self._acked = 0  # the number of the last item, in this call, that the gateway has said something about
        self._failures: dict[int, CarillonError] = {}
        self._underway: deque[int] = deque()  # the number of the last item of each request that is not acknowledged
        self.added = 0
        self.resolved = 0

    @property
    def outstanding(self) -> int:
        """How many the gateway has said nothing about."""
        return self.added - self.resolved

    def add(self, item: Item[F]) -> None:
        self._unsent.append(item)
        self.added += 1

    def begin_call(self) -> None:
        """Over a new call everything is sent again, in order. Each item has its request_id, so that the gateway
        publishes again only what it has not published."""
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        self._acked = 0
        self._failures.clear()
        self._underway.clear()

    @property
    def may_send(self) -> bool:
        """Whether there is something that should be on its way now."""
        return len(self._unsent) >= _MAX_ITEMS or (bool(self._unsent) and len(self._underway) < _MAX_UNDERWAY)

    def next_items(self) -> tuple[int, list[bytes]] | None:
        """What has gathered, as far as it fits into a request, and the number of the first. None: nothing yet."""
        if not self.may_send:
            return None
        first = self._acked + len(self._sent) + 1
        items: list[bytes] = []
        size = 0
        while self._unsent and len(items) < _MAX_ITEMS and size + len(self._unsent[0].encoded) <= _MAX_BYTES:
            item = self._unsent.popleft()
            size += len(item.encoded)
            items.append(item.encoded)
            self._sent.append(item)
        self._underway.append(first + len(items) - 1)
        return first, items

    def take(self, response: control_pb2.PublishStreamResponse) -> list[tuple[Item[F], CarillonError | None]]:
        """What the gateway has said something about now: None where it was published."""
        for failure in response.failures:
            self._failures[failure.seq] = from_item(failure)
        resolved: list[tuple[Item[F], CarillonError | None]] = []
        while self._acked < response.acked_to and self._sent:
            self._acked += 1
            resolved.append((self._sent.popleft(), self._failures.pop(self._acked, None)))
        self.resolved += len(resolved)
        while self._underway and self._underway[0] <= self._acked:
            self._underway.popleft()
        return resolved

    def give_up(self) -> list[Item[F]]:
        """Everything that is left."""
        left = [*self._sent, *self._unsent]
        self._sent.clear()
        self._unsent.clear()
        self.resolved += len(left)
        return left
