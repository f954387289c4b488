"""Logs, presence, options and keeping users out, against the real gateway, with both clients."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from browser import Browser
from google.protobuf.duration_pb2 import Duration

from carillon_client import (
    Aborted,
    AlreadyExists,
    Client,
    EventKind,
    FailedPrecondition,
    InvalidArgument,
    Json,
    NotFound,
    Options,
    PermissionDenied,
    Position,
    PresenceStatus,
    Selector,
)
from carillon_client._pb import envelope_pb2
from carillon_client.testing import KEY, Gateway

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]
Make = Callable[..., Client]


def test_a_log_is_read_page_by_page(client: Client, fresh: Fresh) -> None:
    stream = fresh("log")
    receipts = [client.broadcast_stream(stream, event="said", data=number) for number in range(7)]

    log = client.list_messages(stream=stream, page_size=3)
    head = log.head()
    messages = list(log)

    assert head == receipts[-1].position
    assert [message.data() for message in messages] == list(range(7))
    assert [message.message_id for message in messages] == [receipt.message_id for receipt in receipts]
    assert messages[2].position == Position(head.epoch, 3)
    assert (messages[0].stream, messages[0].event, messages[0].payload) == (stream, "said", "0")
    assert abs(datetime.now(timezone.utc) - messages[0].time) < timedelta(minutes=1)
    after = client.list_messages(stream=stream, after=messages[4].position)
    assert [message.data() for message in after] == [5, 6]


def test_an_empty_log_has_a_position(client: Client, fresh: Fresh) -> None:
    log = client.list_messages(stream=fresh("log"))

    assert list(log) == []
    assert log.head().offset == 0


def test_bytes_and_annotations_are_in_the_log(client: Client, fresh: Fresh) -> None:
    stream = fresh("log")
    client.broadcast_stream(stream, event="raw", data=b"\x00\xff", meta={"trace": "abc"})
    client.broadcast_stream(stream, event="nothing")

    raw, nothing = client.list_messages(stream=stream)

    assert (raw.data(), raw.meta) == (b"\x00\xff", {"trace": "abc"})
    assert nothing.data() is None


def test_a_cleared_log_begins_anew(client: Client, fresh: Fresh) -> None:
    stream = fresh("log")
    before = client.broadcast_stream(stream, event="said").position
    assert before is not None

    cleared = client.clear_messages(stream=stream)

    assert cleared.messages == 1
    assert cleared.position.offset == 0
    assert cleared.position.epoch != before.epoch
    assert list(client.list_messages(stream=stream)) == []
    with pytest.raises(Aborted):
        list(client.list_messages(stream=stream, after=before))


def test_where_there_is_no_log(client: Client, fresh: Fresh) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        list(client.list_messages(stream=fresh("chat")))
    assert caught.value.reason == "NO_LOG"
    with pytest.raises(FailedPrecondition):
        client.clear_messages(user_id=fresh("alice"))


def test_presence(client: Client, connect: Connect, fresh: Fresh) -> None:
    room = fresh("room")
    users = sorted(fresh("user") for _ in range(3))
    for user in users:
        connect(user, room, name=user.upper())
    second = connect(users[0], room, name=users[0].upper())
    second.say(action="presence", stream=room, status="away", text="lunch", id=1)

    members = client.get_presence(room, page_size=2)

    assert members.head().count == 3
    listed = list(members)
    assert [member.user_id for member in listed] == users
    assert (listed[0].name, listed[0].sessions) == (users[0].upper(), 2)
    assert (listed[0].status, listed[0].text) == (PresenceStatus.AWAY, "lunch")
    assert (listed[1].status, listed[1].info) == (PresenceStatus.ONLINE, None)
    assert abs(datetime.now(timezone.utc) - listed[1].join_time) < timedelta(minutes=1)
    assert client.count_presence(room).count == 3
    with pytest.raises(FailedPrecondition, match="presence"):
        client.count_presence(fresh("chat"))


def test_a_blocked_user_stays_out(client: Client, connect: Connect, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    tab = connect(alice)

    assert client.block_user(alice, reason="enough").sessions == 1
    client.block_user(bob, duration=timedelta(hours=1))

    assert tab.receive_close() == (4003, "enough")
    blocked = {user.user_id: user for user in client.blocked_users(page_size=1)}
    assert (blocked[alice].reason, blocked[alice].expire_time) == ("enough", None)
    until = blocked[bob].expire_time
    assert until is not None and timedelta(minutes=59) < until - datetime.now(timezone.utc) <= timedelta(hours=1)
    assert client.unblock_user(alice)
    assert not client.unblock_user(alice)
    client.unblock_user(bob)
    connect(alice)


def test_tokens_are_revoked(client: Client, connect: Connect, fresh: Fresh) -> None:
    alice, one = fresh("alice"), fresh("token")
    now = int(datetime.now(timezone.utc).timestamp())
    old, new = connect(alice, iat=now - 100), connect(alice, iat=now)
    named = connect(fresh("bob"), jti=one)

    before = datetime.fromtimestamp(now - 50, timezone.utc)
    assert client.revoke_tokens(user_id=alice, issued_before=before).sessions == 1
    assert client.revoke_tokens(token_id=one).sessions == 1

    assert old.receive_close()[0] == named.receive_close()[0] == 4001
    assert client.revoke_tokens(user_id=alice).sessions == 1
    assert new.receive_close()[0] == 4001


def test_a_request_id_sends_once(client: Client, connect: Connect, fresh: Fresh) -> None:
    stream = fresh("chat")
    browser = connect(fresh("alice"), stream)
    options = Options(request_id=fresh("request"))

    first = client.broadcast_stream(stream, event="one", options=options)
    again = client.broadcast_stream(stream, event="one", options=options)
    client.broadcast_stream(stream, event="two")

    assert (first.duplicate, again.duplicate) == (False, True)
    assert again.message_id == first.message_id
    assert [browser.receive()["event"] for _ in range(2)] == ["one", "two"]
    with pytest.raises(AlreadyExists):
        client.broadcast_stream(stream, event="three", options=options)


def test_an_expected_position(client: Client, fresh: Fresh) -> None:
    stream = fresh("log")
    start = client.list_messages(stream=stream).head()
    options = Options(expected_position=start)

    receipt = client.broadcast_stream(stream, event="first", options=options)

    assert receipt.position == Position(start.epoch, 1)
    with pytest.raises(Aborted):
        client.broadcast_stream(stream, event="second", options=options)


def test_who_is_meant(client: Client, connect: Connect, fresh: Fresh) -> None:
    stream, alice, bob, carol = fresh("log"), fresh("alice"), fresh("bob"), fresh("carol")
    tabs = [connect(alice, stream, labels={"team": "a"}), connect(bob, stream), connect(carol, stream, roles=["boss"])]

    def reached(**options: object) -> tuple[int, int]:
        receipt = client.broadcast_stream(stream, event="note", options=Options(report=True, **options))  # type: ignore[arg-type]
        assert receipt.report is not None
        return receipt.report.queued, receipt.report.filtered

    assert reached() == (3, 0)
    assert reached(selector=Selector(labels={"team": "a"})) == (1, 2)
    assert reached(selector=Selector(user_ids=[alice, bob])) == (2, 1)
    assert reached(selector=Selector(roles=["boss"])) == (1, 2)
    assert reached(exclude_sessions=[tabs[0].session]) == (2, 1)
    assert reached(exclude_users=[bob, carol]) == (1, 2)


def test_history_is_skipped_and_ends(client: Client, fresh: Fresh) -> None:
    stream = fresh("log")

    skipped = client.broadcast_stream(stream, event="typing", options=Options(skip_history=True))
    kept = client.broadcast_stream(
        stream, event="said", options=Options(ttl=3600, deliver_within=timedelta(minutes=1), conflation_key="k")
    )

    assert skipped.position is None
    assert kept.position is not None and kept.position.offset == 1
    with pytest.raises(InvalidArgument) as caught:
        client.broadcast_stream(stream, event="said", options=Options(ttl=0))
    assert [each.field for each in caught.value.field_violations] == ["options.ttl"]


def test_ready_json_and_typed_messages(client: Client, connect: Connect, fresh: Fresh) -> None:
    stream = fresh("chat")
    browser = connect(fresh("alice"), stream)

    client.broadcast_stream(stream, event="said", data=Json('{"order": 42}'))

    assert browser.receive()["data"] == {"order": 42}
    with pytest.raises(InvalidArgument):
        client.broadcast_stream(stream, event="said", data=Json("{"))
    client.broadcast_stream(stream, event="said", data=Duration(seconds=1))
    assert browser.receive()["data"] == "1s"
    with pytest.raises(FailedPrecondition) as caught:  # of a type that nobody has registered
        client.broadcast_stream(stream, event="said", data=envelope_pb2.Event())
    assert caught.value.reason == "TYPE_UNKNOWN"


def test_an_app_that_is_not_there(make_client: Make, gateway: Gateway) -> None:
    stranger = make_client(gateway.control, KEY, app="nowhere")
    with pytest.raises((NotFound, PermissionDenied)):
        stranger.count_subscribers()


def test_targets_are_counted_before_anything_is_sent(make_client: Make) -> None:
    client = make_client("127.0.0.1:1", "")
    wrong: list[Callable[[], object]] = [
        lambda: client.kick(),
        lambda: client.kick(user_id="alice", stream="chat"),
        lambda: client.subscribers(),
        lambda: client.count_subscribers(user_id="alice", stream="chat"),
        lambda: client.broadcast_to_users("alice", event="note"),
        lambda: client.list_messages(),
        lambda: client.clear_messages(stream="chat", user_id="alice"),
        lambda: client.revoke_tokens(),
        lambda: client.broadcast_all(event="note", options=Options(exclude_users="alice")),
        lambda: client.watch(streams="chat"),
    ]
    for call in wrong:
        with pytest.raises(TypeError):
            call()
    with pytest.raises(TypeError, match="^tail.. takes exactly one of user_id, session_id, stream$"):
        client.tail()
    with pytest.raises(ValueError, match="time zone"):
        client.revoke_tokens(user_id="alice", issued_before=datetime(2020, 1, 1))  # noqa: DTZ001


WRONG: dict[str, Callable[[Any], object]] = {
    r"kinds takes EventKind, such as EventKind.SUBSCRIBED, not 'nope'": lambda client: client.watch(kinds=["nope"]),
    r"kinds takes several EventKind, such as \[EventKind.SUBSCRIBED\], not <EventKind": lambda client: client.watch(
        kinds=EventKind.SUBSCRIBED
    ),
    r"kinds takes several .*, not 'nope'": lambda client: client.watch(kinds="nope"),
    r"streams takes several strings, not int": lambda client: client.watch(streams=5),
    r"users takes strings, not int": lambda client: client.watch(users=[5]),
    r"watch\(\): group takes str, not int": lambda client: client.watch(group=5),
    r"watch\(\): partitions takes int, not str": lambda client: client.watch(partitions="2"),
    r"resume takes a Position or a function, not str": lambda client: client.watch(resume="7"),
    r"bind_stream\(\): type takes str, not the class Position": lambda client: client.bind_stream(
        "chat", "said", envelope_pb2.Position
    ),
    r"register_descriptors\(\): descriptor_set takes bytes, not the class Position": (
        lambda client: client.register_descriptors("set", envelope_pb2.Position)
    ),
    r"broadcast_stream\(\): stream takes str, not int": lambda client: client.broadcast_stream(5, event="said"),
    r"broadcast_stream\(\): meta takes Mapping\[str, str\], not dict\[str, int\]": (
        lambda client: client.broadcast_stream("chat", event="said", meta={"a": 1})
    ),
    r"broadcast_stream\(\): options takes Options, not dict": lambda client: client.broadcast_stream(
        "chat", event="said", options={"ttl": 5}
    ),
    r"broadcast_stream\(\): options.ttl takes timedelta . float, not str": lambda client: client.broadcast_stream(
        "chat", event="said", options=Options(ttl="5")  # type: ignore[arg-type]
    ),
    r"options.selector.labels takes Mapping\[str, str\], not dict\[str, int\]": lambda client: client.broadcast_all(
        event="said", options=Options(selector=Selector(labels={"a": 1}))  # type: ignore[dict-item]
    ),
    r"list_sessions\(\): labels takes Mapping\[str, str\], not list": lambda client: client.list_sessions(labels=["a"]),
    r"list_messages\(\): after takes Position, not int": lambda client: client.list_messages(stream="chat", after=5),
    r"tail\(\): max_age takes timedelta . float, not str": lambda client: client.tail(stream="chat", max_age="5"),
}


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_argument_is_named_with_what_it_takes(make_client: Make, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        WRONG[words](make_client("127.0.0.1:1", ""))


def test_a_batcher_names_a_wrong_argument_too(make_client: Make) -> None:
    with make_client("127.0.0.1:1", "").batcher() as batcher:
        with pytest.raises(TypeError, match=r"broadcast_stream\(\): stream takes str, not int"):
            batcher.broadcast_stream(5, event="said")  # type: ignore[arg-type]
