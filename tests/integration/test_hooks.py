"""Backends that the gateway asks: who a client is, what it may do, what becomes of what it says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from support.control import Control, event, pb
from support.feed import Watch, kinds
from support.gateway import Gateway, token
from support.hook_server import Gate, HookServer, accept, refusal, user
from support.hook_server import pb as hooks_pb
from support.http import RawConnection, Response, request_bytes, upgrade_headers
from support.ws import Browser, ClosedByGateway, WebSocket, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]

KEY = "a-key-for-the-backend-0123456789"


@pytest.fixture(scope="module")
def backend() -> Iterator[HookServer]:
    server = HookServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def config(backend: HookServer) -> dict[str, Any]:
    here = f"127.0.0.1:{backend.port}"
    return {
        "edge": {
            "endpoints": [
                {"path": "/ws", "anonymous": True},
                {"path": "/private", "auth_timeout": "20s"},
                {"path": "/strict"},
                {"path": "/told", "reject_mode": "close"},
            ]
        },
        "hooks": [
            {"name": "main", "address": here, "key": KEY, "deadline": "20s", "breaker_failures": 1000},
            {"name": "lenient", "address": here, "on_failure": "allow", "deadline": "20s", "breaker_failures": 1000},
        ],
        "auth": {
            "hook": {"backend": "main", "cookies": ["sid", "device"], "headers": ["x-tenant"]},
            "claims": {"subscribe": ["user-{user}"]},
        },
        "streams": [
            {"pattern": "asked-*", "subscribe": {"hook": "main"}, "publish": {"hook": "main"}},
            {"pattern": "logged-*", "subscribe": {"hook": "main"}, "log": {"mode": "log"}},
            {"pattern": "team-*", "subscribe": {"roles": ["staff"], "hook": "main"}},
            {"pattern": "lenient-*", "subscribe": {"hook": "lenient"}, "publish": {"hook": "lenient"}},
            {"pattern": "free-*", "publish": {"who": "anyone"}},
        ],
        "client_events": [
            {"event": "ask.*", "hook": "main", "action": "none", "anonymous": True, "rate": "100/1s"},
            {"event": "say", "hook": "main", "action": "publish", "stream": "free-{data.room}", "anonymous": True,
             "rate": "10/10m"},
            {"event": "deep", "hook": "main", "action": "publish", "stream": "asked-{data.room}", "anonymous": True},
            {"event": "tell", "hook": "main", "anonymous": True},
            {"event": "join", "hook": "main", "action": "subscribe", "stream": "free-{data.room}", "anonymous": True},
        ],
    }


@pytest.fixture(autouse=True)
def clean(backend: HookServer) -> Iterator[None]:
    yield
    backend.answers.clear()
    backend.requests.clear()


# --- Who a client is -------------------------------------------------------------------------------------------------


def begin_handshake(gateway: Gateway, target: str, **headers: str) -> RawConnection:
    connection = RawConnection(gateway.edge)
    connection.send(request_bytes(target, upgrade_headers(gateway.edge, **headers)))
    return connection


def handshake(gateway: Gateway, target: str, **headers: str) -> Response:
    connection = begin_handshake(gateway, target, **headers)
    try:
        return connection.read_response()
    finally:
        connection.close()


def unknown(message: str = "") -> hooks_pb.AuthenticateResponse:
    return hooks_pb.AuthenticateResponse(refusal=refusal(message))


def test_a_session_cookie_says_who_a_client_is(backend: HookServer, connect: Connect, fresh: Fresh) -> None:
    name = fresh("ann")
    backend.answers["Authenticate"] = lambda *_: user(
        name, name="Ann", roles=["admin"], labels={"team": "red"}, streams=["free-1"]
    )
    browser = connect(
        with_query("/private", room="7"),
        extra=[("Cookie", "a=1; sid=opaque; device=x"), ("X-Tenant", "t1"), ("Origin", "http://127.0.0.1")],
    )
    assert browser.welcome["user"] == {"id": name, "name": "Ann", "roles": ["admin"]}
    assert browser.welcome["streams"] == ["free-1", f"user-{name}"]
    (request,) = backend.asked("Authenticate")
    assert dict(request.cookies) == {"sid": "opaque", "device": "x"} and dict(request.headers) == {"x-tenant": "t1"}
    assert (request.app, request.endpoint, request.address) == ("default", "/private", "127.0.0.1")
    assert (request.token, request.origin, dict(request.query)) == ("", "http://127.0.0.1", {"room": "7"})
    assert set(backend.keys) == {f"Bearer {KEY}"}


def test_a_token_that_is_no_jwt_is_for_the_backend_and_a_jwt_is_not(
    backend: HookServer, connect: Connect, fresh: Fresh
) -> None:
    name = fresh("ann")
    backend.answers["Authenticate"] = lambda request, _: user(f"{name}-{request.token}")
    assert connect(with_query("/private", token="db_7.x.y")).welcome["user"]["id"] == f"{name}-db_7.x.y"
    assert dict(backend.asked("Authenticate")[0].query) == {}
    assert connect(with_query("/private", token=token(name))).welcome["user"]["id"] == name
    assert len(backend.asked("Authenticate")) == 1


def test_a_bad_jwt_is_not_saved_by_the_backend(backend: HookServer, gateway: Gateway) -> None:
    backend.answers["Authenticate"] = lambda *_: user("mallory")
    assert handshake(gateway, with_query("/private", token=token("ann")[:-4] + "AAAA")).status == 401
    assert backend.asked("Authenticate") == []


def test_who_shows_nothing_is_not_asked_about(backend: HookServer, connect: Connect) -> None:
    assert connect("/ws", extra=[("Cookie", "other=1")]).welcome["user"] is None
    assert backend.asked("Authenticate") == []


def test_a_refusal_is_401_with_the_backends_words(backend: HookServer, gateway: Gateway) -> None:
    backend.answers["Authenticate"] = lambda *_: unknown("the session has ended")
    response = handshake(gateway, "/strict?token=x")
    assert response.status == 401
    assert (response.error["code"], response.error["message"]) == ("invalid_token", "the session has ended")


def test_a_refusal_is_told_after_the_handshake_where_the_endpoint_says_so(
    backend: HookServer, websocket: Callable[..., WebSocket]
) -> None:
    backend.answers["Authenticate"] = lambda *_: unknown("ended")
    assert websocket("/told?token=x").receive_close() == (4001, "ended")


def test_a_cookie_that_is_refused_leaves_a_client_anonymous_where_that_may_be(
    backend: HookServer, connect: Connect, gateway: Gateway
) -> None:
    backend.answers["Authenticate"] = lambda *_: unknown()
    assert connect("/ws", extra=[("Cookie", "sid=old")]).welcome["user"] is None
    assert handshake(gateway, "/strict", Cookie="sid=old").status == 401


def test_cookies_do_not_count_in_requests_of_other_sites(backend: HookServer, gateway: Gateway) -> None:
    response = handshake(gateway, "/ws", Cookie="sid=x", Sec_Fetch_Site="cross-site")
    assert response.status == 403 and response.error["code"] == "origin"
    assert handshake(gateway, "/ws?token=x", Cookie="sid=x", Sec_Fetch_Site="cross-site").status == 403
    assert backend.asked("Authenticate") == []


def test_a_first_frame_may_bring_the_token(
    backend: HookServer, websocket: Callable[..., WebSocket], fresh: Fresh
) -> None:
    name = fresh("ann")
    backend.answers["Authenticate"] = lambda *_: user(name, streams=["asked-1"])
    backend.answers["AuthorizeSubscribe"] = lambda *_: hooks_pb.AuthorizeSubscribeResponse(allowed=True)
    client = websocket("/private")
    client.send_text(json.dumps({"action": "auth", "token": "opaque", "id": 1, "device": {"os": "x"}}))
    client.send_text(json.dumps({"action": "ping", "id": 2}))  # waits its turn
    welcome, pong = (json.loads(client.next_message().payload) for _ in range(2))
    assert (welcome["event"], pong["event"]) == ("welcome", "pong") and welcome["data"]["user"]["id"] == name
    assert welcome["data"]["streams"] == ["asked-1", f"user-{name}"]
    (request,) = backend.asked("Authenticate")
    assert json.loads(request.handshake_json) == {"device": {"os": "x"}} and request.token == "opaque"
    assert (request.endpoint, request.address) == ("/private", "127.0.0.1")
    (asked,) = backend.asked("AuthorizeSubscribe")
    assert asked.session.user_id == name and asked.stream == "asked-1"


def test_a_refused_first_frame_ends_the_session(
    backend: HookServer, websocket: Callable[..., WebSocket]
) -> None:
    backend.answers["Authenticate"] = lambda *_: unknown("no such session")
    client = websocket("/private")
    client.send_text(json.dumps({"action": "auth", "token": "opaque"}))
    assert client.receive_close() == (4001, "no such session")


def test_nobody_changes_into_somebody_else_by_a_second_token(
    backend: HookServer, connect: Connect, fresh: Fresh
) -> None:
    name = fresh("ann")
    backend.answers["Authenticate"] = lambda request, _: user(request.token)
    browser = connect(with_query("/private", token=name))
    assert browser.ask("auth", token=name)["event"] == "authenticated"
    assert browser.ask("auth", token=name + "x")["data"]["code"] == "already_authenticated"
    backend.answers["Authenticate"] = lambda *_: unknown("no")
    answer = browser.ask("auth", token="other")
    assert (answer["data"]["code"], answer["data"]["message"]) == ("unauthorized", "no")


def test_revocations_and_blocks_hold_for_those_whom_a_backend_vouches_for(
    backend: HookServer, control: Control, gateway: Gateway, connect: Connect, fresh: Fresh
) -> None:
    name = fresh("ann")
    backend.answers["Authenticate"] = lambda *_: user(name, token_id=f"session-{name}")
    browser = connect("/private?token=x")
    control.call("RevokeTokens", pb.RevokeTokensRequest(token_id=f"session-{name}"))
    assert browser.receive_close()[0] == 4001
    assert handshake(gateway, "/private?token=x").status == 401
    control.call("BlockUser", pb.BlockUserRequest(user_id=name, reason="spam"))
    backend.answers["Authenticate"] = lambda *_: user(name)
    response = handshake(gateway, "/private?token=x")
    assert response.status == 403 and "spam" in response.error["message"]


def test_a_session_ends_when_the_backend_says(backend: HookServer, connect: Connect, fresh: Fresh) -> None:
    name = fresh("ann")

    def answer(*_: Any) -> hooks_pb.AuthenticateResponse:
        soon = Timestamp()
        soon.FromNanoseconds(time.time_ns() + 1_500_000_000)
        return user(name, expires_at=soon)

    backend.answers["Authenticate"] = answer
    browser = connect("/private?token=x")
    while True:
        try:
            assert browser.receive()["event"] == "token_expiring"
        except ClosedByGateway as goodbye:
            assert goodbye.code == 4202
            return


def test_others_are_served_while_many_wait(
    backend: HookServer, gateway: Gateway, connect: Connect, keep: Callable[[Any], Any], fresh: Fresh
) -> None:
    gate = Gate(user(fresh("ann")))
    backend.answers["Authenticate"] = gate
    waiting = [keep(begin_handshake(gateway, "/private?token=x")) for _ in range(50)]
    gate.wait_for(50)
    assert connect("/ws").ask("ping")["event"] == "pong"
    gate.open()
    assert [client.read_response().status for client in waiting] == [101] * 50


# --- Who may subscribe -----------------------------------------------------------------------------------------------


def allow(*_: Any) -> hooks_pb.AuthorizeSubscribeResponse:
    return hooks_pb.AuthorizeSubscribeResponse(allowed=True)


def test_a_backend_says_who_may_subscribe(backend: HookServer, connect: Connect, fresh: Fresh) -> None:
    name = fresh("ann")
    backend.answers["AuthorizeSubscribe"] = lambda request, _: hooks_pb.AuthorizeSubscribeResponse(
        allowed=request.stream.endswith("yes"), message="not your room" if request.stream.endswith("no") else ""
    )
    browser = connect(with_query("/ws", token=token(name, roles=["staff"], labels={"team": "red"})))
    reply = browser.ask("subscribe", streams=["asked-yes", "free-1", "asked-no", "asked-x", "asked-yes"])
    assert reply["data"]["streams"] == ["asked-yes", "free-1"]
    assert [(each["stream"], each["code"], each["message"]) for each in reply["data"]["refused"]] == [
        ("asked-no", "forbidden", "not your room"),
        ("asked-x", "forbidden", "this session may not"),
    ]
    asked = backend.asked("AuthorizeSubscribe")
    assert sorted(request.stream for request in asked) == ["asked-no", "asked-x", "asked-yes"]
    session = asked[0].session
    assert (session.app, session.session_id, session.user_id) == ("default", browser.session, name)
    assert (list(session.roles), dict(session.labels)) == (["staff"], {"team": "red"})


def test_it_is_asked_at_connect_and_not_again(
    backend: HookServer, connect: Connect, control: Control, fresh: Fresh
) -> None:
    backend.answers["AuthorizeSubscribe"] = allow
    stream = fresh("logged")
    browser = connect(with_query("/ws", streams=f"{stream},asked-1"))
    assert browser.welcome["streams"] == [stream, "asked-1"]
    browser.subscribe(stream)
    browser.ask("subscribe", streams=[stream], filter={"events": ["a"]})
    assert len(backend.asked("AuthorizeSubscribe")) == 2
    browser.unsubscribe(stream)
    browser.subscribe(stream)
    assert len(backend.asked("AuthorizeSubscribe")) == 3


def test_the_rule_comes_first(backend: HookServer, connect: Connect, fresh: Fresh) -> None:
    backend.answers["AuthorizeSubscribe"] = allow
    browser = connect("/ws")
    assert browser.ask("subscribe", streams=["team-1", "private-x"])["data"]["streams"] == []
    assert backend.asked("AuthorizeSubscribe") == []


def test_what_was_missed_is_recovered_once_it_is_let_in(
    backend: HookServer, connect: Connect, control: Control, fresh: Fresh
) -> None:
    stream = fresh("logged")
    backend.answers["AuthorizeSubscribe"] = allow
    first = connect(with_query("/ws", streams=stream))
    (log,) = first.welcome["logs"].values() if isinstance(first.welcome["logs"], dict) else first.welcome["logs"]
    control.to_stream(stream, event("one"))
    assert first.receive()["event"] == "one"
    gate = Gate(allow())
    backend.answers["AuthorizeSubscribe"] = gate
    second = connect("/ws")
    second.send_json({"action": "subscribe", "streams": [stream], "since": {"last": 5}, "id": 1})
    gate.wait_for()
    control.to_stream(stream, event("two"))
    assert first.receive()["event"] == "two"
    assert second.ask("ping")["event"] == "pong" and second.pending() == 0  # nothing yet
    gate.open()
    assert [second.receive()["event"] for _ in range(3)] == ["subscribed", "one", "two"]


def test_who_unsubscribes_meanwhile_is_told_withdrawn(
    backend: HookServer, connect: Connect, control: Control, fresh: Fresh
) -> None:
    stream, other = fresh("asked"), fresh("asked")
    gate = Gate(allow())
    backend.answers["AuthorizeSubscribe"] = gate
    browser = connect("/ws")
    recover = {stream: {"epoch": "5d1c9a02f00d", "offset": 1}}  # said once, refused once
    browser.send_json({"action": "subscribe", "streams": [stream, other], "recover": recover, "id": "a"})
    gate.wait_for(2)
    assert browser.ask("unsubscribe", streams=[stream])["event"] == "unsubscribed"
    gate.open()
    reply = browser.receive()
    assert reply["id"] == "a" and reply["data"]["streams"] == [other]
    assert [(each["stream"], each["code"]) for each in reply["data"]["refused"]] == [(stream, "withdrawn")]
    control.to_stream(stream, event("unheard"))
    control.to_stream(other, event("heard"))
    assert browser.receive()["event"] == "heard"


def test_a_backend_that_unsubscribes_a_user_is_heard_before_its_own_answer(
    backend: HookServer, connect: Connect, control: Control, fresh: Fresh
) -> None:
    """It may have said yes before it knew."""
    name, stream, other = fresh("ann"), fresh("asked"), fresh("asked")
    backend.answers["Authenticate"] = lambda *_: user(name)
    browser = connect(with_query("/private", token="x"))
    gate = Gate(allow())
    backend.answers["AuthorizeSubscribe"] = gate
    browser.send_json({"action": "subscribe", "streams": [stream, other], "id": "a"})
    gate.wait_for(2)
    left = control.call("UnsubscribeUser", pb.UnsubscribeUserRequest(user_id=name, stream=stream))
    assert left.sessions == 0
    gate.open()
    reply = browser.receive()
    assert reply["id"] == "a" and reply["data"]["streams"] == [other]
    assert [(each["stream"], each["code"]) for each in reply["data"]["refused"]] == [(stream, "withdrawn")]
    assert control.count(stream=stream) == 0 and control.count(stream=other) == 1
    browser.subscribe(stream)  # it may ask again


def test_what_a_new_token_brings_can_be_unsubscribed_before_it_is_let_in(
    backend: HookServer, connect: Connect, control: Control, fresh: Fresh
) -> None:
    name, stream = fresh("ann"), fresh("asked")
    backend.answers["Authenticate"] = lambda request, _: user(name, streams=[stream] if request.token == "more" else [])
    browser = connect(with_query("/private", token="x"))
    gate = Gate(allow())
    backend.answers["AuthorizeSubscribe"] = gate
    browser.send_json({"action": "auth", "token": "more", "id": "a"})
    gate.wait_for()
    control.call("UnsubscribeUser", pb.UnsubscribeUserRequest(user_id=name, stream=stream))
    gate.open()
    reply = browser.receive()
    assert (reply["id"], reply["event"]) == ("a", "authenticated")
    assert [(each["stream"], each["code"]) for each in reply["data"]["refused"]] == [(stream, "withdrawn")]
    assert control.count(stream=stream) == 0


def test_an_event_that_stood_for_a_subscription_is_withdrawn_as_well(
    backend: HookServer, connect: Connect, control: Control, fresh: Fresh
) -> None:
    room = fresh("r")
    gate = Gate(hooks_pb.OnClientEventResponse(accept=accept()))
    backend.answers["OnClientEvent"] = gate
    browser = connect("/ws")
    browser.send_json({"action": "publish", "event": "join", "data": {"room": room}, "id": "j"})
    gate.wait_for()
    assert browser.ask("unsubscribe", streams=[f"free-{room}"])["event"] == "unsubscribed"
    gate.open()
    reply = browser.receive()
    assert reply["id"] == "j" and reply["data"]["streams"] == []
    assert [(each["stream"], each["code"]) for each in reply["data"]["refused"]] == [(f"free-{room}", "withdrawn")]
    assert control.count(stream=f"free-{room}") == 0
    assert browser.ask("publish", event="join", data={"room": room})["data"]["streams"] == [f"free-{room}"]


def test_calls_of_clients_who_go_are_cancelled(
    backend: HookServer, gateway: Gateway, connect: Connect, fresh: Fresh
) -> None:
    gate = Gate(allow())
    backend.answers["AuthorizeSubscribe"] = gate
    leaving, vanishing, closed = (connect("/ws") for _ in range(3))
    for browser in (leaving, vanishing, closed):
        browser.send_json({"action": "subscribe", "streams": [fresh("asked")]})
    gate.wait_for(3)
    leaving.send_close()
    vanishing.close()
    closed.send_frame(0x3)  # no opcode that there is
    gate.wait_for_cancelled(3)
    gate.open()
    gateway.wait_for_metric("carillon_hook_pending", 0, backend="main")


def test_what_one_session_can_ask_at_once_is_bounded(backend: HookServer, connect: Connect, fresh: Fresh) -> None:
    gate = Gate(allow())
    backend.answers["AuthorizeSubscribe"] = gate
    browser = connect("/ws")
    for i in range(4):
        browser.send_json({"action": "subscribe", "streams": [f"asked-{i}-{n}" for n in range(30)], "id": i})
    gate.wait_for(8)
    error = browser.receive()
    assert (error["id"], error["data"]["code"], error["data"]["temporary"]) == (3, "overloaded", True)
    gate.open()
    assert [(reply["id"], len(reply["data"]["streams"])) for reply in (browser.receive() for _ in range(3))] == [
        (0, 30),
        (1, 30),
        (2, 30),
    ]
    assert gate.waiting == 90


def test_a_command_with_too_many_questions_gets_some_of_them(backend: HookServer, connect: Connect) -> None:
    backend.answers["AuthorizeSubscribe"] = allow
    browser = connect("/ws")
    streams = [f"asked-many-{i}" for i in range(150)]
    reply = browser.ask("subscribe", streams=streams)["data"]
    assert reply["streams"] == streams[:100]
    assert {(each["code"], each["temporary"]) for each in reply["refused"]} == {("overloaded", True)}
    assert browser.ask("subscribe", streams=streams)["data"]["streams"] == streams


def test_how_much_of_one_session_waits_is_bounded(backend: HookServer, connect: Connect, fresh: Fresh) -> None:
    stream = fresh("asked")
    backend.answers["AuthorizeSubscribe"] = allow
    gate = Gate(hooks_pb.AuthorizePublishResponse(accept=accept()))
    backend.answers["AuthorizePublish"] = gate
    browser = connect(with_query("/ws", streams=stream))
    for i in range(20):
        browser.send_json({"action": "publish", "stream": stream, "event": "big", "data": "x" * 16_000, "id": i})
    codes = [browser.receive()["data"]["code"] for _ in range(4)]
    assert set(codes) == {"overloaded"}
    gate.open()
    assert [browser.receive()["event"] for _ in range(32)].count("published") == 16


# --- What they may say -----------------------------------------------------------------------------------------------


def publish_answer(request: hooks_pb.AuthorizePublishRequest, _: Any) -> hooks_pb.AuthorizePublishResponse:
    if request.event == "bad":
        return hooks_pb.AuthorizePublishResponse(refusal=refusal("mind your language"))
    changed = {"json": json.dumps({"clean": json.loads(request.json)})} if request.event == "dirty" else {}
    return hooks_pb.AuthorizePublishResponse(accept=accept(**changed))


def test_a_backend_lets_through_changes_or_refuses_what_is_published(
    backend: HookServer, connect: Connect, fresh: Fresh
) -> None:
    stream, name = fresh("asked"), fresh("ann")
    backend.answers["AuthorizeSubscribe"] = allow
    backend.answers["AuthorizePublish"] = publish_answer
    browser = connect(with_query("/ws", token=token(name), streams=stream))
    assert browser.ask("publish", stream=stream, event="good", data={"a": 1})["event"] == "published"
    answer = browser.ask("publish", stream=stream, event="bad", data=2)
    assert (answer["data"]["code"], answer["data"]["message"]) == ("rejected", "mind your language")
    assert browser.ask("publish", stream=stream, event="dirty", data=3)["event"] == "published"
    good, dirty = browser.receive(), browser.receive()
    assert (good["event"], good["data"], good["meta"]["from"]) == ("good", {"a": 1}, name)
    assert (dirty["event"], dirty["data"]) == ("dirty", {"clean": 3})
    request = backend.asked("AuthorizePublish")[0]
    assert (request.stream, request.event, json.loads(request.json)) == (stream, "good", {"a": 1})
    assert request.session.user_id == name


def test_what_a_session_says_stays_in_its_order(backend: HookServer, connect: Connect, fresh: Fresh) -> None:
    stream = fresh("asked")
    backend.answers["AuthorizeSubscribe"] = allow
    gate = Gate(hooks_pb.AuthorizePublishResponse(accept=accept()))
    backend.answers["AuthorizePublish"] = gate
    browser = connect(with_query("/ws", streams=stream))
    for i in range(30):
        browser.send_json({"action": "publish", "stream": stream, "event": f"e{i}"})
    gate.wait_for()
    assert browser.ask("ping")["event"] == "pong"
    assert len(backend.asked("AuthorizePublish")) == 1  # one after the other
    gate.open()
    assert [browser.receive()["event"] for _ in range(30)] == [f"e{i}" for i in range(30)]
    assert [request.event for request in backend.asked("AuthorizePublish")] == [f"e{i}" for i in range(30)]


# --- Events ----------------------------------------------------------------------------------------------------------


def event_answer(request: hooks_pb.OnClientEventRequest, _: Any) -> hooks_pb.OnClientEventResponse:
    said = json.loads(request.json)
    if said == "no":
        return hooks_pb.OnClientEventResponse(refusal=refusal())
    if said == "what":
        return hooks_pb.OnClientEventResponse(answer=hooks_pb.HookAnswer(json='{"sum": 7}'))
    if isinstance(said, dict) and "say" in said:
        return hooks_pb.OnClientEventResponse(accept=accept(event="changed", json=json.dumps({"room": said["say"]})))
    return hooks_pb.OnClientEventResponse(accept=accept())


def test_a_backend_answers_events(backend: HookServer, connect: Connect) -> None:
    backend.answers["OnClientEvent"] = event_answer
    browser = connect("/ws")
    answer = browser.ask("publish", event="ask.sum", data="what")
    assert (answer["event"], answer["data"]) == ("answer", {"event": "ask.sum", "data": {"sum": 7}})
    answer = browser.ask("publish", event="ask.sum", data="no")
    assert answer["data"]["code"] == "rejected" and answer["data"]["message"]
    answer = browser.ask("publish", event="ask.sum", data="fine")
    assert (answer["event"], answer["data"]) == ("published", {})
    browser.send_json({"action": "publish", "event": "ask.quiet", "data": "what"})  # gets its answer without an id
    assert browser.receive()["data"] == {"event": "ask.quiet", "data": {"sum": 7}}


def test_an_event_that_is_let_through_goes_on_as_its_rule_says(
    backend: HookServer, connect: Connect, control: Control, keep: Callable[[Any], Any], fresh: Fresh
) -> None:
    backend.answers["OnClientEvent"] = event_answer
    room, name = fresh("room"), fresh("ann")
    listener = connect(with_query("/ws", streams=f"free-{room}"))
    speaker = connect(with_query("/ws", token=token(name)))
    assert speaker.ask("publish", event="say", data={"say": room})["event"] == "published"
    heard = listener.receive()
    assert (heard["stream"], heard["event"], heard["data"]) == (f"free-{room}", "changed", {"room": room})
    feed = keep(Watch(control, filter={"kinds": kinds("client_event"), "user_ids": [name]})).begun()
    assert speaker.ask("publish", event="tell", data={"say": "x"})["event"] == "published"
    (told,) = feed.take(1)
    assert (told.client.event, json.loads(told.client.json)) == ("changed", {"room": "x"})
    assert speaker.ask("publish", event="say", data="no")["data"]["code"] == "rejected"
    assert speaker.ask("publish", event="say", data={})["data"]["code"] == "bad_data"


def test_two_backends_may_be_asked_about_one_event(
    backend: HookServer, connect: Connect, fresh: Fresh
) -> None:
    backend.answers["OnClientEvent"] = event_answer
    backend.answers["AuthorizeSubscribe"] = allow
    backend.answers["AuthorizePublish"] = publish_answer
    room = fresh("room")
    listener = connect(with_query("/ws", streams=f"asked-{room}"))
    speaker = connect("/ws")
    for i in range(5):
        speaker.send_json({"action": "publish", "event": "deep", "data": {"room": room, "n": i}})
    assert [listener.receive()["data"]["n"] for _ in range(5)] == list(range(5))


def test_what_comes_too_often_is_not_asked_about(backend: HookServer, connect: Connect) -> None:
    backend.answers["OnClientEvent"] = event_answer
    browser = connect("/ws")
    answers = [browser.ask("publish", event="say", data="no")["data"]["code"] for _ in range(12)]
    assert answers == ["rejected"] * 10 + ["rate_limited"] * 2
    assert len(backend.asked("OnClientEvent")) == 10
