"""What operators ask of the real gateway, with both clients."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from browser import Browser
from conftest import READ_KEY

from carillon_client import Client, DrainState, InvalidArgument, NotFound, StreamInfo, TailEnd
from carillon_client.testing import KEY, Gateway

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]
Make = Callable[..., Client]


def test_sessions_are_listed_page_by_page(client: Client, connect: Connect, fresh: Fresh) -> None:
    alice, team = fresh("alice"), fresh("team")
    tabs = [connect(alice, "chat", name="Alice", roles=["boss"], labels={"team": team}) for _ in range(5)]
    connect(fresh("bob"), "chat", labels={"team": fresh("team")})

    ids = sorted(tab.session for tab in tabs)
    listed = list(client.list_sessions(user_id=alice, page_size=2))

    assert [each.session_id for each in listed] == ids
    assert [each.session_id for each in client.list_sessions(labels={"team": team})] == ids
    assert list(client.list_sessions(user_id=alice, labels={"team": "another"})) == []
    assert {tab.session for tab in tabs} <= {each.session_id for each in client.list_sessions()}
    first = listed[0]
    assert (first.user_id, first.name, first.roles, first.labels) == (alice, "Alice", ("boss",), {"team": team})
    assert (first.address, first.endpoint, first.streams) == ("127.0.0.1", "/ws", 1)
    assert timedelta(0) <= datetime.now(timezone.utc) - first.connected_time < timedelta(minutes=1)
    assert 0 <= first.age < 60
    assert first.token_expire_time is not None and first.token_expire_time > datetime.now(timezone.utc)
    assert (first.backlog.messages, first.backlog.bytes, first.backlog.messages_lost) == (0, 0, 0)


def test_one_session(client: Client, connect: Connect, fresh: Fresh) -> None:
    streams = sorted(fresh("chat") for _ in range(3))
    browser = connect("", *streams)
    browser.say(action="ping", id=1)

    at_once = client.get_session(browser.session)
    measured = client.get_session(browser.session, measure_for=timedelta(milliseconds=100))

    assert (at_once.session.session_id, at_once.session.user_id) == (browser.session, "")
    assert (at_once.streams, at_once.rates, at_once.session.token_expire_time) == (tuple(streams), None, None)
    assert (at_once.session.messages_queued, at_once.session.messages_said) == (2, 1)
    assert measured.rates is not None
    assert (measured.rates.queued, measured.rates.said) == (0, 0) and measured.rates.measured >= 0.09
    with pytest.raises(NotFound):
        client.get_session("0000" + "0" * 16)
    with pytest.raises(InvalidArgument) as caught:
        client.get_session(browser.session, measure_for=11)
    assert [each.field for each in caught.value.field_violations] == ["measure_for"]


def test_measuring_has_its_own_time(make_client: Make, gateway: Gateway, connect: Connect) -> None:
    hasty = make_client(gateway.control, KEY, 0.5)

    measured = hasty.get_session(connect().session, measure_for=0.6)

    assert measured.rates is not None and measured.rates.measured >= 0.5


def test_nobody_is_slow(client: Client, connect: Connect) -> None:
    connect()

    slowest = client.top_slow(limit=3)

    assert (slowest.sessions, slowest.partial) == ((), False)


def test_streams_are_listed_page_by_page(client: Client, connect: Connect, fresh: Fresh) -> None:
    prefix = fresh("s")
    one, two, three = (f"{prefix}-{number}" for number in range(3))
    connect("", one, two, three)
    connect("", two)

    assert list(client.list_streams(pattern=f"{prefix}-*", page_size=2)) == [
        StreamInfo(one, 1),
        StreamInfo(two, 2),
        StreamInfo(three, 1),
    ]
    assert list(client.list_streams(pattern=f"{prefix}-*", min_sessions=2)) == [StreamInfo(two, 2)]


def test_one_stream(client: Client, connect: Connect, fresh: Fresh) -> None:
    log, room, chat = fresh("log"), fresh("room"), fresh("chat")
    receipts = [client.broadcast_stream(log, event="said") for _ in range(3)]
    connect(fresh("alice"), room, chat)

    kept, here, plain = client.get_stream(log), client.get_stream(room), client.get_stream(chat)

    assert (kept.stream, kept.sessions, kept.rule, kept.description) == (log, 0, "log-*", "kept for a while")
    assert kept.log is not None and kept.log.oldest_time is not None
    assert (kept.log.top, kept.log.oldest_offset) == (receipts[-1].position, 1)
    assert (kept.members, here.members, plain.members) == (None, 1, None)
    assert (here.sessions, plain.sessions, plain.rule, plain.log, plain.partial) == (1, 1, "", None, False)
    empty = client.get_stream(fresh("log"))
    assert empty.log is not None
    assert (empty.log.top.offset, empty.log.oldest_offset, empty.log.oldest_time) == (0, 0, None)


def test_the_configuration(client: Client) -> None:
    reloaded = client.reload()

    assert (reloaded.changed, reloaded.need_restart) == ((), ())
    assert "log-*" in client.get_config() and KEY not in client.get_config()


def test_nodes(make_client: Make, gateway: Gateway, connect: Connect) -> None:
    connect()

    answer = make_client(gateway.control, READ_KEY, app="default").list_nodes()

    (node,) = answer.nodes
    assert not answer.partial
    assert node.node_id and node.version and node.shards >= 1 and node.sessions >= 1 and not node.draining
    assert node.started_time < datetime.now(timezone.utc)


def test_a_drain_and_back(client: Client, connect: Connect) -> None:
    """Of which nobody notices anything: it is taken back before its delay is over."""
    begun = client.drain(app="default", window=timedelta(seconds=1), delay=60)
    again = client.drain(app="default")
    (node,) = client.list_nodes().nodes
    back = client.drain(app="default", undo=True)

    assert (begun.changed, again.changed, back.changed, begun.partial) == (True, False, True, False)
    status = begun.status
    assert (status.app, status.endpoint, status.state, status.exit) == ("default", None, DrainState.DRAINING, False)
    assert status.asked_by and status.begin_time is not None and status.begin_time < datetime.now(timezone.utc)
    assert not node.draining and [each.app for each in node.drains] == ["default"]
    assert (back.status.state, back.status.begin_time) == (DrainState.SERVING, None)
    with pytest.raises(NotFound):
        client.drain(endpoint="/nope")
    with pytest.raises(InvalidArgument) as caught:
        client.drain(app="default", exit=True)
    assert [each.field for each in caught.value.field_violations] == ["exit"]
    with pytest.raises(TypeError, match="not both"):
        client.drain(app="default", endpoint="/ws")
    assert not client.drain(undo=True).changed


def test_what_goes_by_a_session(client: Client, connect: Connect, fresh: Fresh) -> None:
    chat = fresh("chat")
    browser = connect(fresh("alice"), chat)
    with client.tail(session_id=browser.session, payloads=True, max_payload_bytes=4) as tail:
        assert tail.begun is not None and tail.begun.sessions == 1
        assert tail.begun.end_time > datetime.now(timezone.utc)
        browser.say(action="ping", id=1)
        client.broadcast_stream(chat, event="news", data={"a": 1}, meta={"trace": "4bf9"})
        said, answer, news = (next(tail) for _ in range(3))
        assert (said.incoming, said.action, said.secret) == (True, "ping", False)
        assert (answer.incoming, answer.stream, answer.event) == (False, "system", "pong")
        assert (news.session_id, news.stream, news.event) == (browser.session, chat, "news")
        assert (news.meta["trace"], news.fields, news.payload_type) == ("4bf9", (("a", "number"),), "object")
        assert (news.payload, news.payload_cut, news.payload_bytes) == ('{"a"', True, 7)
        assert news.bytes > 7 and news.time <= datetime.now(timezone.utc)
        browser.close()
        assert [each.event for each in tail] == []
        assert (tail.end, tail.lost, tail.left_out) == (TailEnd.SESSION_GONE, 0, 0)
    with pytest.raises(StopIteration):
        next(tail)


def test_a_tail_of_a_stream_and_its_end(client: Client, fresh: Fresh) -> None:
    chat = fresh("chat")
    tail = client.tail(stream=chat, sample_every=2, max_age=timedelta(seconds=1))
    tail.start()
    for event in ("a", "b", "c"):
        client.broadcast_stream(chat, event=event)

    shown = [(each.event, each.session_id) for each in tail]

    assert shown == [("a", ""), ("c", "")]
    assert (tail.end, tail.left_out) == (TailEnd.MAX_AGE, 1)


def test_a_tail_that_is_refused_or_closed(client: Client, fresh: Fresh) -> None:
    with pytest.raises(NotFound):
        next(client.tail(session_id="0000" + "0" * 16))
    with pytest.raises(TypeError, match="exactly one"):
        client.tail()
    tail = client.tail(user_id=fresh("alice"))
    tail.start()
    tail.close()
    with pytest.raises(StopIteration):
        next(tail)
