"""The feed of events that backends watch: what is in it, where a watch begins, and what it misses."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from support.control import Control
from support.control import pb as control_pb
from support.feed import Ended, Position, Watch, events_pb2_grpc, kind, kinds, pb
from support.gateway import Gateway, token
from support.ws import TEXT, Browser, WebSocket, frame_bytes, with_query

KEYS = {
    "all": ["*"],
    "shop": ["shop"],
}


def key(name: str) -> str:
    return f"the-key-{name}-0123456789"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    keys = [{"name": name, "secret": key(name), "verbs": ["publish", "read", "admin"], "apps": apps} for name, apps in KEYS.items()]
    keys.append({"name": "writer", "secret": key("writer"), "verbs": ["publish"]})
    keys.append({"name": "some", "secret": key("some"), "verbs": ["read"], "streams": ["chat-*"]})
    return {
        "control": {"keys": keys},
        "streams": [{"pattern": "presence-*", "presence": {"grace": "0s"}}],
        "apps": [{"name": "shop"}, {"name": "mute", "events": {"messages": 0}}],
    }


@pytest.fixture
def control(gateway: Gateway, keep: Callable[[Any], Any]) -> Control:
    return keep(Control(gateway.control, key("all")))


@pytest.fixture
def watch(control: Control, keep: Callable[[Any], Any]) -> Callable[..., Watch]:
    """Watches from now on: watch(**begin)."""
    return lambda **begin: keep(Watch(control, **begin)).begun()


Connect = Callable[..., Browser]
Watcher = Callable[..., Watch]


def of(session: str, events: list[Any]) -> list[Any]:
    """Those of a session."""
    return [event for event in events if event.session_id == session]


# --- What is in it ---


def test_the_life_of_a_session(watch: Watcher, connect: Connect, fresh: Callable[[str], str]) -> None:
    stream, user = fresh("chat"), fresh("alice")
    feed = watch()
    browser = connect(with_query("/ws", streams=stream, token=token(user, name="Alice", labels={"team": "red"}, roles=["admin"])))
    session = browser.session
    browser.unsubscribe(stream)
    browser.leave()

    events = feed.until("session_closed")
    said = [(kind(event), event.session_id, event.user_id, event.stream) for event in events]
    assert said == [
        ("session_opened", session, user, ""),
        ("stream_occupied", "", "", stream),
        ("subscribed", session, user, stream),
        ("unsubscribed", session, user, stream),
        ("stream_vacated", "", "", stream),
        ("session_closed", session, user, ""),
    ] or said[3:5] == [("stream_vacated", "", "", stream), ("unsubscribed", session, user, stream)]
    opened, closed = events[0].opened, events[-1].closed
    assert (opened.name, dict(opened.labels), list(opened.roles)) == ("Alice", {"team": "red"}, ["admin"])
    assert (closed.code, closed.cause, closed.messages_lost) == (1000, "normal", 0)
    assert [event.offset for event in events] == list(range(events[0].offset, events[0].offset + len(events)))
    times = [event.time.ToMilliseconds() for event in events]
    assert times == sorted(times) and times[0] > 1_700_000_000_000


def test_who_shows_a_token_later(watch: Watcher, connect: Connect, fresh: Callable[[str], str]) -> None:
    user = fresh("bob")
    feed = watch()
    browser = connect()
    assert browser.ask("auth", token=token(user))["event"] == "authenticated"
    assert browser.ask("auth", token=token(user, name="Bob"))["event"] == "authenticated"  # is nothing new
    browser.leave()
    events = of(browser.session, feed.until("session_closed"))
    assert [(kind(event), event.user_id) for event in events] == [
        ("session_opened", ""),
        ("session_identified", user),
        ("session_closed", user),
    ]


def test_who_owes_a_token_is_nobody_yet(start_gateway: Callable[..., Gateway], keep: Callable[[Any], Any]) -> None:
    gateway = start_gateway({"edge": {"endpoints": [{"path": "/ws", "auth_timeout": "30s"}]}})
    with Control(gateway.control) as control, Watch(control).begun() as feed:
        keep(WebSocket(gateway.edge))  # says nothing
        first = frame_bytes(TEXT, b'{"action":"auth","token":"%s"}' % token("ann").encode())
        keep(Browser(gateway.edge, "/ws", early=first))
        event = next(feed.events())
        assert (kind(event), event.user_id) == ("session_opened", "ann")


def test_members(watch: Watcher, connect: Connect, fresh: Callable[[str], str]) -> None:
    """Users come and go once, however many tabs they have."""
    room = fresh("presence-room")
    feed = watch(filter={"kinds": kinds("member_joined", "member_left")})
    tabs = [connect(with_query("/ws", streams=room, token=token("ann", name="Ann"))) for _ in range(2)]
    bob = connect(with_query("/ws", streams=room, token=token("bob")))
    for browser in (*tabs, bob):
        browser.leave()
    said = [(kind(event), event.user_id, event.member.name, event.member.count, event.stream) for event in feed.take(4)]
    assert said[:2] == [("member_joined", "ann", "Ann", 1, room), ("member_joined", "bob", "", 2, room)]
    assert sorted(said[2:]) == [("member_left", "ann", "Ann", 1, room), ("member_left", "bob", "", 0, room)]


def test_a_kick_and_a_lost_connection_say_so(watch: Watcher, connect: Connect, control: Control) -> None:
    feed = watch(filter={"kinds": kinds("session_closed")})
    kicked, lost = connect(), connect()
    control.call("Kick", control_pb.KickRequest(session_id=kicked.session, code=3999, reason="off you go"))
    lost.close()
    causes = {event.session_id: (event.closed.code, event.closed.cause) for event in feed.take(2)}
    assert causes == {kicked.session: (4005, "kicked"), lost.session: (1006, "abnormal")}


def test_limits(start_gateway: Callable[..., Gateway], keep: Callable[[Any], Any]) -> None:
    """Of a user and of the gateway, each in the feed of whom it concerns."""
    gateway = start_gateway({
        "edge": {"max_connections": 20},
        "apps": [{"name": "shop", "limits": {"connections": 5}}],
        "limits": {"connections_per_user": 10},
    })  # fmt: skip
    with Control(gateway.control) as control:
        wanted = {"kinds": kinds("limit_crossed")}
        with Watch(control, filter=wanted).begun() as feed, Watch(control, app="shop", filter=wanted).begun() as shop:
            for _ in range(8):
                keep(Browser(gateway.edge, with_query("/ws", token=token("ann"))))
            (event,) = feed.take(1)
            assert (event.limit.limit, event.limit.used, event.limit.most, event.limit.who) == ("user_connections", 8, 10, "ann")
            assert event.limit.setting == "limits.connections_per_user"
            for _ in range(5):
                keep(Browser(gateway.edge, "/app/shop"))
            (event,) = shop.take(1)
            assert (event.limit.limit, event.limit.used, event.limit.most, event.limit.who) == ("app_connections", 4, 5, "")
            for _ in range(3):
                keep(Browser(gateway.edge, "/ws"))
            (event,) = feed.take(1)
            assert (event.limit.limit, event.limit.used, event.limit.most) == ("connections", 16, 20)


def test_the_end_of_the_gateway(start_gateway: Callable[..., Gateway], keep: Callable[[Any], Any]) -> None:
    """Is told to every app, then everybody's end; and the watch ends when all of that was said."""
    gateway = start_gateway({"apps": [{"name": "shop"}], "drain": {"window": "1s"}})
    control = keep(Control(gateway.control))
    feeds = [Watch(control).begun(), Watch(control, app="shop").begun()]
    browsers = [keep(Browser(gateway.edge, path)) for path in ("/ws", "/app/shop", "/app/shop")]
    gateway.begin_stop()
    for browser in browsers:
        browser.receive_until("restart")
        assert browser.receive_close()[0] == 4200
    for feed, sessions in zip(feeds, (1, 2), strict=True):
        events = []
        with pytest.raises(Ended) as ended:
            for event in feed.events():
                events.append(event)
        assert ended.value.status == "UNAVAILABLE"
        said = [kind(event) for event in events]
        assert said == ["session_opened"] * sessions + ["drain"] + ["session_closed"] * sessions
        assert {event.closed.cause for event in events if event.HasField("closed")} == {"restart"}


