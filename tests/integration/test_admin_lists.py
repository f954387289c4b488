"""What operators ask of a running gateway: sessions, who is slow, streams, nodes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from carillon_client._pb import admin_pb2
from support.control import Control, event, pb
from support.gateway import token
from support.patience import eventually
from support.ws import Browser, WebSocket, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]


def key(name: str) -> str:
    return f"the-key-{name}-0123456789"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "control": {
            "keys": [
                {"name": "all", "secret": key("all"), "verbs": ["publish", "read", "admin"], "apps": ["*"]},
                {"name": "some", "secret": key("some"), "verbs": ["read"], "streams": ["s-a*"]},
                {"name": "writer", "secret": key("writer"), "verbs": ["publish"]},
            ]
        },
        "edge": {"endpoints": [{"path": "/ws", "anonymous": True}, {"path": "/slow", "anonymous": True, "outbox_messages": 100000, "send_buffer_bytes": "4KiB"}]},
        "streams": [
            {"pattern": "logged-*", "log": {"mode": "log"}, "description": "kept for a while"},
            {"pattern": "here-*", "presence": {"mode": "on"}},
        ],
        "apps": [{"name": "shop"}],
    }


@pytest.fixture
def control(gateway: Any, keep: Callable[[Any], Any]) -> Control:
    return keep(Control(gateway.control, key("all")))


def pages(control: Control, method: str, items: str, **fields: Any) -> list[Any]:
    """All of them, through as many pages as it takes."""
    request_type = getattr(admin_pb2, method + "Request")
    everything: list[Any] = []
    page_token = ""
    while True:
        page = control.call(method, request_type(page_token=page_token, **fields))
        assert (page.partial, page.nodes_expected, page.nodes_answered) == (False, 1, 1)
        everything += getattr(page, items)
        page_token = page.next_page_token
        if not page_token:
            return everything


# --- Sessions ---


def test_sessions_are_listed_once_and_described(connect: Connect, control: Control, fresh: Fresh) -> None:
    user = fresh("ann")
    before = time.time()
    text = token(user, name="Ann", roles=["admin"], labels={"team": user})
    tabs = [connect(with_query("/ws", streams=f"a-{n}", token=text)) for n in range(5)]
    other = connect("/ws")
    everybody = pages(control, "ListSessions", "sessions", page_size=2)
    ids = [each.session_id for each in everybody]
    assert ids == sorted(ids) and {each.session for each in (*tabs, other)} <= set(ids)
    for fields in ({"user_id": user}, {"labels": {"team": user}}):
        listed = pages(control, "ListSessions", "sessions", page_size=3, **fields)
        assert [each.session_id for each in listed] == sorted(each.session for each in tabs)
    assert pages(control, "ListSessions", "sessions", user_id=user, labels={"team": "other"}) == []
    first = listed[0]
    assert (first.user_id, first.name, list(first.roles), dict(first.labels)) == (user, "Ann", ["admin"], {"team": user})
    assert (first.address, first.endpoint, first.streams) == ("127.0.0.1", "/ws", 1)
    assert before - 1 < first.connected_time.ToMilliseconds() / 1000 < time.time() + 1
    assert 0 <= first.age.ToMilliseconds() < 60_000
    assert 0 < first.token_expire_time.ToMilliseconds() / 1000 - time.time() < 3700
    assert (first.backlog.messages, first.backlog.messages_lost) == (0, 0)


def test_one_session(connect: Connect, control: Control, fresh: Fresh) -> None:
    streams = [fresh("s") for _ in range(3)]
    browser = connect(with_query("/ws", streams=",".join(streams)))
    control.to_stream(streams[0])
    browser.receive()  # after its welcome, and before three pongs
    for _ in range(3):
        browser.ask("ping")
    answer = control.call("GetSession", admin_pb2.GetSessionRequest(session_id=browser.session))
    assert list(answer.streams) == sorted(streams)
    assert (answer.session.user_id, answer.session.messages_queued, answer.session.messages_said) == ("", 5, 3)
    assert not answer.session.HasField("token_expire_time") and not answer.HasField("rates")


def test_the_rates_of_a_session(connect: Connect, control: Control, fresh: Fresh) -> None:
    """What comes while it is watched is counted: here nothing, or everything that is sent until the answer is there."""
    stream = fresh("s")
    browser = connect(with_query("/ws", streams=stream))
    request = admin_pb2.GetSessionRequest(session_id=browser.session)
    request.measure_for.FromMilliseconds(200)
    idle = control.call("GetSession", request).rates
    assert (idle.queued, idle.said) == (0, 0) and 190 <= idle.measured.ToMilliseconds() < 10_000

    pending = control.future("GetSession", request)
    browser.ask("ping")
    while not pending.done():
        control.to_stream(stream)
        browser.receive()
    rates = pending.result().rates
    assert rates.queued > rates.said >= 0


@pytest.mark.parametrize("session, code", [("", "INVALID_ARGUMENT"), ("x", "INVALID_ARGUMENT"), ("0000" + "0" * 16, "NOT_FOUND"), ("003f" + "0" * 16, "NOT_FOUND"), ("ffff" + "0" * 16, "INVALID_ARGUMENT")])
def test_a_session_that_is_not_there(control: Control, session: str, code: str) -> None:
    assert control.refused("GetSession", admin_pb2.GetSessionRequest(session_id=session)).code.name == code


def test_a_session_of_another_app_is_not_there(control: Control, connect: Connect) -> None:
    browser = connect("/app/shop/ws")
    assert control.refused("GetSession", admin_pb2.GetSessionRequest(session_id=browser.session)).code.name == "NOT_FOUND"
    assert control.call("GetSession", admin_pb2.GetSessionRequest(session_id=browser.session, app="shop")).session.session_id == browser.session
    assert [each.session_id for each in pages(control, "ListSessions", "sessions", app="shop")] == [browser.session]


@pytest.mark.parametrize("ms", [0, -1, 10_001])
def test_a_measure_is_bounded(control: Control, connect: Connect, ms: int) -> None:
    request = admin_pb2.GetSessionRequest(session_id=connect("/ws").session)
    request.measure_for.FromMilliseconds(ms)
    assert control.refused("GetSession", request).fields == ["measure_for"]


def test_who_is_slow(gateway: Any, control: Control, websocket: Callable[..., WebSocket], fresh: Fresh) -> None:
    stream = fresh("s")
    gateway.wait_until_empty()
    slow = websocket(with_query("/slow", streams=stream))

    def publish_and_look() -> Any:
        control.to_stream(stream, event(json='"' + "x" * 60_000 + '"'))
        return control.call("TopSlow", admin_pb2.TopSlowRequest())

    top = eventually(publish_and_look, lambda top: top.sessions and top.sessions[0].backlog.bytes >= 120_000, "a slow session")
    (session,) = top.sessions
    assert session.backlog.messages > 1 and session.endpoint == "/slow"
    assert (top.partial, top.nodes_expected, top.nodes_answered) == (False, 1, 1)
    assert session.messages_queued == control.call("GetSession", admin_pb2.GetSessionRequest(session_id=session.session_id)).session.messages_queued
    slow.close()


# --- Streams ---


def test_streams_are_listed_with_their_subscribers(connect: Connect, control: Control, fresh: Fresh, gateway: Any, keep: Callable[[Any], Any]) -> None:
    prefix = fresh("l")
    names = [f"{prefix}-{n:02}" for n in range(12)]
    browsers = [connect(with_query("/ws", streams=",".join(names[: n + 1]))) for n in (11, 5)]
    listed = pages(control, "ListStreams", "streams", page_size=5, pattern=f"{prefix}-*")
    assert [(each.stream, each.sessions) for each in listed] == [(name, 2 if n <= 5 else 1) for n, name in enumerate(names)]
    assert len(pages(control, "ListStreams", "streams", pattern=f"{prefix}-*", min_sessions=2)) == 6
    assert set(names) <= {each.stream for each in pages(control, "ListStreams", "streams")}
    for browser in browsers:
        browser.leave()
    assert pages(control, "ListStreams", "streams", pattern=f"{prefix}-*") == []


def test_a_key_for_some_streams_sees_those(connect: Connect, gateway: Any, keep: Callable[[Any], Any]) -> None:
    connect(with_query("/ws", streams="s-a1,s-a2,s-b"))
    some = keep(Control(gateway.control, key("some")))
    assert [each.stream for each in pages(some, "ListStreams", "streams")] == ["s-a1", "s-a2"]
    assert some.call("GetStream", admin_pb2.GetStreamRequest(stream="s-a1")).stream.sessions == 1
    for method, request in {
        "GetStream": admin_pb2.GetStreamRequest(stream="s-b"),
        "ListSessions": admin_pb2.ListSessionsRequest(),
        "GetSession": admin_pb2.GetSessionRequest(session_id="0" * 20),
        "TopSlow": admin_pb2.TopSlowRequest(),
    }.items():
        assert some.refused(method, request).code == grpc.StatusCode.PERMISSION_DENIED, method


def test_one_stream(connect: Connect, control: Control, fresh: Fresh) -> None:
    logged, here, plain = fresh("logged"), fresh("here"), fresh("plain")
    connect(with_query("/ws", streams=f"{here},{plain}", token=token(fresh("ann"))))
    for _ in range(3):
        control.to_stream(logged)
    answer = control.call("GetStream", admin_pb2.GetStreamRequest(stream=logged))
    assert (answer.stream.sessions, answer.rule, answer.description) == (0, "logged-*", "kept for a while")
    assert (answer.log.top.offset, answer.log.oldest_offset) == (3, 1) and answer.log.top.epoch
    assert abs(answer.log.oldest_time.ToMilliseconds() / 1000 - time.time()) < 60
    assert not answer.HasField("members")
    answer = control.call("GetStream", admin_pb2.GetStreamRequest(stream=here))
    assert (answer.stream.sessions, answer.members, answer.HasField("log")) == (1, 1, False)
    answer = control.call("GetStream", admin_pb2.GetStreamRequest(stream=plain))
    assert (answer.stream.sessions, answer.rule, answer.HasField("members"), answer.HasField("log")) == (1, "", False, False)


@pytest.mark.parametrize(
    ("method", "fields", "field"),
    [
        ("ListSessions", {"page_size": -1}, "page_size"),
        ("ListSessions", {"page_token": "x"}, "page_token"),
        ("ListSessions", {"user_id": "a\n"}, "user_id"),
        ("ListSessions", {"labels": {str(n): "" for n in range(17)}}, "labels"),
        ("TopSlow", {"limit": -1}, "limit"),
        ("ListStreams", {"page_size": -1}, "page_size"),
        ("ListStreams", {"page_token": "x"}, "page_token"),
        ("ListStreams", {"pattern": "["}, "pattern"),
        ("GetStream", {}, "stream"),
        ("GetStream", {"stream": "a b"}, "stream"),
    ],
)
def test_bad_fields(control: Control, method: str, fields: dict[str, Any], field: str) -> None:
    refusal = control.refused(method, getattr(admin_pb2, method + "Request")(**fields))
    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_a_key_needs_the_verb(gateway: Any, keep: Callable[[Any], Any]) -> None:
    writer = keep(Control(gateway.control, key("writer")))
    for method in ("ListSessions", "GetSession", "TopSlow", "ListStreams", "GetStream", "ListNodes"):
        request = getattr(admin_pb2, method + "Request")()
        assert writer.refused(method, request).code == grpc.StatusCode.PERMISSION_DENIED, method


def test_the_node(control: Control, connect: Connect, shards: int) -> None:
    connect("/ws")
    answer = control.call("ListNodes", admin_pb2.ListNodesRequest())
    (node,) = answer.nodes
    assert node.sessions >= 1 and node.shards == shards and len(node.node_id) == 16 and node.version
    assert 0 <= time.time() - node.started_time.seconds < 3600 and not node.draining


def test_lists_say_who_was_asked(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Those of ControlService, too."""
    for method, request in (
        ("GetPresence", pb.GetPresenceRequest(stream=fresh("here"))),
        ("ListMessages", pb.ListMessagesRequest(stream=fresh("logged"))),
        ("ListBlockedUsers", pb.ListBlockedUsersRequest()),
    ):
        answer = control.call(method, request)
        assert (answer.nodes_expected, answer.nodes_answered, answer.partial) == (1, 1, False), method
