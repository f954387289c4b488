"""Backends written with carillon_client.hooks, asked by the real gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import grpc
import pytest
import websockets
from browser import Browser

from carillon_client import Json
from carillon_client._pb import hooks_pb2 as pb
from carillon_client._pb import hooks_pb2_grpc
from carillon_client.hooks import (
    Accept,
    Answer,
    AsyncHooks,
    ClientEvent,
    Credentials,
    Hooks,
    Publication,
    Refuse,
    Session,
    Subscription,
    User,
)
from carillon_client.testing import PATIENCE, Gateway

Begin = Callable[[Any], str]
Functions = dict[str, Callable[[Any], Any]]
KEY = "a-key-for-the-backend-0123456789"


@pytest.fixture
def serve() -> Iterator[Begin]:
    """Serves hooks of either kind, and returns where. They end with the test."""
    with contextlib.ExitStack() as stack:

        def begin(hooks: Any) -> str:
            return stack.enter_context(_served_by_asyncio(hooks) if isinstance(hooks, AsyncHooks) else _served(hooks))

        yield begin


@contextlib.contextmanager
def _served(hooks: Hooks) -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    hooks.add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@contextlib.contextmanager
def _served_by_asyncio(hooks: AsyncHooks) -> Iterator[str]:
    begun: futures.Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = futures.Future()

    async def run() -> None:
        server = grpc.aio.server()
        hooks.add_to(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        ended = asyncio.Event()
        begun.set_result((asyncio.get_running_loop(), ended, port))
        await ended.wait()
        await server.stop(None)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    loop, ended, port = begun.result(PATIENCE)
    yield f"127.0.0.1:{port}"
    loop.call_soon_threadsafe(ended.set)
    thread.join(PATIENCE)


@pytest.fixture(params=["sync", "asyncio"])
def make_hooks(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Makes hooks of either kind out of plain functions: make_hooks(authenticate=…), with the key."""

    def make(key: str | None = KEY, **functions: Callable[[Any], Any]) -> Any:
        hooks: Any = Hooks(key) if request.param == "sync" else AsyncHooks(key)
        for name, function in functions.items():
            getattr(hooks, name)(function if request.param == "sync" else _coroutine(function))
        return hooks

    return make


def _coroutine(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def answer(asked: Any) -> Any:
        return function(asked)

    return answer


@pytest.fixture
def asks(
    serve: Begin, make_hooks: Callable[..., Any], start_carillon: Callable[..., Gateway]
) -> Callable[..., Gateway]:
    """Starts a gateway that asks these functions."""

    def start(**functions: Callable[[Any], Any]) -> Gateway:
        return start_carillon(
            {
                "edge": {"endpoints": [{"path": "/ws", "anonymous": True}]},
                "hooks": [{"name": "main", "address": serve(make_hooks(**functions)), "key": KEY, "deadline": "20s"}],
                "auth": {"hook": {"backend": "main", "headers": ["x-tenant"], "cookies": ["sid"]}},
                "streams": [{"pattern": "room-*", "subscribe": {"hook": "main"}, "publish": {"hook": "main"}}],
                "client_events": [
                    {"event": "ask", "hook": "main", "action": "none", "anonymous": True, "rate": "100/1s"}
                ],
            }
        )

    return start


def _with_token(gateway: Gateway, token: str, *streams: str) -> str:
    return gateway.url("", *streams) + ("&" if streams else "?") + f"token={token}"


def _codes(refused: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["code"], each["message"]) for each in refused]


def test_who_a_client_is(asks: Callable[..., Gateway]) -> None:
    shown: list[Credentials] = []

    def authenticate(credentials: Credentials) -> User | Refuse:
        shown.append(credentials)
        soon = datetime.now(timezone(timedelta(hours=5))) + timedelta(hours=1)
        return User(
            "ann", "Ann", {"pet": "cät"}, ("admin",), {"team": "red"}, ["lobby"], expires_at=soon, token_id="session-7"
        )

    gateway = asks(authenticate=authenticate)
    ann = Browser(_with_token(gateway, "opaque", "news") + "&page=3")
    with gateway.client() as client:
        (session,) = client.subscribers(stream="lobby")
        assert (session.user_id, session.labels) == ("ann", {"team": "red"})
        assert client.revoke_tokens(token_id="session-7").sessions == 1
    assert ann.receive_close()[0] == 4001
    query = {"page": "3", "streams": "news"}
    assert shown == [Credentials("default", "/ws", "127.0.0.1", "", "opaque", {}, {}, query, None)]
    assert "opaque" not in repr(shown)


def test_a_client_that_is_refused(asks: Callable[..., Gateway]) -> None:
    gateway = asks(authenticate=lambda _: Refuse("log in again"))
    with pytest.raises(websockets.exceptions.InvalidStatusCode) as refused:
        Browser(_with_token(gateway, "opaque"))
    assert refused.value.status_code == 401