# --- Which of it ---


def test_filters(watch: Watcher, connect: Connect, fresh: Callable[[str], str]) -> None:
    """Each part that is set must hold; what is left out uses numbers all the same."""
    one, two, ann = fresh("one"), fresh("two"), fresh("ann")
    everything = watch()
    by_stream = watch(filter={"streams": [one[:-1] + "?", "nothing-*"]})
    by_user = watch(filter={"user_ids": [ann]})
    by_both = watch(filter={"user_ids": [ann], "streams": [one], "kinds": kinds("subscribed", "session_closed")})
    anonymous = connect(with_query("/ws", streams=f"{one},{two}"))
    known = connect(with_query("/ws", streams=f"{two},{one}", token=token(ann)))
    known.leave()
    events = everything.until("session_closed")
    numbers = {(kind(event), event.session_id, event.stream): event.offset for event in events}

    assert [(kind(event), event.session_id) for event in by_stream.take(3)] == [
        ("stream_occupied", ""), ("subscribed", anonymous.session), ("subscribed", known.session),
    ]  # fmt: skip
    theirs = by_user.take(4)
    assert [kind(event) for event in theirs] == ["session_opened", "subscribed", "subscribed", "session_closed"]
    assert [event.offset for event in theirs] == [
        numbers["session_opened", known.session, ""],
        numbers["subscribed", known.session, two],
        numbers["subscribed", known.session, one],
        numbers["session_closed", known.session, ""],
    ]
    (only,) = by_both.take(1)
    assert (kind(only), only.offset) == ("subscribed", numbers["subscribed", known.session, one])
    with pytest.raises(queue.Empty):
        by_both.response(patience=0.2)


