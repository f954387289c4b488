"""A backend that the gateway asks: HooksService over real gRPC, doing what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc
from carillon_client._pb import hooks_pb2 as pb
from carillon_client._pb import hooks_pb2_grpc

from support.patience import PATIENCE, eventually

#: Takes the request and the call's context; returns the response, or bytes in its place, or aborts.
Answer = Callable[[Any, grpc.ServicerContext], Any]

METHODS = ("Authenticate", "AuthorizeSubscribe", "AuthorizePublish", "OnClientEvent")


def refusal(message: str = "") -> pb.HookRefusal:
    return pb.HookRefusal(message=message)


def user(user_id: str, **more: Any) -> pb.AuthenticateResponse:
    return pb.AuthenticateResponse(user=pb.HookUser(user_id=user_id, **more))


def accept(**changed: str) -> pb.HookAccept:
    return pb.HookAccept(**changed)


class Gate:
    """An answer that waits until the gate is opened, or its call is cancelled."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self._open = threading.Event()
        self.waiting = 0
        self.cancelled = 0

    def __call__(self, request: Any, context: grpc.ServicerContext) -> Any:
        ended = threading.Event()
        context.add_callback(ended.set)
        self.waiting += 1
        while not self._open.wait(0.01):
            if ended.is_set():
                self.cancelled += 1
                return self._answer
        return self._answer

    def wait_for(self, waiting: int = 1) -> None:
        """Waits until so many calls have come."""
        eventually(lambda: self.waiting, lambda count: count >= waiting, "calls at the gate")

    def wait_for_cancelled(self, count: int = 1) -> None:
        """Waits until so many have been cancelled."""
        eventually(lambda: self.cancelled, lambda cancelled: cancelled >= count, "cancelled calls")

    def open(self) -> None:
        self._open.set()


class HookServer:
    """The backend. What has no answer of the test's is refused by UNIMPLEMENTED."""

    def __init__(self, port: int = 0, credentials: grpc.ServerCredentials | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, Any]] = []
        self.keys: list[str] = []
        self._credentials = credentials
        self.port = port
        self._server: Any = None
        self.start()

    def start(self) -> None:
        """Listens, on the port that it had before."""
        self._server = grpc.server(futures.ThreadPoolExecutor(64), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((_Handlers(self),))
        address = f"127.0.0.1:{self.port}"
        self.port = (
            self._server.add_insecure_port(address)
            if self._credentials is None
            else self._server.add_secure_port(address, self._credentials)
        )
        self._server.start()

    def stop(self) -> None:
        """Ends every call and connection."""
        self._server.stop(0).wait(PATIENCE)

    close = stop

    def asked(self, method: str) -> list[Any]:
        """The requests of a method so far."""
        return [request for each, request in self.requests if each == method]


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, server: HookServer) -> None:
        self._server = server

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        service, _, method = details.method.lstrip("/").partition("/")
        if service != "carillon.v1.HooksService" or method not in METHODS:
            return None

        def serve(request: Any, context: grpc.ServicerContext) -> Any:
            self._server.requests.append((method, request))
            self._server.keys += [value for key, value in details.invocation_metadata if key == "authorization"]
            answer = self._server.answers.get(method)
            if answer is None:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, "the test has no answer")
                raise AssertionError
            return answer(request, context)

        return grpc.unary_unary_rpc_method_handler(
            serve,
            request_deserializer=getattr(pb, method + "Request").FromString,
            response_serializer=lambda response: response if isinstance(response, bytes) else response.SerializeToString(),
        )


assert hooks_pb2_grpc.HooksServiceServicer  # the stubs that backends implement are there