def test_who_may_listen(asks: Callable[..., Gateway]) -> None:
    asked: list[Subscription] = []

    def authorize(subscription: Subscription) -> bool | Refuse:
        asked.append(subscription)
        return {"room-yes": True, "room-no": False}.get(subscription.stream, Refuse("not yours"))

    gateway = asks(authorize_subscribe=authorize)
    ann = Browser(gateway.url("ann", name="Ann", roles=["staff"], labels={"team": "red"}))
    answer = ann.say(action="subscribe", streams=["room-yes", "room-no", "room-x"])["data"]
    assert answer["streams"] == ["room-yes"]
    assert _codes(answer["refused"]) == [("forbidden", "this session may not"), ("forbidden", "not yours")]
    assert {each.stream for each in asked} == {"room-yes", "room-no", "room-x"}
    assert asked[0].session == Session("default", ann.session, "ann", "Ann", ("staff",), {"team": "red"})
    ann.close()


def test_what_may_be_said(asks: Callable[..., Gateway]) -> None:
    def authorize(said: Publication) -> Accept | Refuse:
        assert (said.stream, said.session.user_id) == ("room-1", "ann")
        answers: dict[str, Accept | Refuse] = {
            "as_it_is": Accept(),
            "renamed": Accept("other"),
            "changed": Accept(data={"was": said.data}),
            "null": Accept(data=None),
            "ready": Accept(data=Json('{"a":  1}')),
        }
        return answers.get(said.event, Refuse("be quiet"))

    gateway = asks(authorize_subscribe=lambda _: True, authorize_publish=authorize)
    listener = Browser(gateway.url("bob", "room-1"))
    ann = Browser(gateway.url("ann"))
    for event in ("as_it_is", "renamed", "changed", "null", "ready"):
        assert ann.say(action="publish", stream="room-1", event=event, data=["ü"], id=1)["event"] == "published"
    heard = [listener.receive() for _ in range(5)]
    assert [(each["event"], each["data"]) for each in heard] == [
        ("as_it_is", ["ü"]),
        ("other", ["ü"]),
        ("changed", {"was": ["ü"]}),
        ("null", None),
        ("ready", {"a": 1}),
    ]
    refused = ann.say(action="publish", stream="room-1", event="bad", id=1)["data"]
    assert _codes([refused]) == [("rejected", "be quiet")]
    listener.close()
    ann.close()


def test_what_becomes_of_an_event(asks: Callable[..., Gateway]) -> None:
    def said(event: ClientEvent) -> Accept | Refuse | Answer:
        assert (event.event, event.session.user_id) == ("ask", "")
        answers: dict[Any, Accept | Refuse | Answer] = {"a": Accept(), "r": Refuse(), "n": Answer()}
        return answers.get(event.data) or Answer({"to": event.data})

    gateway = asks(on_client_event=said)
    browser = Browser(gateway.url())
    answers = [browser.say(action="publish", event="ask", data=data, id=1) for data in ("a", "r", "n", "q")]
    assert [answer["event"] for answer in answers] == ["published", "error", "answer", "answer"]
    assert answers[1]["data"]["code"] == "rejected"
    assert [answer["data"]["data"] for answer in answers[2:]] == [None, {"to": "q"}]
    browser.close()


def test_what_has_no_answer_lets_nobody_in(asks: Callable[..., Gateway], caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: Any) -> Any:
        raise RuntimeError("the database is on fire")

    gateway = asks(authorize_subscribe=fails, on_client_event=lambda _: None)  # and authorize_publish is not given
    browser = Browser(gateway.url("ann"))
    with caplog.at_level(logging.ERROR, "carillon_client"):
        answer = browser.say(action="subscribe", streams=["room-1"])["data"]
        assert (answer["streams"], answer["refused"][0]["code"]) == ([], "unavailable")
        assert browser.say(action="publish", event="ask", id=1)["data"]["code"] == "unavailable"
        assert browser.say(action="publish", stream="room-1", event="x", id=1)["data"]["code"] == "unavailable"
    assert "AuthorizeSubscribe has no answer" in caplog.text and "the database is on fire" in caplog.text
    assert "NoneType is no answer to OnClientEvent" in caplog.text
    assert "on fire" not in gateway.log  # what is said here stays here
    browser.close()


@contextlib.contextmanager
def _stub(address: str) -> Iterator[Any]:
    with grpc.insecure_channel(address) as channel:
        yield hooks_pb2_grpc.HooksServiceStub(channel)  # type: ignore[no-untyped-call]