def test_apps_do_not_hear_of_each_other(gateway: Gateway, watch: Watcher, connect: Connect) -> None:
    here, shop = watch(), watch(app="shop")
    in_shop = connect("/app/shop/ws?streams=chat")
    in_default = connect("/ws?streams=chat")
    in_shop.leave()
    in_default.leave()
    assert {event.session_id for event in here.until("session_closed")} - {""} == {in_default.session}
    assert {event.session_id for event in shop.until("session_closed")} - {""} == {in_shop.session}
    with Control(gateway.control, key("shop")) as control:
        with pytest.raises(Ended) as ended:
            Watch(control, app="default").response()
        assert ended.value.status == "PERMISSION_DENIED"
        assert Watch(control).begun().scanned.epoch == shop.scanned.epoch  # its own is what it gets unasked


# --- From where on ---


def test_what_was_missed_comes_first(watch: Watcher, control: Control, connect: Connect, keep: Any) -> None:
    feed = watch()
    connect().leave()
    seen = feed.until("session_closed")
    connect().leave()
    connect().leave()
    again = keep(Watch(control, resume=feed.scanned)).begun()
    later = again.take(4)
    assert [kind(event) for event in later] == ["session_opened", "session_closed"] * 2
    assert [event.offset for event in later] == [seen[-1].offset + i for i in range(1, 5)]
    assert [event.SerializeToString() for event in feed.take(4)] == [event.SerializeToString() for event in later]
    oldest = keep(Watch(control, from_oldest=True)).begun()
    assert next(oldest.events()).offset == 1
    first_wins = keep(Watch(control, from_oldest=True, resume=again.scanned)).begun()
    assert first_wins.scanned == again.scanned


def test_nothing_is_recorded_before_somebody_watches(start_gateway: Callable[..., Gateway]) -> None:
    gateway = start_gateway()
    Browser(gateway.edge).leave()
    assert gateway.metrics().value("carillon_feed_events_total") == 0
    with Control(gateway.control) as control:
        with Watch(control, from_oldest=True).begun() as feed:
            assert feed.scanned.offset == 0
        Browser(gateway.edge).leave()  # and goes on when nobody does
        gateway.wait_for_metric("carillon_feed_events_total", 2)
        with Watch(control, resume=feed.scanned).begun() as again:
            assert [event.offset for event in again.take(2)] == [1, 2]


