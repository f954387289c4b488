"""What stands in for a gateway where the real one cannot be brought to do something at will."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from carillon_client._pb import control_pb2, control_pb2_grpc, events_pb2_grpc

Answer = Callable[[Any, grpc.ServicerContext], Any]


class Fake(control_pb2_grpc.ControlServiceServicer, events_pb2_grpc.EventServiceServicer):
    """Answers every call with `answer`, streams with `stream`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer
        self.stream: Answer
        self.requests: list[Any] = []
        self.metadata: dict[str, str | bytes] = {}

    def _handle(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append(request)
        self.metadata = dict(context.invocation_metadata())
        return self.answer(request, context)

    def _handle_stream(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        def kept() -> Iterator[Any]:
            for request in requests:
                self.requests.append(request)
                yield request

        return self.stream(kept(), context)  # type: ignore[no-any-return]

    PublishStream = Watch = _handle_stream


for _method in control_pb2.DESCRIPTOR.services_by_name["ControlService"].methods:
    if _method.name != "PublishStream":
        setattr(Fake, _method.name, Fake._handle)


def failing(times: int, code: grpc.StatusCode, response: Any, before: Answer | None = None) -> Answer:
    """Fails so many times, then answers; `before` happens each time."""
    left = times

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        nonlocal left
        if before is not None:
            before(request, context)
        if left:
            left -= 1
            context.abort(code, "not now")
        return response

    return answer


class Gate:
    """A line to a gateway that can be cut. Connections that are made later go through again."""

    def __init__(self, to: str) -> None:
        host, port = to.rsplit(":", 1)
        self._to = (host, int(port))
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listening.getsockname())
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Ends all connections."""
        with self._lock:
            ends, self._open = self._open, []
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # its peer was first
            end.close()

    def close(self) -> None:
        """Ends it for good."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._to)
            except OSError:
                return
            with self._lock:
                self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    @staticmethod
    def _copy(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(1 << 16):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # cut
