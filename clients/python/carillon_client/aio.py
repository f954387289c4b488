"""The asyncio client. What its calls ask and answer is in calls.py, for client.py too."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

import grpc

from carillon_client import admin_calls, calls, schema_calls, tailing, watching
from carillon_client.aio_batcher import AsyncBatcher
from carillon_client.aio_tail import AsyncTail
from carillon_client.aio_watch import AsyncWatch
from carillon_client.arguments import naming
from carillon_client.batching import MAX_OUTSTANDING, OnFailure
from carillon_client.calls import Call, Listing
from carillon_client.errors import closed_error, from_rpc_error
from carillon_client.pages import AsyncPages
from carillon_client.retry import Attempts
from carillon_client.settings import CHANNEL_OPTIONS, DEFAULT_RETRIES, DEFAULT_TIMEOUT, Settings, stubs
from carillon_client.signatures import as_method

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
H = TypeVar("H")


def _call(build: Callable[P, Call[R]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, R]]:
    build = naming(build)

    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
        call = build(*args, **kwargs)
        timeout = self._settings.timeout + call.takes if call.timeout is None else call.timeout
        return call.read(await self._invoke(call.service, call.method, call.request, timeout, call.may_retry))

    return as_method(method, build)


def _list(build: Callable[P, Listing[T, H]]) -> Callable[Concatenate[AsyncClient, P], AsyncPages[T, H]]:
    build = naming(build)

    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncPages[T, H]:
        return AsyncPages(self._invoke, build(*args, **kwargs))

    return as_method(method, build)


def _watch(build: Callable[P, watching.Order]) -> Callable[Concatenate[AsyncClient, P], AsyncWatch]:
    build = naming(build, "watch")

    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncWatch:
        return AsyncWatch(self._open_watch, watching.Course(build(*args, **kwargs)), self._settings.app)

    return as_method(method, build)


def _tail(build: Callable[P, tailing.Course]) -> Callable[Concatenate[AsyncClient, P], AsyncTail]:
    build = naming(build)

    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncTail:
        return AsyncTail(self._open_tail, build(*args, **kwargs))

    return as_method(method, build)


class AsyncClient:
    """A connection to a gateway's control port, for asyncio: Client with `await`, `async with` and `async for`.

    Methods, arguments, retries and errors are those of Client. It belongs to the event loop in which the first call is
    made, and is not safe for threads.
    """

    def __init__(
        self,
        address: str | None = None,
        token: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        *,
        retries: int = DEFAULT_RETRIES,
        app: str = "",
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Connects to nothing yet. The arguments are those of Client."""
        self._settings = Settings.of(address, token, timeout, retries, app, credentials)
        self._channel: Any = None
        self._stubs: dict[str, Any] = {}
        # A channel that is closed leaves those alone for which nobody is waiting just then.
        self._streams: weakref.WeakSet[Any] = weakref.WeakSet()
        self._closed = False

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends calls and watches that still run, and the connection. May be called again; other calls raise CANCELLED
        from now. Close batchers first: what they have not sent is given up."""
        self._closed = True
        channel, self._channel = self._channel, None
        self._stubs = {}
        for call in list(self._streams):
            call.cancel()
        if channel is not None:
            await channel.close()

    broadcast_to_user = _call(calls.broadcast_to_user)
    broadcast_to_users = _call(calls.broadcast_to_users)
    broadcast_stream = _call(calls.broadcast_stream)
    broadcast_all = _call(calls.broadcast_all)
    send_to_session = _call(calls.send_to_session)
    kick = _call(calls.kick)
    subscribe_user = _call(calls.subscribe_user)
    unsubscribe_user = _call(calls.unsubscribe_user)
    subscribers = _list(calls.subscribers)
    count_subscribers = _call(calls.count_subscribers)
    get_presence = _list(calls.get_presence)
    count_presence = _call(calls.count_presence)
    list_messages = _list(calls.list_messages)
    clear_messages = _call(calls.clear_messages)
    revoke_tokens = _call(calls.revoke_tokens)
    block_user = _call(calls.block_user)
    unblock_user = _call(calls.unblock_user)
    blocked_users = _list(calls.blocked_users)
    list_sessions = _list(admin_calls.list_sessions)
    get_session = _call(admin_calls.get_session)
    top_slow = _call(admin_calls.top_slow)
    list_streams = _list(admin_calls.list_streams)
    get_stream = _call(admin_calls.get_stream)
    list_nodes = _call(admin_calls.list_nodes)
    reload = _call(admin_calls.reload)
    get_config = _call(admin_calls.get_config)
    drain = _call(admin_calls.drain)
    tail = _tail(tailing.tail)
    register_descriptors = _call(schema_calls.register_descriptors)
    bind_stream = _call(schema_calls.bind_stream)
    list_schemas = _list(schema_calls.list_schemas)
    validate = _call(schema_calls.validate)
    watch = _watch(watching.order)

    def batcher(self, *, max_outstanding: int = MAX_OUTSTANDING, on_failure: OnFailure | None = None) -> AsyncBatcher:
        """Publishes many messages fast, over one call that is made again when it breaks. See Client.batcher()."""
        return AsyncBatcher(self._open_publish, self._settings, max_outstanding, on_failure)

    async def _invoke(
        self, service: str, method: str, request: Any, timeout: float | None, may_retry: bool = True
    ) -> Any:
        settings = self._settings
        settings.address_to(request)
        attempts = Attempts(settings.timeout if timeout is None else timeout, settings.retries if may_retry else 0)
        while True:
            try:
                call = getattr(self._connect()[service], method)
                return await call(request, timeout=attempts.time_left(), metadata=settings.metadata)
            except grpc.RpcError as caught:
                error = from_rpc_error(caught)
                pause = attempts.pause(error)
                if pause is None:
                    raise error from caught
            except asyncio.CancelledError as caught:
                # Either whoever waits for this task does so no longer, or close() has ended the call.
                if not self._closed:
                    raise
                raise closed_error() from caught
            except grpc.aio.UsageError as caught:
                raise closed_error() from caught
            await asyncio.sleep(pause)

    def _open_watch(self) -> Any:
        return self._kept(self._connect()["EventService"].Watch(metadata=self._settings.metadata))

    def _open_tail(self, request: Any) -> Any:
        self._settings.address_to(request)
        return self._kept(self._connect()["AdminService"].Tail(request, metadata=self._settings.metadata))

    def _open_publish(self) -> Any:
        return self._kept(self._connect()["ControlService"].PublishStream(metadata=self._settings.metadata))

    def _kept(self, call: Any) -> Any:
        self._streams.add(call)
        return call

    def _connect(self) -> dict[str, Any]:
        if self._closed:
            raise closed_error()
        if self._channel is None:
            address, credentials = self._settings.address, self._settings.credentials
            if credentials is None:
                self._channel = grpc.aio.insecure_channel(address, CHANNEL_OPTIONS)
            else:
                self._channel = grpc.aio.secure_channel(address, credentials, CHANNEL_OPTIONS)
            self._stubs = stubs(self._channel)
        return self._stubs
