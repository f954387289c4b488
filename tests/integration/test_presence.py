"""Who is in a stream: what subscribers hear of it, ask and say, and what backends read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from support.control import Control, event, pb
from support.gateway import Gateway, sign
from support.patience import eventually
from support.ws import CLOSE, Browser, close_payload, with_query

Connect = Callable[..., Browser]

GRACE = "300ms"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "auth": {"claims": {"info": "profile"}},
        "edge": {"endpoints": [{"path": "/ws", "anonymous": True}, {"path": "/first", "auth_timeout": "20s"}]},
        "streams": [
            {"pattern": "presence-brief-*", "presence": {"grace": GRACE}},
            {"pattern": "presence-now-*", "presence": {"grace": "0s"}},
            {"pattern": "presence-crowd-*", "presence": {"max_members": 4, "grace": "0s"}},
            {"pattern": "presence-quiet-*", "presence": {"mode": "off"}},
            {"pattern": "presence-mine-*", "subscribe": {"filter": [{"key": "team", "value": "{team}"}]}},
            {"pattern": "hall-*", "presence": {"mode": "on"}, "log": {"mode": "log"}},
            {"pattern": "presence-free-*", "presence": {"updates": ""}},
        ],
    }


@pytest.fixture
def enter(connect: Connect) -> Callable[..., Browser]:
    """A session of a user in a stream; "" is nobody in particular."""

    def enter(user: str, *streams: str, **claims: Any) -> Browser:
        text = sign({"sub": user, "exp": int(time.time()) + 3600, **claims}) if user else None
        browser = connect(with_query("/ws", token=text))
        if streams:
            browser.subscribe(*streams)
        return browser

    return enter


def hear(browser: Browser) -> tuple[str, dict[str, Any]]:
    """The next message: what happened, and its data."""
    message = browser.receive()
    assert message["event"].startswith("presence."), message
    return message["event"].removeprefix("presence."), message["data"]


def who(browser: Browser) -> str:
    """The next message, as "join ann"."""
    what, data = hear(browser)
    return f"{what} {data['user']['id']}"


def members(browser: Browser, stream: str, **more: Any) -> list[str]:
    """Who is there, as subscribers are told."""
    reply = browser.ask("members", stream=stream, **more)
    assert reply["event"] == "members", reply
    return [each["user"]["id"] for each in reply["data"]["members"]]


def present(control: Control, stream: str, **more: Any) -> Any:
    """GetPresence."""
    return control.call("GetPresence", pb.GetPresenceRequest(stream=stream, **more))


def silent(*browsers: Browser) -> None:
    """Nothing else has come."""
    for browser in browsers:
        assert browser.ask("ping")["event"] == "pong"
        assert not browser.pending()


def test_subscribers_hear_who_comes_and_goes(enter: Any, control: Control, fresh: Callable[[str], str]) -> None:
    room = fresh("presence-room")
    ann = enter("ann", room, name="Ann", profile={"avatar": "a.png"}, roles=["staff"])
    what, data = hear(ann)
    assert what == "join"
    assert data["user"] == {"id": "ann", "name": "Ann", "info": {"avatar": "a.png"}}
    assert (data["status"], data["text"], data["count"]) == ("online", "", 1)
    assert abs(data["since"] - time.time() * 1000) < 60_000

    bob = enter("bob", room)
    assert who(ann) == who(bob) == "join bob"
    assert members(bob, room) == ["ann", "bob"]
    answer = present(control, room)
    assert [(each.user_id, each.name, each.sessions) for each in answer.members] == [("ann", "Ann", 1), ("bob", "", 1)]
    assert json.loads(answer.members[0].info) == {"avatar": "a.png"}
    assert (answer.count, answer.counts_only, answer.next_page_token) == (2, False, "")
    assert abs(answer.members[0].join_time.ToMilliseconds() - data["since"]) < 1000

    bob.unsubscribe(room)
    assert hear(ann) == ("leave", {"user": {"id": "bob", "name": ""}, "count": 1})
    silent(ann, bob)


def test_a_user_with_several_tabs_is_there_once(enter: Any, control: Control, fresh: Callable[[str], str]) -> None:
    room = fresh("presence-now")
    watcher = enter("watcher", room)
    tabs = [enter("ann", room) for _ in range(3)]
    assert (who(watcher), who(watcher)) == ("join watcher", "join ann")
    assert [each.sessions for each in present(control, room).members] == [3, 1]

    for tab in tabs[:2]:
        tab.leave()
    eventually(lambda: present(control, room).members[0].sessions, lambda count: count == 1, "two tabs have gone")
    silent(watcher)
    tabs[2].unsubscribe(room)
    assert who(watcher) == "leave ann"
    # Subscribing again to what one has, also with something of the log, is no coming and going.
    tabs[2].subscribe(room)
    assert tabs[2].ask("subscribe", streams=[room], since={"last": 1})["data"]["streams"] == [room]
    assert who(watcher) == "join ann"
    silent(watcher)


def test_who_has_no_user_is_nobody(enter: Any, control: Control, fresh: Callable[[str], str]) -> None:
    """Where a rule lets anonymous sessions in they hear who is there, and are not."""
    hall = fresh("hall")
    nobody = enter("", hall)
    ann = enter("ann", hall)
    assert who(nobody) == who(ann) == "join ann"
    assert members(nobody, hall) == ["ann"]
    assert nobody.ask("presence", stream=hall, status="away")["data"]["code"] == "forbidden"
    assert present(control, hall).count == 1

    # With a token that comes later the session has a user, and is there.
    assert nobody.ask("auth", token=sign({"sub": "bob", "exp": int(time.time()) + 60}))["event"] == "authenticated"
    assert who(ann) == "join bob"
    assert members(ann, hall) == ["ann", "bob"]


def test_a_newer_token_says_who_the_user_is_now(enter: Any, fresh: Callable[[str], str]) -> None:
    room = fresh("presence-room")
    ann = enter("ann", room, name="Ann")
    assert who(ann) == "join ann"
    fresh_token = sign({"sub": "ann", "exp": int(time.time()) + 60, "name": "Dr. Ann", "profile": 7})
    assert ann.ask("auth", token=fresh_token)["event"] == "authenticated"
    what, data = hear(ann)
    assert (what, data["user"]) == ("update", {"id": "ann", "name": "Dr. Ann", "info": 7})
    assert ann.ask("auth", token=fresh_token)["event"] == "authenticated"
    silent(ann)


def test_a_broken_connection_is_waited_for(enter: Any, control: Control, fresh: Callable[[str], str]) -> None:
    room = fresh("presence-brief")
    watcher = enter("watcher", room)
    ann = enter("ann", room)
    assert (who(watcher), who(watcher)) == ("join watcher", "join ann")
    ann.close()
    eventually(lambda: present(control, room).members[0].sessions, lambda count: count == 0, "the connection's end")
    again = enter("ann", room)
    silent(watcher)  # never left
    again.close()
    assert who(watcher) == "leave ann"
    assert present(control, room).count == 1


@pytest.mark.parametrize("code", [1000, None, 1001])
def test_a_goodbye_is_not_waited_for_and_a_page_that_is_left_is(
    enter: Any, control: Control, fresh: Callable[[str], str], code: int | None
) -> None:
    room = fresh("presence-room")
    watcher = enter("watcher", room)
    ann = enter("ann", room)
    assert (who(watcher), who(watcher)) == ("join watcher", "join ann")
    ann.send_frame(CLOSE, close_payload(code) if code else b"")
    if code == 1001:
        eventually(lambda: present(control, room).members[0].sessions, lambda count: count == 0, "the session's end")
        silent(watcher)
    else:
        assert who(watcher) == "leave ann"


def test_who_is_sent_away_is_not_waited_for(enter: Any, control: Control, fresh: Callable[[str], str]) -> None:
    room = fresh("presence-room")
    watcher = enter("watcher", room)
    for order in (
        lambda session: control.kick(session_id=session.session),
        lambda session: control.kick(session_id=session.session, code=4500),
        lambda _: control.call("BlockUser", pb.BlockUserRequest(user_id="ann")),
    ):
        ann = enter("ann", room)
        order(ann)
        assert present(control, room).count == 1, "before the answer"
        control.call("UnblockUser", pb.UnblockUserRequest(user_id="ann"))
    heard = [who(watcher) for _ in range(7)]
    assert heard == ["join watcher"] + 3 * ["join ann", "leave ann"]


def test_who_is_blocked_in_the_grace_leaves(enter: Any, control: Control, fresh: Callable[[str], str]) -> None:
    room = fresh("presence-room")
    watcher = enter("watcher", room)
    ann = enter("ann", room)
    ann.close()
    eventually(lambda: present(control, room).members[0].sessions, lambda count: count == 0, "the connection's end")
    control.call("BlockUser", pb.BlockUserRequest(user_id="ann"))
    assert present(control, room).count == 1
    control.call("UnblockUser", pb.UnblockUserRequest(user_id="ann"))
    assert [who(watcher) for _ in range(3)] == ["join watcher", "join ann", "leave ann"]


def test_coming_and_going_has_a_rate(enter: Any, gateway: Gateway, fresh: Callable[[str], str]) -> None:
    """A thousand streams in ten seconds are entered; streams without presence do not count."""
    ann = enter("ann")
    names = [fresh("presence-many") for _ in range(500)]
    for _ in range(2):
        assert len(ann.ask("subscribe", streams=names)["data"]["streams"]) == 500
        ann.unsubscribe(*names)
    with gateway.rises("carillon_rate_limited_total"):
        (refused,) = ann.ask("subscribe", streams=[names[0]])["data"]["refused"]
    assert (refused["code"], refused["temporary"]) == ("rate_limited", True)
    assert 0 < refused["retry_after_ms"] <= 10_000
    ann.subscribe(*[fresh("chat") for _ in range(100)])


def test_a_broken_session_is_waited_for_in_some_streams(enter: Any, control: Control, fresh: Callable[[str], str]) -> None:
    names = [fresh("presence-many") for _ in range(150)]
    ann = enter("ann", *names)
    ann.close()
    eventually(lambda: control.count(user_id="ann"), lambda count: count == 0, "the connection's end")
    assert sum(present(control, name).count for name in names) == 100


def test_users_say_how_they_are(enter: Any, control: Control, fresh: Callable[[str], str]) -> None:
    one, two, other = fresh("presence-free"), fresh("presence-free"), fresh("chat")
    ann = enter("ann", one, two, other)
    bob = enter("bob", one)
    for browser, count in ((ann, 3), (bob, 1)):
        for _ in range(count):
            assert hear(browser)[0] == "join"

    assert ann.ask("presence", stream=one, status="away", text="lunch ☕")["data"] == {"streams": [one]}
    for browser in (ann, bob):
        what, data = hear(browser)
        assert (what, data["user"]["id"], data["status"], data["text"]) == ("update", "ann", "away", "lunch ☕")
    member = present(control, one).members[0]
    assert (member.status, member.text) == (pb.PRESENCE_STATUS_AWAY, "lunch ☕")
    assert present(control, two).members[0].status == pb.PRESENCE_STATUS_ONLINE

    # Without a stream: in all of them. What is said again is no news.
    assert sorted(ann.ask("presence", status="busy")["data"]["streams"]) == sorted([one, two])
    assert {ann.receive()["stream"] for _ in range(2)} == {one, two}
    assert hear(bob)[1]["status"] == "busy"
    assert ann.ask("presence", stream=one, status="busy")["event"] == "presence"
    silent(ann, bob)
    assert ann.ask("presence")["event"] == "presence"  # back to online, without words
    assert hear(bob)[1]["status"] == "online"


def test_changes_have_a_rate(enter: Any, gateway: Gateway, fresh: Callable[[str], str]) -> None:
    room = fresh("presence-room")
    ann = enter("ann", room)
    assert who(ann) == "join ann"
    for i in range(5):
        assert ann.ask("presence", text=str(i))["event"] == "presence"
        assert hear(ann)[1]["text"] == str(i)
    with gateway.rises("carillon_rate_limited_total"):
        error = ann.ask("presence", text="six")["data"]
    assert (error["code"], error["temporary"]) == ("rate_limited", True)
    assert 0 < error["retry_after_ms"] <= 10_000
    silent(ann)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"action": "members"}, "bad_stream"),
        ({"action": "members", "stream": "a b"}, "bad_stream"),
        ({"action": "members", "stream": 7}, "bad_stream"),
        ({"action": "members", "stream": "presence-elsewhere"}, "not_subscribed"),
        ({"action": "members", "stream": "chat"}, "no_presence"),
        ({"action": "members", "stream": "presence-quiet-1"}, "no_presence"),
        ({"action": "members", "stream": "presence-mine-1"}, "no_presence"),
        ({"action": "members", "stream": "chat", "limit": 0}, "bad_limit"),
        ({"action": "members", "stream": "chat", "limit": "all"}, "bad_limit"),
        ({"action": "members", "stream": "chat", "after": 7}, "bad_after"),
        ({"action": "presence"}, "no_presence"),
        ({"action": "presence", "status": "dead"}, "bad_status"),
        ({"action": "presence", "status": 7}, "bad_status"),
        ({"action": "presence", "text": "x" * 257}, "bad_text"),
        ({"action": "presence", "text": ["x"]}, "bad_text"),
        ({"action": "presence", "stream": 7}, "bad_stream"),
        ({"action": "presence", "stream": "chat", "status": "away"}, "no_presence"),
        ({"action": "presence", "stream": "presence-elsewhere"}, "not_subscribed"),
    ],
)
def test_each_mistake_has_a_code(enter: Any, command: dict[str, Any], code: str) -> None:
    ann = enter("ann", "chat", "presence-quiet-1", labels={"team": "red"})
    ann.subscribe("presence-mine-1")
    reply = ann.ask(**command)
    assert (reply["event"], reply["data"]["code"]) == ("error", code)


def test_a_session_that_owes_its_token_asks_nothing(websocket: Callable[..., Any]) -> None:
    owing = websocket("/first")
    for action in ("members", "presence"):
        owing.send_text(json.dumps({"action": action, "stream": "presence-room"}))
        assert json.loads(owing.next_message().payload)["data"]["code"] == "auth_required"


def test_members_come_in_pages(enter: Any, control: Control, fresh: Callable[[str], str]) -> None:
    room = fresh("presence-room")
    users = [f"user-{i:02}" for i in range(12)]
    browsers = [enter(user, room) for user in users]
    last = browsers[-1]
    assert who(last) == "join user-11"
    first = last.ask("members", stream=room, limit=5)["data"]
    assert (len(first["members"]), first["next"], first["count"]) == (5, "user-04", 12)
    assert members(last, room, limit=5, after=first["next"]) == users[5:10]
    end = last.ask("members", stream=room, limit=5, after="user-09")["data"]
    assert "next" not in end
    assert [each["user"]["id"] for each in end["members"]] == users[10:]

    listed, token = [], ""
    while True:
        page = present(control, room, page_size=5, page_token=token)
        assert page.count == 12
        listed += [each.user_id for each in page.members]
        token = page.next_page_token
        if not token:
            break
    assert listed == users
    counted = present(control, room, count_only=True)
    assert (len(counted.members), counted.count, counted.next_page_token) == (0, 12, "")


def test_a_crowd_is_counted(enter: Any, control: Control, fresh: Callable[[str], str]) -> None:
    room = fresh("presence-crowd")
    watcher = enter("watcher", room)
    crowd = [enter(f"user-{i}", room) for i in range(4)]
    assert [who(watcher) for _ in range(4)] == ["join watcher", "join user-0", "join user-1", "join user-2"]
    what, data = hear(watcher)
    assert (what, data) == ("count", {"count": 5, "counts_only": True})
    answer = watcher.ask("members", stream=room)
    while answer["event"] != "members":
        answer = watcher.receive()
    assert (answer["data"]["members"], answer["data"]["counts_only"], answer["data"]["count"]) == ([], True, 5)
    assert present(control, room).counts_only
    assert len(present(control, room).members) == 5

    for browser in crowd[:2]:
        browser.unsubscribe(room)
    while data["counts_only"]:
        what, data = hear(watcher)
        assert what == "count"
    assert data["count"] == 3
    eventually(lambda: members(watcher, room), lambda there: len(there) == 3, "members by name")
    crowd[0].subscribe(room)
    assert who(watcher) == "join user-0"


def test_a_log_keeps_no_presence_and_its_readers_hear_it(
    enter: Any, control: Control, fresh: Callable[[str], str]
) -> None:
    hall = fresh("hall")
    ann = enter("ann", hall)
    assert who(ann) == "join ann"
    receipt = control.to_stream(hall, event("note"))
    assert receipt.position.offset == 1
    bob = enter("bob")
    assert bob.ask("subscribe", streams=[hall], since={"last": 10})["data"]["streams"] == [hall]
    assert sorted(bob.receive()["event"] for _ in range(2)) == ["note", "presence.join"]
    assert [ann.receive()["event"] for _ in range(2)] == ["note", "presence.join"]
    listed = control.call("ListMessages", pb.ListMessagesRequest(stream=hall)).messages
    assert [message.event for message in listed] == ["note"]


def test_filters_of_subscribers_hold_for_presence_too(enter: Any, fresh: Callable[[str], str]) -> None:
    room = fresh("presence-room")
    deaf = enter("deaf")
    assert deaf.ask("subscribe", streams=[room], filter={"events": ["chat.*"]})["data"]["streams"] == [room]
    keen = enter("keen")
    assert keen.ask("subscribe", streams=[room], filter={"events": ["presence.*"]})["data"]["streams"] == [room]
    assert who(keen) == "join keen"
    silent(deaf)
    assert members(deaf, room) == ["deaf", "keen"]


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        (pb.GetPresenceRequest(), grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
        (pb.GetPresenceRequest(stream="a b"), grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
        (pb.GetPresenceRequest(stream="presence-a", page_size=-1), grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
        (pb.GetPresenceRequest(stream="presence-a", page_token="!"), grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
        (pb.GetPresenceRequest(stream="chat"), grpc.StatusCode.FAILED_PRECONDITION, "NO_PRESENCE"),
        (pb.GetPresenceRequest(stream="presence-mine-1"), grpc.StatusCode.FAILED_PRECONDITION, "NO_PRESENCE"),
        (pb.GetPresenceRequest(stream="presence-a", app="none"), grpc.StatusCode.NOT_FOUND, "APP_UNKNOWN"),
    ],
)
def test_what_backends_may_not_ask(control: Control, request_: Any, status: grpc.StatusCode, reason: str) -> None:
    refusal = control.refused("GetPresence", request_)
    assert (refusal.code, refusal.reason) == (status, reason)


def test_an_empty_stream_has_nobody(control: Control, fresh: Callable[[str], str]) -> None:
    answer = present(control, fresh("presence-empty"))
    assert (len(answer.members), answer.count) == (0, 0)


def test_a_reload_turns_presence_on_and_off(start_gateway: Callable[..., Gateway], enter: Any) -> None:
    gateway = start_gateway({"streams": [{"pattern": "hall"}]})
    text = sign({"sub": "ann", "exp": int(time.time()) + 3600})
    ann = Browser(gateway.edge, with_query("/ws", token=text))
    ann.subscribe("hall")
    with Control(gateway.control) as control:
        assert control.refused("GetPresence", pb.GetPresenceRequest(stream="hall")).reason == "NO_PRESENCE"
        gateway.reload({"streams": [{"pattern": "hall", "presence": {"mode": "on"}}]})
        assert who(ann) == "join ann"
        assert [each.user_id for each in present(control, "hall").members] == ["ann"]
        gateway.reload({"streams": [{"pattern": "hall", "presence": {"mode": "off"}}]})
        assert control.refused("GetPresence", pb.GetPresenceRequest(stream="hall")).reason == "NO_PRESENCE"
        assert ann.ask("members", stream="hall")["data"]["code"] == "no_presence"
        ann.unsubscribe("hall")
        silent(ann)
    ann.close()


def test_members_are_metrics(enter: Any, gateway: Gateway, fresh: Callable[[str], str]) -> None:
    room = fresh("presence-now")
    with gateway.rises("carillon_presence_events_total", 3):
        before = gateway.metrics().value("carillon_presence_members")
        browsers = [enter(user, room) for user in ("ann", "bob")]
        gateway.wait_for_metric("carillon_presence_members", before + 2)
        browsers[0].unsubscribe(room)
        gateway.wait_for_metric("carillon_presence_members", before + 1)
