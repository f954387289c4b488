"""The control plane's callers: the generated stubs with a key, PublishStream as a thing to hold, error details, health
and reflection."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc

from support import messages
from support.patience import PATIENCE

sys.path.append(str(Path(__file__).parents[2] / "clients" / "python"))
from carillon_client._pb import admin_pb2_grpc, control_pb2, control_pb2_grpc, envelope_pb2  # noqa: E402

pb = control_pb2
Event = envelope_pb2.Event


def event(name: str = "note", **payload: Any) -> Event:
    """An event; `payload` is json="…", value=…, binary=b"…" or meta={…}."""
    return Event(name=name, **payload)


class Control:
    """A connection to the control port. Every call has a deadline."""

    def __init__(self, address: str, key: str | None = None, credentials: grpc.ChannelCredentials | None = None) -> None:
        self.metadata = (("authorization", f"Bearer {key}"),) if key is not None else ()
        options = [("grpc.enable_retries", 0)]
        if credentials is None:
            self.channel = grpc.insecure_channel(address, options)
        else:
            self.channel = grpc.secure_channel(address, credentials, options)
        self._stub: Any = control_pb2_grpc.ControlServiceStub(self.channel)
        self._admin: Any = admin_pb2_grpc.AdminServiceStub(self.channel)

    def __enter__(self) -> Control:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leaves."""
        self.channel.close()

    def call(self, method: str, request: Any, **how: Any) -> Any:
        """Any of the unary calls of ControlService and AdminService. Raises grpc.RpcError."""
        how.setdefault("timeout", PATIENCE)
        how.setdefault("metadata", self.metadata)
        return self._find(method)(request, **how)

    def future(self, method: str, request: Any) -> Any:
        """The same, and its answer later."""
        return self._find(method).future(request, timeout=PATIENCE, metadata=self.metadata)

    def _find(self, method: str) -> Any:
        return getattr(self._stub if hasattr(self._stub, method) else self._admin, method)

    def refused(self, method: str, request: Any, **how: Any) -> Refusal:
        """The same, insisting that it is refused."""
        try:
            answer = self.call(method, request, **how)
        except grpc.RpcError as error:
            return Refusal(error)
        raise AssertionError(f"{method} was not refused: {answer}")

    # --- The calls, with the receipts that most tests want ---

    def to_user(self, user_id: str, message: Event | None = None, **fields: Any) -> pb.Receipt:
        """BroadcastToUser."""
        request = pb.BroadcastToUserRequest(user_id=user_id, event=message or event(), **fields)
        return self.call("BroadcastToUser", request).receipt

    def to_users(self, user_ids: Iterable[str], message: Event | None = None, **fields: Any) -> Any:
        """BroadcastToUsers: the whole answer."""
        request = pb.BroadcastToUsersRequest(user_ids=user_ids, event=message or event(), **fields)
        return self.call("BroadcastToUsers", request)

    def to_stream(self, stream: str, message: Event | None = None) -> pb.Receipt:
        """BroadcastStream."""
        return self.call("BroadcastStream", pb.BroadcastStreamRequest(stream=stream, event=message or event())).receipt

    def to_all(self, message: Event | None = None, **fields: Any) -> pb.Receipt:
        """BroadcastAll."""
        return self.call("BroadcastAll", pb.BroadcastAllRequest(event=message or event(), **fields)).receipt

    def to_session(self, session_id: str, message: Event | None = None, **fields: Any) -> pb.Receipt:
        """SendToSession."""
        request = pb.SendToSessionRequest(session_id=session_id, event=message or event(), **fields)
        return self.call("SendToSession", request).receipt

    def count(self, **target: str) -> int:
        """CountSubscribers."""
        return int(self.call("CountSubscribers", pb.CountSubscribersRequest(**target)).sessions)

    def kick(self, **fields: Any) -> Any:
        """Kick: the whole answer."""
        return self.call("Kick", pb.KickRequest(**fields))

    def page(self, **fields: Any) -> Any:
        """One page of Subscribers."""
        return self.call("Subscribers", pb.SubscribersRequest(**fields))

    def publisher(self) -> Publisher:
        """A PublishStream call."""
        return Publisher(self._stub, self.metadata)

    # --- Other services ---

    def health(self, service: str = "", **how: Any) -> str:
        """Health.Check: SERVING, NOT_SERVING and so on."""
        how.setdefault("timeout", PATIENCE)
        check = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=messages.HealthRequest.SerializeToString,
            response_deserializer=messages.HealthResponse.FromString,
        )
        return messages.HEALTH[check(messages.HealthRequest(service=service), **how).status]

    def watch_health(self, service: str = "") -> Iterator[str]:
        """Health.Watch: each state as it comes."""
        watch = self.channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=messages.HealthRequest.SerializeToString,
            response_deserializer=messages.HealthResponse.FromString,
        )
        for response in watch(messages.HealthRequest(service=service), timeout=PATIENCE):
            yield messages.HEALTH[response.status]

    def reflect(self, version: str, **question: str) -> Any:
        """One question to a version of the reflection service."""
        ask = self.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=messages.ReflectionRequest.SerializeToString,
            response_deserializer=messages.ReflectionResponse.FromString,
        )
        (answer,) = ask(iter([messages.ReflectionRequest(**question)]), timeout=PATIENCE, metadata=self.metadata)
        return answer


