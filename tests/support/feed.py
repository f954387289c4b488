"""A backend that watches the feed of events."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import grpc
from carillon_client._pb import envelope_pb2, events_pb2, events_pb2_grpc

from support.control import Control
from support.gateway import Gateway
from support.patience import PATIENCE, eventually

pb = events_pb2
Position = envelope_pb2.Position

#: What the kinds are called in the tests: session_opened, …
_NAMES = {value: name.removeprefix("EVENT_KIND_").lower() for name, value in pb.EventKind.items()}


def kind(event: pb.FeedEvent) -> str:
    """What the event is: session_opened, …"""
    return _NAMES[event.kind]


def kinds(*names: str) -> list[int]:
    """For a filter."""
    return [pb.EventKind.Value(f"EVENT_KIND_{name.upper()}") for name in names]


class Ended(Exception):
    """The call is over, with this status."""

    def __init__(self, error: grpc.RpcError) -> None:
        super().__init__(error.details())
        self.status = error.code().name
        self.message = error.details()


class Watch:
    """One call of Watch. `begin` is what goes into WatchBegin."""

    def __init__(self, control: Control, patience: float = PATIENCE, **begin: Any) -> None:
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        stub: Any = events_pb2_grpc.EventServiceStub(control.channel)
        self._requests.put(pb.WatchRequest(begin=pb.WatchBegin(**begin)))
        self._call = stub.Watch(iter(self._requests.get, None), metadata=control.metadata)
        self._responses: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._patience = patience
        self._left = False
        self.parts: list[int] = []
        self.scanned = Position()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for response in self._call:
                self._responses.put(response)
            if not self._left:  # who hangs up in a group may be let go in peace
                self._responses.put(None)
        except grpc.RpcError as error:
            self._responses.put(Ended(error))

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hangs up."""
        self._left = True
        self._requests.put(None)
        self._call.cancel()

    def response(self, patience: float | None = None) -> pb.WatchResponse:
        """The next one. Raises Ended, and queue.Empty where none comes."""
        response = self._responses.get(timeout=self._patience if patience is None else patience)
        if isinstance(response, Ended):
            raise response
        assert response is not None, "the gateway ended the call"
        if response.HasField("assignment"):
            self.parts = list(response.assignment.partitions)
        self.scanned = response.scanned_to
        return response

    def begun(self) -> Watch:
        """Once it has begun: what happens from here on is in it."""
        response = self.response()
        assert response.HasField("assignment") and not response.events, response
        return self

    def events(self) -> Iterator[pb.FeedEvent]:
        """One after the other, as they come. Nothing may be lost."""
        while True:
            response = self.response()
            assert not response.HasField("lost"), response.lost
            yield from response.events

    def take(self, count: int) -> list[pb.FeedEvent]:
        """So many."""
        taken: list[pb.FeedEvent] = []
        while len(taken) < count:
            response = self.response()
            assert not response.HasField("lost"), response.lost
            taken.extend(response.events)
        assert len(taken) == count, [kind(event) for event in taken]
        return taken

    def until(self, *last: str) -> list[pb.FeedEvent]:
        """Events up to the first of one of these kinds."""
        taken: list[pb.FeedEvent] = []
        for event in self.events():
            taken.append(event)
            if kind(event) in last:
                return taken
        raise AssertionError("unreachable")

    def ack(self, offset: int, partition: int = 0) -> None:
        """Everything up to there was dealt with."""
        self._requests.put(pb.WatchRequest(ack=pb.WatchAck(partition=partition, offset=offset, epoch=self.scanned.epoch)))

    def say(self, request: pb.WatchRequest) -> None:
        """Anything."""
        self._requests.put(request)


def wait_for_watchers(gateway: Gateway, count: int) -> None:
    """Waits until so many watch, in whatever app: what happens from here on is theirs. There is no sample before the first."""

    def watchers() -> float:
        return sum(float(line.split()[-1]) for line in gateway.metrics().text.splitlines() if line.startswith("carillon_feed_watchers{"))

    eventually(watchers, lambda found: found == count, "those who watch")
