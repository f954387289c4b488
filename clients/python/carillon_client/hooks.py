"""Be the backend that the gateway asks: who a client is, what it may do, what becomes of what it says.

hooks = Hooks(key="the key of hooks[].key, 16 bytes or more")

@hooks.authenticate
def who(shown: Credentials) -> User | Refuse:
    return User("alice") if shown.cookies.get("sid") == "s3cret" else Refuse("no such session")

server = grpc.server(futures.ThreadPoolExecutor(16))
hooks.add_to(server)

AsyncHooks is the same for grpc.aio, with coroutines. What a function is asked comes with its JSON read; what it returns
is written as JSON. The gateway waits for each answer (hooks[].deadline, two seconds unless set), so look something up,
and decide.

Questions of a caller without the key are UNAUTHENTICATED, those without a function UNIMPLEMENTED. A function that
raises, or returns what is no answer, is a line in the log "carillon_client" and INTERNAL: no answer, which lets nobody
in unless hooks[].on_failure says otherwise.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from carillon_client._pb import hooks_pb2 as pb
from carillon_client._pb import hooks_pb2_grpc
from carillon_client.arguments import mistake_in
from carillon_client.options import Json, encode, several

__all__ = [
    "Accept",
    "Answer",
    "AsyncHooks",
    "ClientEvent",
    "Credentials",
    "Hooks",
    "Publication",
    "Refuse",
    "Session",
    "Subscription",
    "User",
]

log = logging.getLogger("carillon_client")


# --- What is asked ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Session:
    """Whose question it is. What it is comes from its token, or from what `authenticate` answered."""

    app: str
    #: As send_to_session() takes it. Empty: it is about to begin.
    session_id: str
    #: Empty: it is anonymous.
    user_id: str
    #: What to call the user; may be empty.
    name: str
    roles: tuple[str, ...]
    labels: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True)
class Credentials:
    """What a client shows when it connects. All of it comes from the client and is not to be trusted."""

    app: str
    #: The path of the endpoint.
    endpoint: str
    #: The client's address.
    address: str
    #: The page's origin. Empty: no browser.
    origin: str
    #: Empty: none.
    token: str = field(repr=False)
    #: Those of auth.hook.cookies that came.
    cookies: Mapping[str, str] = field(hash=False, repr=False)
    #: Those of auth.hook.headers that came, with names in lower case.
    headers: Mapping[str, str] = field(hash=False, repr=False)
    #: What stands in the URL, but for the token.
    query: Mapping[str, str] = field(hash=False, repr=False)
    #: The object with which the client began: its "auth" frame without the token, or Socket.IO's auth. None: none came.
    handshake: Any = field(hash=False, repr=False)


@dataclass(frozen=True)
class Subscription:
    """A session wants to listen to a stream."""

    session: Session
    stream: str


@dataclass(frozen=True)
class Publication:
    """A session wants to say something to a stream."""

    session: Session
    stream: str
    event: str
    data: Any = field(hash=False)


@dataclass(frozen=True)
class ClientEvent:
    """A session said something to no stream."""

    session: Session
    event: str
    data: Any = field(hash=False)


# --- What is answered -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class User:
    """The client is this user."""

    #: 1 to 256 bytes.
    user_id: str
    #: What to call the user: at most 256 bytes, the rest is cut.
    name: str = ""
    #: What the members of a stream see of the user besides, any JSON of at most 1,024 bytes. None: nothing.
    info: object = field(default=None, hash=False)
    #: At most 100 of at most 256 bytes.
    roles: Iterable[str] = ()
    #: At most 100 of at most 256 bytes each.
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    #: Streams that are granted to the session and subscribed at connect. At most 100.
    streams: Iterable[str] = ()
    #: When the session ends, with its time zone. None: after auth.hook.lifetime.
    expires_at: datetime | None = None
    #: What revoke_tokens() calls it: the id of your session, say.
    token_id: str = ""


@dataclass(frozen=True)
class Refuse:
    """No. The client is told the message: at most 200 bytes, the rest is cut. Empty: words of the gateway."""

    message: str = ""


class _Unchanged:
    def __repr__(self) -> str:
        return "UNCHANGED"


_UNCHANGED = _Unchanged()


@dataclass(frozen=True)
class Accept:
    """Let it through: as it is, under another name, or with other data (None is data: null)."""

    #: Empty: its own.
    event: str = ""
    data: object = field(default=_UNCHANGED, hash=False)


@dataclass(frozen=True)
class Answer:
    """An answer for the client alone: anything that json.dumps takes, or Json("…")."""

    data: object = field(default=None, hash=False)


# --- Who answers ------------------------------------------------------------------------------------------------------

WhoIs = TypeVar("WhoIs", bound=Callable[[Credentials], "User | Refuse"])
MayListen = TypeVar("MayListen", bound=Callable[[Subscription], "bool | Refuse"])
MaySay = TypeVar("MaySay", bound=Callable[[Publication], "Accept | Refuse"])
HasSaid = TypeVar("HasSaid", bound=Callable[[ClientEvent], "Accept | Refuse | Answer"])
AsyncWhoIs = TypeVar("AsyncWhoIs", bound=Callable[[Credentials], Awaitable["User | Refuse"]])
AsyncMayListen = TypeVar("AsyncMayListen", bound=Callable[[Subscription], Awaitable["bool | Refuse"]])
AsyncMaySay = TypeVar("AsyncMaySay", bound=Callable[[Publication], Awaitable["Accept | Refuse"]])
AsyncHasSaid = TypeVar("AsyncHasSaid", bound=Callable[[ClientEvent], Awaitable["Accept | Refuse | Answer"]])


class _Answering:
    """What both kinds have in common: the functions, the key, and what is read and written."""

    def __init__(self, key: str | None) -> None:
        """key: that of hooks[].key, which the gateway shows; white space around it is taken off. None: anybody is
        answered who can reach the server. ValueError where it is empty."""
        if key is not None and not key.strip():
            raise ValueError("the key is empty: say None where there is to be none")
        self._expected = None if key is None else f"Bearer {key.strip()}".encode()
        self._functions: dict[str, Callable[[Any], Any]] = {}

    def _give(self, method: str, function: Any) -> Any:
        if method in self._functions:
            raise ValueError(f"{method} has a function already: {self._functions[method]}")
        self._functions[method] = function
        return function

    def _function(self, method: str, context: Any) -> Callable[[Any], Any] | tuple[grpc.StatusCode, str]:
        """The function for a call, or why there is none."""
        if self._expected is not None:
            shown = dict(context.invocation_metadata()).get("authorization", "")
            if not hmac.compare_digest(self._expected, shown.encode() if isinstance(shown, str) else shown):
                return grpc.StatusCode.UNAUTHENTICATED, "the key is missing or wrong"
        function = self._functions.get(method)
        return function or (grpc.StatusCode.UNIMPLEMENTED, f"{method} has no function")


class Hooks(_Answering):
    """Functions that answer the gateway's questions, for grpc.server. The server's threads call them, several at once.

    Each method takes the function for one kind of question, as a decorator does, and returns it.
    """

    def authenticate(self, function: WhoIs) -> WhoIs:
        """Who is it that connects? Returns a User, or Refuse."""
        return self._give("Authenticate", function)  # type: ignore[no-any-return]

    def authorize_subscribe(self, function: MayListen) -> MayListen:
        """May the session listen to the stream? Returns True, False, or Refuse with words for the client."""
        return self._give("AuthorizeSubscribe", function)  # type: ignore[no-any-return]

    def authorize_publish(self, function: MaySay) -> MaySay:
        """May the session say this to the stream? Returns Accept, or Refuse."""
        return self._give("AuthorizePublish", function)  # type: ignore[no-any-return]

    def on_client_event(self, function: HasSaid) -> HasSaid:
        """What becomes of an event that was said to no stream? Returns Accept, Refuse, or Answer."""
        return self._give("OnClientEvent", function)  # type: ignore[no-any-return]

    def add_to(self, server: grpc.Server) -> None:
        """Lets the server answer. Ports, TLS, threads and its beginning and end are yours."""
        servicer = _Servicer(self._serve)
        hooks_pb2_grpc.add_HooksServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]

    def _serve(self, method: str, request: Any, context: Any) -> Any:
        function = self._function(method, context)
        if isinstance(function, tuple):
            context.abort(*function)
            return None
        response: Any = None
        try:
            response = _write(method, function(_read(method, request)))
        except Exception as error:
            failure = _failed(method, error)
        if response is None:
            context.abort(*failure)
        return response


class AsyncHooks(_Answering):
    """Coroutine functions that answer the gateway's questions, for grpc.aio.server. As Hooks; one whose client has gone
    is cancelled."""

    def authenticate(self, function: AsyncWhoIs) -> AsyncWhoIs:
        """Who is it that connects? Returns a User, or Refuse."""
        return self._give("Authenticate", function)  # type: ignore[no-any-return]

    def authorize_subscribe(self, function: AsyncMayListen) -> AsyncMayListen:
        """May the session listen to the stream? Returns True, False, or Refuse with words for the client."""
        return self._give("AuthorizeSubscribe", function)  # type: ignore[no-any-return]

    def authorize_publish(self, function: AsyncMaySay) -> AsyncMaySay:
        """May the session say this to the stream? Returns Accept, or Refuse."""
        return self._give("AuthorizePublish", function)  # type: ignore[no-any-return]

    def on_client_event(self, function: AsyncHasSaid) -> AsyncHasSaid:
        """What becomes of an event that was said to no stream? Returns Accept, Refuse, or Answer."""
        return self._give("OnClientEvent", function)  # type: ignore[no-any-return]

    def add_to(self, server: grpc.aio.Server) -> None:
        """Lets the server answer. Ports, TLS and its beginning and end are yours."""
        servicer = _AsyncServicer(self._serve)
        hooks_pb2_grpc.add_HooksServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]

    async def _serve(self, method: str, request: Any, context: Any) -> Any:
        function = self._function(method, context)
        if isinstance(function, tuple):
            await context.abort(*function)
            return None
        response: Any = None
        try:
            response = _write(method, await function(_read(method, request)))
        except Exception as error:
            failure = _failed(method, error)
        if response is None:
            await context.abort(*failure)
        return response


class _Servicer(hooks_pb2_grpc.HooksServiceServicer):
    def __init__(self, serve: Callable[[str, Any, Any], Any]) -> None:
        self._serve = serve

    def Authenticate(self, request: Any, context: Any) -> Any:
        return self._serve("Authenticate", request, context)

    def AuthorizeSubscribe(self, request: Any, context: Any) -> Any:
        return self._serve("AuthorizeSubscribe", request, context)

    def AuthorizePublish(self, request: Any, context: Any) -> Any:
        return self._serve("AuthorizePublish", request, context)

    def OnClientEvent(self, request: Any, context: Any) -> Any:
        return self._serve("OnClientEvent", request, context)


class _AsyncServicer(hooks_pb2_grpc.HooksServiceServicer):
    """grpc.aio looks whether a method is a coroutine function before it calls it."""

    def __init__(self, serve: Callable[[str, Any, Any], Awaitable[Any]]) -> None:
        self._serve = serve

    async def Authenticate(self, request: Any, context: Any) -> Any:
        return await self._serve("Authenticate", request, context)

    async def AuthorizeSubscribe(self, request: Any, context: Any) -> Any:
        return await self._serve("AuthorizeSubscribe", request, context)

    async def AuthorizePublish(self, request: Any, context: Any) -> Any:
        return await self._serve("AuthorizePublish", request, context)

    async def OnClientEvent(self, request: Any, context: Any) -> Any:
        return await self._serve("OnClientEvent", request, context)


def _failed(method: str, error: Exception) -> tuple[grpc.StatusCode, str]:
    log.error("%s has no answer", method, exc_info=error)
    # Its words are for the log here, which may hold what the gateway's may not.
    return grpc.StatusCode.INTERNAL, f"the backend's function has failed: {type(error).__name__}"


# --- Reading and writing ----------------------------------------------------------------------------------------------


def _read(method: str, request: Any) -> Any:
    if method == "Authenticate":
        return Credentials(
            app=request.app,
            endpoint=request.endpoint,
            address=request.address,
            origin=request.origin,
            token=request.token,
            cookies=dict(request.cookies),
            headers=dict(request.headers),
            query=dict(request.query),
            handshake=json.loads(request.handshake_json or "null"),
        )
    session = Session(
        app=request.session.app,
        session_id=request.session.session_id,
        user_id=request.session.user_id,
        name=request.session.name,
        roles=tuple(request.session.roles),
        labels=dict(request.session.labels),
    )
    if method == "AuthorizeSubscribe":
        return Subscription(session, request.stream)
    data = json.loads(request.json or "null")
    if method == "AuthorizePublish":
        return Publication(session, request.stream, request.event, data)
    return ClientEvent(session, request.event, data)


def _write(method: str, answer: object) -> Any:
    """Raises TypeError where it is no answer to such a question: what is not said must not let anybody in."""
    try:
        return _written(method, answer)
    except (TypeError, ValueError, AttributeError) as caught:
        words = mistake_in(answer, type(answer).__name__) if isinstance(answer, (User, Refuse, Accept)) else None
        if words is None:
            raise
        raise TypeError(words) from caught


def _written(method: str, answer: object) -> Any:
    if method == "Authenticate":
        if isinstance(answer, User):
            return pb.AuthenticateResponse(user=_user(answer))
        if isinstance(answer, Refuse):
            return pb.AuthenticateResponse(refusal=_refusal(answer))
    elif method == "AuthorizeSubscribe":
        if isinstance(answer, bool):
            return pb.AuthorizeSubscribeResponse(allowed=answer)
        if isinstance(answer, Refuse):
            return pb.AuthorizeSubscribeResponse(message=answer.message)
    else:
        kind = pb.AuthorizePublishResponse if method == "AuthorizePublish" else pb.OnClientEventResponse
        if isinstance(answer, Accept):
            data = "" if isinstance(answer.data, _Unchanged) else _json(answer.data)
            return kind(accept=pb.HookAccept(event=answer.event, json=data))
        if isinstance(answer, Refuse):
            return kind(refusal=_refusal(answer))
        if isinstance(answer, Answer) and method == "OnClientEvent":
            return kind(answer=pb.HookAnswer(json=_json(answer.data)))
    raise TypeError(f"{type(answer).__name__} is no answer to {method}")


def _user(user: User) -> pb.HookUser:
    if not user.user_id:
        raise ValueError("a User needs a user_id")
    written = pb.HookUser(
        user_id=user.user_id,
        name=user.name,
        info_json="" if user.info is None else _json(user.info),
        roles=several(user.roles, "roles"),
        labels=user.labels,
        streams=several(user.streams, "streams"),
        token_id=user.token_id,
    )
    if user.expires_at is not None:
        if user.expires_at.tzinfo is None:
            raise ValueError("expires_at needs a time zone")
        moment = Timestamp()
        moment.FromDatetime(user.expires_at.astimezone(timezone.utc).replace(tzinfo=None))
        written.expires_at.CopyFrom(moment)
    return written


def _refusal(refuse: Refuse) -> pb.HookRefusal:
    return pb.HookRefusal(message=refuse.message)


def _json(data: object) -> str:
    if data == "" and isinstance(data, Json):
        raise ValueError('Json("") is no JSON')  # and would stand for what was asked about
    return str(data) if isinstance(data, Json) else encode(data)