def test_what_had_to_be_forgotten_is_said(start_gateway: Callable[..., Gateway], keep: Any) -> None:
    """Exactly: from where to where."""
    gateway = start_gateway({"events": {"messages": 10}})
    with Control(gateway.control) as control:
        feed = keep(Watch(control)).begun()
        begin = feed.scanned
        for _ in range(20):
            Browser(gateway.edge).leave()
        gateway.wait_for_metric("carillon_feed_events_total", 40)
        again = keep(Watch(control, resume=begin)).begun()
        response = again.response()
        assert (response.lost.lost_from, response.lost.lost_to) == (1, 30)
        assert [event.offset for event in response.events] == list(range(31, 41))
        other = Position(epoch="another", offset=7)
        response = keep(Watch(control, resume=other)).begun().response()
        assert (response.lost.lost_from, response.lost.lost_to) == (8, 0)
        assert [event.offset for event in response.events] == list(range(31, 41))


def test_a_snapshot_carries_it_over_a_restart(
    start_gateway: Callable[..., Gateway], tmp_path: Any, keep: Any
) -> None:
    """Also what happened while the gateway was ending, and what happens in the next one before somebody watches."""
    config = {"engine": {"memory": {"snapshot": str(tmp_path / "logs")}}, "drain": {"window": "1s"}}
    first = start_gateway(config)
    with Control(first.control) as control:
        feed = keep(Watch(control)).begun()
        begin = feed.scanned
        keep(Browser(first.edge))
        next(feed.events())
    first.stop()
    second = start_gateway(config)
    Browser(second.edge).leave()
    second.wait_for_metric("carillon_feed_events_total", 2)
    with Control(second.control) as control:
        again = keep(Watch(control, resume=begin)).begun()
        events = again.take(5)
    assert [kind(event) for event in events] == [
        "session_opened", "drain", "session_closed", "session_opened", "session_closed",
    ]  # fmt: skip
    assert [event.offset for event in events] == [1, 2, 3, 4, 5]


# --- Who may, and what is wrong ---


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        ({"group": "a b"}, "begin.group"),
        ({"group": "x" * 129}, "begin.group"),
        ({"group": "g", "partitions": 65}, "begin.partitions: at most 64"),
        ({"partitions": 2}, "begin.partitions: go with a group"),
        ({"max_unacknowledged": 10_001}, "begin.max_unacknowledged"),
        ({"resume": {"epoch": "", "offset": 1}}, "begin.resume.epoch"),
        ({"filter": {"kinds": [0]}}, "there is no kind 0"),
        ({"filter": {"kinds": [999]}}, "there is no kind 999"),
        ({"filter": {"kinds": [1] * 33}}, "begin.filter.kinds"),
        ({"filter": {"streams": [""]}}, "begin.filter.streams"),
        ({"filter": {"streams": ["a"] * 101}}, "begin.filter.streams"),
        ({"filter": {"user_ids": ["\n"]}}, "begin.filter.user_ids"),
        ({"filter": {"user_ids": ["a"] * 1001}}, "begin.filter.user_ids"),
    ],
)
def test_bad_beginnings(control: Control, begin: dict[str, Any], said: str) -> None:
    with pytest.raises(Ended) as ended:
        Watch(control, **begin).response()
    assert ended.value.status == "INVALID_ARGUMENT"
    assert said in ended.value.message


def test_a_position_that_is_not_yet(control: Control, watch: Watcher) -> None:
    at = watch().scanned
    with pytest.raises(Ended) as ended:
        Watch(control, resume=Position(epoch=at.epoch, offset=at.offset + 1_000_000)).response()
    assert ended.value.status == "INVALID_ARGUMENT"
    assert "begin.resume.offset" in ended.value.message


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ([], "begin: the first request must be this"),
        ([pb.WatchRequest()], "begin or ack is needed"),
        ([pb.WatchRequest(ack=pb.WatchAck(offset=1))], "begin: the first request must be this"),
        ([pb.WatchRequest(begin=pb.WatchBegin())] * 2, "goes with the first request only"),
        ([pb.WatchRequest(begin=pb.WatchBegin()), pb.WatchRequest(ack=pb.WatchAck(offset=1))], "goes with a group"),
        (
            [pb.WatchRequest(begin=pb.WatchBegin(group="g1")), pb.WatchRequest(ack=pb.WatchAck(offset=1 << 40))],
            "ack.offset: the part was sent up to",
        ),
        (
            [pb.WatchRequest(begin=pb.WatchBegin(group="g1")), pb.WatchRequest(ack=pb.WatchAck(partition=1))],
            "ack.partition: the group has 1",
        ),
    ],
)
def test_bad_requests(control: Control, requests: list[Any], said: str) -> None:
    stub: Any = events_pb2_grpc.EventServiceStub(control.channel)
    with pytest.raises(grpc.RpcError) as error:
        for _ in stub.Watch(iter(requests), metadata=control.metadata, timeout=20):
            pass
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert said in error.value.details()


