"""Streams that a backend gives to a user's sessions and takes from them."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from support.control import Control, pb
from support.feed import Watch, kind
from support.gateway import JWT_SECRET, token
from support.ws import Browser, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]

KEYS = {
    "all": {"verbs": ["publish", "read", "admin"], "apps": ["*"]},
    "reader": {"verbs": ["publish", "read"]},
    "some": {"verbs": ["admin"], "streams": ["room-*"]},
}


def key(name: str) -> str:
    return f"the-key-{name}-0123456789"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "control": {"keys": [{"name": name, "secret": key(name), **what} for name, what in KEYS.items()]},
        "edge": {"endpoints": [{"path": "/ws", "anonymous": True}, {"path": "/one", "anonymous": True, "max_subscriptions": 1}]},
        "streams": [
            {"pattern": "closed-*", "subscribe": {"who": "nobody"}},
            {"pattern": "later", "state": "reserved"},
            {"pattern": "team-*", "subscribe": {"filter": [{"key": "team", "value": "{team}"}]}},
            {"pattern": "logged-*", "log": {"mode": "log"}},
            {"pattern": "here-*", "presence": {"mode": "on", "grace": "0s"}},
        ],
        "apps": [{"name": "small", "auth": {"hs256_secret": JWT_SECRET}, "limits": {"streams": 1}}],
    }


@pytest.fixture
def control(gateway: Any, keep: Callable[[Any], Any]) -> Control:
    return keep(Control(gateway.control, key("all")))


def subscribe(control: Control, user: str, stream: str, **more: str) -> tuple[int, int]:
    answer = control.call("SubscribeUser", pb.SubscribeUserRequest(user_id=user, stream=stream, **more))
    assert (answer.partial, answer.nodes_expected, answer.nodes_answered) == (False, 1, 1)
    return answer.sessions, answer.refused


def unsubscribe(control: Control, user: str, stream: str, **more: str) -> int:
    answer = control.call("UnsubscribeUser", pb.UnsubscribeUserRequest(user_id=user, stream=stream, **more))
    assert (answer.partial, answer.nodes_expected, answer.nodes_answered) == (False, 1, 1)
    return int(answer.sessions)


def tab(connect: Connect, user: str, target: str = "/ws", **claims: Any) -> Browser:
    return connect(with_query(target, token=token(user, **claims)))


def test_all_tabs_of_a_user(connect: Connect, control: Control, fresh: Fresh) -> None:
    """Those that there are now, and not those that come later."""
    user, stream = fresh("ann"), fresh("closed")
    tabs = [tab(connect, user) for _ in range(3)]
    bob = tab(connect, fresh("bob"))
    assert tabs[0].ask("subscribe", streams=[stream])["data"]["refused"][0]["code"] == "forbidden"
    assert subscribe(control, user, stream) == (3, 0)
    assert subscribe(control, user, stream) == (3, 0)  # changes nothing
    later = tab(connect, user)
    assert control.to_stream(stream).sessions == 3
    for each in tabs:
        notice = each.receive()
        assert (notice["stream"], notice["event"], notice["data"]["streams"]) == ("system", "subscribed", [stream])
        assert "id" not in notice
        assert each.receive()["stream"] == stream
    assert unsubscribe(control, user, stream) == 3
    assert unsubscribe(control, user, stream) == 0
    for each in tabs:
        notice = each.receive()
        assert (notice["event"], notice["data"]["streams"]) == ("unsubscribed", [stream])
    for each in (*tabs, later, bob):
        assert each.ask("ping")["event"] == "pong" and each.pending() == 0


def test_one_tab(connect: Connect, control: Control, fresh: Fresh) -> None:
    user, stream = fresh("ann"), fresh("room")
    one, other = tab(connect, user), tab(connect, user)
    bob = tab(connect, fresh("bob"))
    assert subscribe(control, user, stream, session_id=one.session) == (1, 0)
    assert subscribe(control, user, stream, session_id=bob.session) == (0, 0)
    assert control.count(stream=stream) == 1
    assert unsubscribe(control, user, stream, session_id=other.session) == 0
    one.leave()
    assert control.count(stream=stream) == 0  # with the session it ends


def test_nobody_is_a_count_of_zero(control: Control, fresh: Fresh) -> None:
    assert subscribe(control, fresh("ann"), fresh("room")) == (0, 0)


def test_a_log_says_where_it_begins(connect: Connect, control: Control, fresh: Fresh) -> None:
    user, stream = fresh("ann"), fresh("logged")
    control.to_stream(stream)
    ann = tab(connect, user)
    subscribe(control, user, stream)
    log = ann.receive()["data"]["logs"][stream]
    assert (log["offset"], log["top"]) == (1, 1) and log["epoch"]
    control.to_stream(stream)
    assert ann.receive()["meta"]["offset"] == 2


def test_what_a_rule_imposes_holds(connect: Connect, control: Control, fresh: Fresh) -> None:
    user, stream = fresh("ann"), fresh("team")
    red, nothing = tab(connect, user, labels={"team": "red"}), tab(connect, user)
    assert subscribe(control, user, stream) == (1, 1)
    assert control.refused("SubscribeUser", pb.SubscribeUserRequest(user_id=user, stream="later")).fields == ["stream"]
    assert red.receive()["event"] == "subscribed"
    assert nothing.ask("ping")["event"] == "pong" and nothing.pending() == 0


def test_presence_knows_those_who_were_put_there(connect: Connect, control: Control, fresh: Fresh) -> None:
    user, stream = fresh("ann"), fresh("here")
    tab(connect, user)
    subscribe(control, user, stream)
    assert [each.user_id for each in control.call("GetPresence", pb.GetPresenceRequest(stream=stream)).members] == [user]
    unsubscribe(control, user, stream)
    assert control.call("GetPresence", pb.GetPresenceRequest(stream=stream)).count == 0


def test_limits_hold(connect: Connect, control: Control, fresh: Fresh, gateway: Any, keep: Callable[[Any], Any]) -> None:
    user = fresh("ann")
    tab(connect, user, "/one")
    assert subscribe(control, user, fresh("room")) == (1, 0)
    assert subscribe(control, user, fresh("room")) == (0, 1)


def test_calls_that_come_together_share_an_apps_streams(connect: Connect, control: Control, fresh: Fresh) -> None:
    user = fresh("ann")
    tab(connect, user, "/app/small/ws")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(subscribe, control, user, fresh("room"), app="small") for _ in range(200)]
        answers = [call.result() for call in calls]
    assert sorted(set(answers)) == [(0, 1), (1, 0)] and answers.count((1, 0)) == 1


def test_the_feed_tells_it(connect: Connect, control: Control, fresh: Fresh, keep: Callable[[Any], Any]) -> None:
    user, stream = fresh("ann"), fresh("room")
    feed = keep(Watch(control, filter={"user_ids": [user]})).begun()
    ann = tab(connect, user)
    subscribe(control, user, stream)
    unsubscribe(control, user, stream)
    ann.leave()
    assert [(kind(event), event.stream) for event in feed.until("session_closed")] == [
        ("session_opened", ""), ("subscribed", stream), ("unsubscribed", stream), ("session_closed", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("method, request_type", [("SubscribeUser", pb.SubscribeUserRequest), ("UnsubscribeUser", pb.UnsubscribeUserRequest)])
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"stream": "a"}, "user_id"),
        ({"user_id": "a"}, "stream"),
        ({"user_id": "a", "stream": "a b"}, "stream"),
        ({"user_id": "a", "stream": "system"}, "stream"),
        ({"user_id": "a", "stream": "a", "session_id": "x"}, "session_id"),
    ],
)
def test_bad_fields(control: Control, method: str, request_type: Any, fields: dict[str, str], field: str) -> None:
    refusal = control.refused(method, request_type(**fields))
    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


@pytest.mark.parametrize("name, stream, code", [
    ("reader", "room-1", "PERMISSION_DENIED"),
    ("some", "chat", "PERMISSION_DENIED"),
    ("some", "room-1", "OK"),
])  # fmt: skip
def test_keys(gateway: Any, keep: Callable[[Any], Any], name: str, stream: str, code: str) -> None:
    control = keep(Control(gateway.control, key(name)))
    request = pb.SubscribeUserRequest(user_id="nobody", stream=stream)
    if code == "OK":
        control.call("SubscribeUser", request)
    else:
        assert control.refused("SubscribeUser", request).code.name == code