def _refused(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    return error.code(), error.details()


@pytest.mark.parametrize("authorization", [None, "", "Bearer ", "Bearer wrong", KEY, f"Bearer {KEY}x", f"bearer {KEY}"])
def test_a_wrong_key(serve: Begin, make_hooks: Callable[..., Any], authorization: str | None) -> None:
    called: list[Any] = []
    with _stub(serve(make_hooks(authorize_subscribe=called.append))) as stub:
        metadata = None if authorization is None else (("authorization", authorization),)
        for method in (stub.AuthorizeSubscribe, stub.OnClientEvent):
            code, _ = _refused(partial(method, pb.AuthorizeSubscribeRequest(), metadata=metadata))
            assert code is grpc.StatusCode.UNAUTHENTICATED
    assert called == []


def test_white_space_around_a_key_is_taken_off(serve: Begin, make_hooks: Callable[..., Any]) -> None:
    allow = make_hooks(f" {KEY}\r\n", authorize_subscribe=lambda _: True)
    with _stub(serve(allow)) as stub:
        metadata = (("authorization", f"Bearer {KEY}"),)
        assert stub.AuthorizeSubscribe(pb.AuthorizeSubscribeRequest(), metadata=metadata).allowed
    for empty in ("", " \n"):
        with pytest.raises(ValueError, match="the key is empty"):
            make_hooks(empty)


def test_functions_that_are_not_given_are_unimplemented(serve: Begin, make_hooks: Callable[..., Any]) -> None:
    with _stub(serve(make_hooks())) as stub:
        for method in ("Authenticate", "AuthorizeSubscribe", "AuthorizePublish", "OnClientEvent"):
            request = getattr(pb, method + "Request")()
            call = getattr(stub, method)
            code, _ = _refused(lambda: call(request, metadata=(("authorization", f"Bearer {KEY}"),)))
            assert code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("method", "function", "answer"),
    [
        ("Authenticate", "authenticate", True),
        ("Authenticate", "authenticate", User("")),
        ("Authenticate", "authenticate", User("ann", roles="admin")),
        ("Authenticate", "authenticate", User("ann", expires_at=datetime(2030, 1, 1))),
        ("AuthorizeSubscribe", "authorize_subscribe", None),
        ("AuthorizeSubscribe", "authorize_subscribe", 1),
        ("AuthorizeSubscribe", "authorize_subscribe", Accept()),
        ("AuthorizePublish", "authorize_publish", True),
        ("AuthorizePublish", "authorize_publish", Answer()),
        ("AuthorizePublish", "authorize_publish", Accept(data=Json(""))),
        ("AuthorizePublish", "authorize_publish", Accept(data=float("nan"))),
        ("OnClientEvent", "on_client_event", Answer(object())),
    ],
)
def test_answers_that_are_none(
    serve: Begin, make_hooks: Callable[..., Any], method: str, function: str, answer: object
) -> None:
    with _stub(serve(make_hooks(None, **{function: lambda _: answer}))) as stub:
        request = getattr(pb, method + "Request")()
        code, words = _refused(lambda: getattr(stub, method)(request))
    assert code is grpc.StatusCode.INTERNAL and words.startswith("the backend's function has failed: ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            User("ann", labels={"a": 1}),  # type: ignore[dict-item]
            "User.labels takes Mapping[str, str], not dict[str, int]",
        ),
        (User(5), "User.user_id takes str, not int"),  # type: ignore[arg-type]
        (User("ann", roles=[5]), "roles takes strings, not int"),  # type: ignore[list-item]
        (Refuse(5), "Refuse.message takes str, not int"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_field_of_an_answer_is_named_in_the_log(
    serve: Begin,
    make_hooks: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    answer: object,
    words: str,
) -> None:
    with _stub(serve(make_hooks(None, authenticate=lambda _: answer))) as stub:
        code, _ = _refused(lambda: stub.Authenticate(pb.AuthenticateRequest()))
    assert code is grpc.StatusCode.INTERNAL
    assert f"TypeError: {words}" in caplog.text


def test_the_object_with_which_a_client_began(serve: Begin, make_hooks: Callable[..., Any]) -> None:
    def authenticate(shown: Credentials) -> User | Refuse:
        return User("ann", info=shown.handshake)

    with _stub(serve(make_hooks(None, authenticate=authenticate))) as stub:
        answer = stub.Authenticate(pb.AuthenticateRequest(handshake_json='{"device": "x"}'))
    assert json.loads(answer.user.info_json) == {"device": "x"}


@pytest.mark.parametrize("kind", [Hooks, AsyncHooks])
def test_mistakes_of_programs(kind: Any) -> None:
    with pytest.raises(ValueError, match="None where there is to be none"):
        kind("")
    hooks = kind(KEY)
    hooks.authenticate(lambda _: Refuse())
    with pytest.raises(ValueError, match="has a function already"):
        hooks.authenticate(lambda _: Refuse())


def test_both_kinds_have_the_same_names() -> None:
    def names(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    methods = {method.name for method in pb.DESCRIPTOR.services_by_name["HooksService"].methods}
    snake = {"".join("_" + letter.lower() if letter.isupper() else letter for letter in name)[1:] for name in methods}
    assert names(Hooks) == names(AsyncHooks) == snake | {"add_to"}