@pytest.mark.parametrize(
    ("secret", "status"),
    [(None, "UNAUTHENTICATED"), ("wrong", "UNAUTHENTICATED"), (key("writer"), "PERMISSION_DENIED"), (key("some"), "PERMISSION_DENIED")],
)
def test_keys(gateway: Gateway, secret: str | None, status: str) -> None:
    with Control(gateway.control, secret) as control, pytest.raises(Ended) as ended:
        Watch(control).response()
    assert ended.value.status == status


def test_an_app_without_a_feed(control: Control) -> None:
    for app, status in (("mute", "FAILED_PRECONDITION"), ("nowhere", "NOT_FOUND")):
        with pytest.raises(Ended) as ended:
            Watch(control, app=app).response()
        assert ended.value.status == status


def test_who_says_no_more_may_still_listen(control: Control, connect: Connect, keep: Any) -> None:
    """As grpcurl does, which has said everything with its first request."""
    feed = keep(Watch(control))
    feed.say(None)  # type: ignore[arg-type]
    feed.begun()
    connect().leave()
    assert [kind(event) for event in feed.take(2)] == ["session_opened", "session_closed"]


def test_what_a_reload_takes_away(start_gateway: Callable[..., Gateway], keep: Any) -> None:
    """The key, the app, the feed: the watch ends, also where nothing happens any more."""
    keys = [
        {"name": "a", "secret": key("a"), "verbs": ["read"], "apps": ["*"]},
        {"name": "b", "secret": key("b"), "verbs": ["read"], "apps": ["*"]},
    ]
    gateway = start_gateway({"control": {"keys": keys}, "apps": [{"name": "shop"}, {"name": "blog"}]})
    a, b = keep(Control(gateway.control, key("a"))), keep(Control(gateway.control, key("b")))
    by_key = Watch(b).begun()
    by_app = Watch(a, app="shop").begun()
    by_rule = Watch(a, app="blog").begun()
    keep(Browser(gateway.edge, "/app/shop"))
    assert kind(by_app.take(1)[0]) == "session_opened"
    gateway.reload({"control": {"keys": keys[:1]}, "apps": [{"name": "blog", "events": {"messages": 0}}]})
    for feed, status in ((by_key, "UNAUTHENTICATED"), (by_app, "NOT_FOUND"), (by_rule, "FAILED_PRECONDITION")):
        with pytest.raises(Ended) as ended:
            feed.take(1)
        assert ended.value.status == status


def test_too_many_groups(control: Control, keep: Any) -> None:
    for number in range(100):  # each is remembered when its member has gone
        with Watch(control, app="shop", group=f"g{number}").begun():
            pass
    with pytest.raises(Ended) as ended:
        Watch(control, app="shop", group="one-more").response()
    assert ended.value.status == "RESOURCE_EXHAUSTED"
    assert keep(Watch(control, app="shop", group="g7")).begun().parts == [0]


def test_metrics(gateway: Gateway, control: Control, connect: Connect) -> None:
    with Watch(control, group="counted").begun() as feed:
        gateway.wait_for_metric("carillon_feed_watchers", lambda value: value >= 1, app="default")
        connect().leave()
        feed.take(2)
        gateway.wait_for_metric("carillon_feed_unacknowledged", lambda value: value >= 2, app="default")
        feed.ack(feed.scanned.offset)
        gateway.wait_for_metric("carillon_feed_unacknowledged", 0, app="default")

