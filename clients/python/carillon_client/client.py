"""The client: one method for each call of carillon.v1.ControlService, except PublishStream."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import timezone
from types import TracebackType
from typing import Any

import grpc

from carillon_client._pb import control_pb2, control_pb2_grpc, envelope_pb2
from carillon_client.errors import CarillonError, PartialResult, from_rpc_error
from carillon_client.results import KickResult, Position, Receipt, Subscriber, UsersReceipt

_DEFAULT_ADDRESS = "127.0.0.1:7311"

# gRPC waits up to 2 minutes between attempts to reconnect, and calls fail at once meanwhile: a backend would go on
# failing long after a gateway's restart.
_CHANNEL_OPTIONS = [("grpc.max_reconnect_backoff_ms", 5000)]


class Client:
    """A connection to a gateway's control port.

    Thread: any; threads may share one client. The connection is made by the first call, so that a server may make a
    client, fork its workers, and only then call. Do not fork after the first call.

    Every call raises CarillonError or one of its subclasses when the gateway refuses it or does not answer. None is
    tried again by itself: a message whose answer was lost may have been sent. The broadcasting methods share these
    arguments:

    event    The event's name as clients dispatch on it: 1 to 128 bytes.
    data     Anything that json.dumps takes, or bytes, which JSON clients receive as a base64 string. None arrives as
             null. At most 512 KiB of text, unless the gateway is configured otherwise. What cannot be written as JSON
             raises TypeError or ValueError, and nothing is sent.
    meta     Annotations that reach clients in "meta": at most 32, with values of at most 1,024 bytes.
    timeout  How many seconds the call may take. None: the client's timeout.
    """

    def __init__(
        self,
        address: str | None = None,
        token: str | None = None,
        timeout: float = 5.0,
        *,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Connects to nothing yet.

        address      host:port or unix:/path. None: the variable CARILLON_ADDRESS, or 127.0.0.1:7311.
        token        The gateway's API key. None: the variable CARILLON_TOKEN. Empty: none is sent.
        timeout      How many seconds a call may take.
        credentials  For TLS, where the gateway speaks it (control.tls), or a proxy in front of it. None: plain text, the token included.
        """
        self._address = address or os.environ.get("CARILLON_ADDRESS") or _DEFAULT_ADDRESS
        if token is None:
            token = os.environ.get("CARILLON_TOKEN", "")
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._timeout = timeout
        self._credentials = credentials
        self._lock = threading.Lock()  # Guards the three below.
        self._channel: grpc.Channel | None = None
        self._stub: Any = None
        self._closed = False

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends calls that still run, and the connection. May be called again; other calls raise CANCELLED from now."""
        with self._lock:
            self._closed = True
            channel, self._channel, self._stub = self._channel, None, None
        if channel is not None:
            channel.close()

    def broadcast_to_user(
        self,
        user_id: str,
        *,
        event: str,
        data: object = None,
        stream: str = "",
        meta: Mapping[str, str] | None = None,
        any_session: bool = False,
        timeout: float | None = None,
    ) -> Receipt:
        """Sends to a user's sessions: every open tab.

        With a stream, clients see the message on it, and only those of the sessions receive it that subscribe to it;
        any_session reaches the others too.
        """
        request = control_pb2.BroadcastToUserRequest(
            user_id=user_id, stream=stream, any_session=any_session, event=_event(event, data, meta)
        )
        response: control_pb2.BroadcastToUserResponse = self._call("BroadcastToUser", request, timeout)
        return _receipt(response.receipt)

    def broadcast_to_users(
        self,
        user_ids: Iterable[str],
        *,
        event: str,
        data: object = None,
        stream: str = "",
        meta: Mapping[str, str] | None = None,
        any_session: bool = False,
        timeout: float | None = None,
    ) -> UsersReceipt:
        """Sends the same message to 1 to 1,000 users. ResourceExhausted may leave the first of them served."""
        if isinstance(user_ids, str):
            raise TypeError("user_ids is one string, not several")
        request = control_pb2.BroadcastToUsersRequest(
            user_ids=user_ids, stream=stream, any_session=any_session, event=_event(event, data, meta)
        )
        response: control_pb2.BroadcastToUsersResponse = self._call("BroadcastToUsers", request, timeout)
        receipt = _receipt(response.receipt)
        return UsersReceipt(receipt.message_id, receipt.sessions, receipt.position, response.users)

    def broadcast_stream(
        self,
        stream: str,
        *,
        event: str,
        data: object = None,
        meta: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Receipt:
        """Sends to everyone who subscribes to a stream."""
        request = control_pb2.BroadcastStreamRequest(stream=stream, event=_event(event, data, meta))
        response: control_pb2.BroadcastStreamResponse = self._call("BroadcastStream", request, timeout)
        return _receipt(response.receipt)

    def broadcast_all(
        self,
        *,
        event: str,
        data: object = None,
        stream: str = "",
        meta: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Receipt:
        """Sends to every session, whatever it subscribes to. Clients see it on the stream, or on "@all"."""
        request = control_pb2.BroadcastAllRequest(stream=stream, event=_event(event, data, meta))
        response: control_pb2.BroadcastAllResponse = self._call("BroadcastAll", request, timeout)
        return _receipt(response.receipt)

    def send_to_session(
        self,
        session_id: str,
        *,
        event: str,
        data: object = None,
        stream: str = "",
        meta: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Receipt:
        """Sends to one session. The client sees it on the stream, or on "@session"."""
        request = control_pb2.SendToSessionRequest(
            session_id=session_id, stream=stream, event=_event(event, data, meta)
        )
        response: control_pb2.SendToSessionResponse = self._call("SendToSession", request, timeout)
        return _receipt(response.receipt)

    def kick(
        self,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        stream: str | None = None,
        code: int = 0,
        reason: str = "",
        timeout: float | None = None,
    ) -> KickResult:
        """Closes one session, all of a user's, or all that subscribe to a stream: give exactly one of the three.

        code    The WebSocket close code: 1000, 1008 or 3000 to 4999. 0: 4005 (kicked). 4000 to 4099 tell clients to
                stay away, 4100 to 4199 to back off first, 4200 to 4299 to come back at once.
        reason  What the client reads in its close event: at most 123 bytes. Empty: "kicked".
        """
        if [session_id, user_id, stream].count(None) != 2:
            raise TypeError("kick() takes exactly one of session_id, user_id and stream")
        request = control_pb2.KickRequest(
            session_id=session_id, user_id=user_id, stream=stream, code=code, reason=reason
        )
        response: control_pb2.KickResponse = self._call("Kick", request, timeout)
        return KickResult(response.sessions, response.partial)

    def subscribers(
        self,
        *,
        stream: str | None = None,
        user_id: str | None = None,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Iterator[Subscriber]:
        """Lists the sessions that subscribe to a stream or belong to a user: give exactly one of the two.

        Asks for pages as the iteration goes on, each of at most page_size sessions (0: 100; at most 1,000) and with a
        timeout of its own. Sessions that come or go meanwhile may be missed; none is listed twice. Raises
        PartialResult at the end where the list may have gaps.
        """
        if (stream is None) == (user_id is None):
            raise TypeError("subscribers() takes exactly one of stream and user_id")
        request = control_pb2.SubscribersRequest(stream=stream, user_id=user_id, page_size=page_size)
        return self._pages(request, timeout)

    def count_subscribers(
        self, *, stream: str | None = None, user_id: str | None = None, timeout: float | None = None
    ) -> int:
        """Counts the sessions that subscribe to a stream or belong to a user. Without either: all sessions."""
        if stream is not None and user_id is not None:
            raise TypeError("count_subscribers() takes stream or user_id, not both")
        request = control_pb2.CountSubscribersRequest(stream=stream, user_id=user_id)
        response: control_pb2.CountSubscribersResponse = self._call("CountSubscribers", request, timeout)
        return response.sessions

    def _pages(self, request: control_pb2.SubscribersRequest, timeout: float | None) -> Iterator[Subscriber]:
        partial = False
        while True:
            response: control_pb2.SubscribersResponse = self._call("Subscribers", request, timeout)
            for each in response.subscribers:
                connected = each.connected_time.ToDatetime(tzinfo=timezone.utc)
                yield Subscriber(each.session_id, each.user_id, connected, dict(each.labels))
            partial = partial or response.partial
            # A page that is not full may have a next one; only the empty token ends the list.
            if not response.next_page_token:
                break
            request.page_token = response.next_page_token
        if partial:
            raise PartialResult(
                grpc.StatusCode.UNAVAILABLE, "a part of the gateway did not answer in time: sessions may be missing"
            )

    def _call(self, method: str, request: object, timeout: float | None) -> Any:
        timeout = self._timeout if timeout is None else timeout
        try:
            return getattr(self._connect(), method)(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        except ValueError as error:
            # What gRPC raises when another thread closes the channel just before the call begins.
            if not self._closed:
                raise
            raise _closed_error() from error

    def _connect(self) -> Any:
        with self._lock:
            if self._closed:
                raise _closed_error()
            if self._channel is None:
                if self._credentials is None:
                    self._channel = grpc.insecure_channel(self._address, _CHANNEL_OPTIONS)
                else:
                    self._channel = grpc.secure_channel(self._address, self._credentials, _CHANNEL_OPTIONS)
                self._stub = control_pb2_grpc.ControlServiceStub(self._channel)  # type: ignore[no-untyped-call]
            return self._stub


def _closed_error() -> CarillonError:
    return CarillonError(grpc.StatusCode.CANCELLED, "the client is closed")


def _event(name: str, data: object, meta: Mapping[str, str] | None) -> envelope_pb2.Event:
    event = envelope_pb2.Event(name=name, meta=meta)
    if isinstance(data, (bytes, bytearray, memoryview)):
        event.binary = bytes(data)
    elif data is not None:
        # Without spaces, and not escaped to ASCII: the text is sent on to every client as it is here. JSON has no NaN.
        event.json = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return event


def _receipt(receipt: control_pb2.Receipt) -> Receipt:
    position = None
    if receipt.HasField("position"):
        position = Position(receipt.position.epoch, receipt.position.offset)
    return Receipt(receipt.message_id, receipt.sessions, position)