class Refusal:
    """An RPC's error, with its details."""

    def __init__(self, error: grpc.RpcError) -> None:
        self.code: grpc.StatusCode = error.code()
        self.message: str = error.details()
        self.reason = ""  # of ErrorInfo
        self.fields: list[str] = []  # of BadRequest
        self.retry_after_ms: int | None = None  # of RetryInfo
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                self._read(messages.Status.FromString(value))

    def _read(self, status: Any) -> None:
        assert (status.code, status.message) == (self.code.value[0], self.message)
        for detail in status.details:
            kind = detail.type_url.rpartition("/")[2]
            if kind == "google.rpc.ErrorInfo":
                info = messages.ErrorInfo.FromString(detail.value)
                assert info.domain == "carillon"
                self.reason = info.reason
            elif kind == "google.rpc.BadRequest":
                bad = messages.BadRequest.FromString(detail.value)
                self.fields = [violation.field for violation in bad.field_violations]
            elif kind == "google.rpc.RetryInfo":
                delay = messages.RetryInfo.FromString(detail.value).retry_delay
                self.retry_after_ms = delay.seconds * 1000 + delay.nanos // 1_000_000

    def __repr__(self) -> str:
        return f"{self.code.name} {self.reason} {self.fields}: {self.message}"


def stream_item(stream: str, message: Event | None = None) -> pb.PublishItem:
    """An item of PublishStream for a stream's subscribers."""
    return pb.PublishItem(broadcast_stream=pb.BroadcastStreamRequest(stream=stream, event=message or event()))


class CallOver(Exception):
    """The gateway has ended the call; there is no use in sending more."""


class Publisher:
    """A PublishStream call. One thread sends; answers are read on a thread of its own."""

    def __init__(self, stub: Any, metadata: Any) -> None:
        # Short, so that a sender feels gRPC's flow control instead of filling memory.
        self._requests: queue.Queue[Any] = queue.Queue(maxsize=4)
        self._next = 1
        self._changed = threading.Condition()  # guards what follows
        self._acked = 0
        self._failures: list[Any] = []
        self._error: grpc.RpcError | None = None
        self._over = False
        self._call = stub.PublishStream(iter(self._requests.get, None), timeout=10 * PATIENCE, metadata=metadata)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        error = None
        try:
            for response in self._call:
                with self._changed:
                    assert response.acked_to > self._acked, "acknowledgements must grow"
                    self._acked = response.acked_to
                    self._failures.extend(response.failures)
                    self._changed.notify_all()
        except grpc.RpcError as caught:
            error = caught
        with self._changed:
            self._error = error
            self._over = True
            self._changed.notify_all()

    @property
    def acked(self) -> int:
        """The number up to which everything is sequenced."""
        with self._changed:
            return self._acked

    @property
    def sent(self) -> int:
        """The last number that was handed to gRPC."""
        return self._next - 1

    def send(self, items: Iterable[Any], seq: int | None = None) -> int:
        """One request; returns its last item's number. Blocks while gRPC takes no more; raises CallOver at the end."""
        items = list(items)
        request = pb.PublishStreamRequest(seq=self._next if seq is None else seq, items=items)
        self._next += len(items)
        self._put(request)
        return self._next - 1

    def _put(self, request: Any) -> None:
        while True:
            try:
                # gRPC stops taking requests when the call is over, and tells nobody who waits here.
                return self._requests.put(request, timeout=0.1)
            except queue.Full:
                if not self._reader.is_alive():
                    raise CallOver from self._error

    def wait_acked(self, number: int) -> None:
        """Waits until everything up to that number is sequenced."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._acked >= number or self._over, PATIENCE), (
                f"{self._acked} of {number} were acknowledged in time"
            )
            if self._acked < number:
                raise self._error or AssertionError("the call ended early")

    def finish(self) -> list[Any]:
        """Says that there is no more, waits for the last answer, and returns all failures. Raises grpc.RpcError."""
        self._put(None)
        self._join()
        if self._error is not None:
            raise self._error
        assert self._acked == self.sent, f"acknowledged up to {self._acked} of {self.sent}"
        return self._failures

    def refused(self) -> Refusal:
        """Waits until the gateway ends the call, which it must do with an error."""
        self._join()
        self._end_requests()
        assert self._error is not None, "the call ended well"
        return Refusal(self._error)

    def cancel(self) -> None:
        """Lets go in the middle."""
        self._call.cancel()
        self._join()
        self._end_requests()

    def _end_requests(self) -> None:
        # Lets go of gRPC's thread, if it still waits for the next request.
        while True:
            try:
                return self._requests.put_nowait(None)
            except queue.Full:
                self._requests.get_nowait()

    def _join(self) -> None:
        self._reader.join(PATIENCE)
        assert not self._reader.is_alive(), "the call did not end in time"
