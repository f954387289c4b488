"""The synchronous client. What its calls ask and answer is in calls.py, for aio.py too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

import grpc

from carillon_client import admin_calls, calls, schema_calls, tailing, watching
from carillon_client.arguments import naming
from carillon_client.batcher import Batcher
from carillon_client.batching import MAX_OUTSTANDING, OnFailure
from carillon_client.calls import Call, Listing
from carillon_client.errors import closed_error, from_rpc_error
from carillon_client.pages import Pages
from carillon_client.retry import Attempts
from carillon_client.settings import CHANNEL_OPTIONS, DEFAULT_RETRIES, DEFAULT_TIMEOUT, Settings, stubs
from carillon_client.signatures import as_method
from carillon_client.tail import Tail
from carillon_client.watch import Watch

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
H = TypeVar("H")


def _call(build: Callable[P, Call[R]]) -> Callable[Concatenate[Client, P], R]:
    build = naming(build)

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> R:
        call = build(*args, **kwargs)
        timeout = self._settings.timeout + call.takes if call.timeout is None else call.timeout
        return call.read(self._invoke(call.service, call.method, call.request, timeout, call.may_retry))

    return as_method(method, build)


def _list(build: Callable[P, Listing[T, H]]) -> Callable[Concatenate[Client, P], Pages[T, H]]:
    build = naming(build)

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Pages[T, H]:
        return Pages(self._invoke, build(*args, **kwargs))

    return as_method(method, build)


def _watch(build: Callable[P, watching.Order]) -> Callable[Concatenate[Client, P], Watch]:
    build = naming(build, "watch")

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Watch:
        return Watch(self._open_watch, watching.Course(build(*args, **kwargs)), self._settings.app)

    return as_method(method, build)


def _tail(build: Callable[P, tailing.Course]) -> Callable[Concatenate[Client, P], Tail]:
    build = naming(build)

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Tail:
        return Tail(self._open_tail, build(*args, **kwargs))

    return as_method(method, build)


class Client:
    """A connection to a gateway's control port.

    Thread: any; threads may share one client. The connection is made by the first call, so that a server may make a
    client, fork its workers, and only then call. Do not fork after the first call.

    Every call raises CarillonError or one of its subclasses when the gateway refuses it or does not answer in time.
    UNAVAILABLE is tried again within the timeout, where that cannot do anything twice; nothing else is. An argument
    that is not of its type, or targets that are not exactly as many as the call takes, raise TypeError, which names
    them, and nothing is sent. The methods that publish share these arguments:

    event    The event's name as clients dispatch on it: 1 to 128 bytes.
    data     Anything that json.dumps takes; Json("…") for text that is JSON already; bytes, which JSON clients receive
             as a base64 string; or a protobuf message, for streams with a schema. None arrives as null. At most 512 KiB
             of text, unless the gateway is configured otherwise. What cannot be written as JSON raises TypeError or
             ValueError, and nothing is sent.
    meta     Annotations that reach clients in "meta": at most 32, with values of at most 1,024 bytes.
    options  How to publish it. None: with a request_id of the client's own, and nothing else.
    timeout  How many seconds the call may take, retries and all. None: the client's timeout.
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
        """Connects to nothing yet.

        address      host:port or unix:/path. None: the variable CARILLON_ADDRESS, or 127.0.0.1:7311.
        token        The gateway's API key. None: the variable CARILLON_TOKEN, or what stands in the file that
                     CARILLON_TOKEN_FILE names. Empty: none is sent. White space around it is taken off.
        timeout      How many seconds a call may take.
        retries      How often UNAVAILABLE is tried again, after 0.1, 0.2, 0.4 … seconds. 0: never.
        app          The app that all calls are for. Empty: the first of the key's.
        credentials  For TLS, where the gateway speaks it (control.tls), or a proxy in front of it. None: plain text,
                     the token included.

        Raises ValueError where the token is not printable ASCII, and OSError where CARILLON_TOKEN_FILE cannot be read.
        """
        self._settings = Settings.of(address, token, timeout, retries, app, credentials)
        self._lock = threading.Lock()  # Guards the three below.
        self._channel: grpc.Channel | None = None
        self._stubs: dict[str, Any] = {}
        self._closed = threading.Event()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends calls and watches that still run, and the connection. May be called again; other calls raise CANCELLED
        from now. Close batchers first: what they have not sent is given up."""
        with self._lock:
            self._closed.set()
            channel, self._channel = self._channel, None
            self._stubs = {}
        if channel is not None:
            channel.close()

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

    def batcher(self, *, max_outstanding: int = MAX_OUTSTANDING, on_failure: OnFailure | None = None) -> Batcher:
        """Publishes many messages fast, over one call that is made again when it breaks. See Batcher.

        max_outstanding  How many messages may be waiting or on their way; publishing more waits.
        on_failure       Is told of each message that was not published: its future and the error. In another thread.
        """
        return Batcher(self._open_publish, self._settings, max_outstanding, on_failure)

    def _invoke(self, service: str, method: str, request: Any, timeout: float | None, may_retry: bool = True) -> Any:
        settings = self._settings
        settings.address_to(request)
        attempts = Attempts(settings.timeout if timeout is None else timeout, settings.retries if may_retry else 0)
        while True:
            try:
                call = getattr(self._connect()[service], method)
                return call(request, timeout=attempts.time_left(), metadata=settings.metadata)
            except grpc.RpcError as caught:
                error = from_rpc_error(caught)
                pause = attempts.pause(error)
                if pause is None:
                    raise error from caught
            except ValueError as caught:
                # What gRPC raises when another thread closes the channel just before the call begins.
                if not self._closed.is_set():
                    raise
                raise closed_error() from caught
            if self._closed.wait(pause):
                raise closed_error()

    def _open_watch(self, requests: Iterator[Any]) -> Any:
        return self._connect()["EventService"].Watch(requests, metadata=self._settings.metadata)

    def _open_tail(self, request: Any) -> Any:
        self._settings.address_to(request)
        return self._connect()["AdminService"].Tail(request, metadata=self._settings.metadata)

    def _open_publish(self, requests: Iterator[Any]) -> Any:
        return self._connect()["ControlService"].PublishStream(requests, metadata=self._settings.metadata)

    def _connect(self) -> dict[str, Any]:
        with self._lock:
            if self._closed.is_set():
                raise closed_error()
            if self._channel is None:
                address, credentials = self._settings.address, self._settings.credentials
                if credentials is None:
                    self._channel = grpc.insecure_channel(address, CHANNEL_OPTIONS)
                else:
                    self._channel = grpc.secure_channel(address, credentials, CHANNEL_OPTIONS)
                self._stubs = stubs(self._channel)
            return self._stubs
