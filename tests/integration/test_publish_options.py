"""How a message may be published: once, for a while, for some, at a place in the log; and what a subscriber may leave
out for itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2
from support.control import Control, Event, event, pb, stream_item
from support.gateway import Gateway, token
from support.patience import eventually
from support.ws import Browser, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]

SOON = duration_pb2.Duration(nanos=1_000_000)
WHILE = duration_pb2.Duration(seconds=1)
LOST = "carillon_messages_lost_total"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    small = {"anonymous": True, "send_buffer_bytes": "4KiB"}
    return {
        "edge": {"endpoints": [
            {"path": "/ws", "anonymous": True},
            {"path": "/patient", **small, "outbox_bytes": "64MiB", "outbox_messages": 1000000, "write_deadline": "5m"},
            {"path": "/tight", **small, "outbox_bytes": "512KiB", "outbox_messages": 1000000, "write_deadline": "5m"},
        ]},
        "streams": [
            {"pattern": "log-*", "log": {"mode": "log", "max_bytes": "64MiB"}},
            {"pattern": "latest-*", "log": {"mode": "latest"}},
            {"pattern": "newest-*", "slow": "drop_newest"},
        ],
        "inbox": {"mode": "log"},
    }


# --- Helpers ---


def position_of(epoch: str, offset: int) -> Any:
    return type(pb.Receipt().position)(epoch=epoch, offset=offset)


def to_stream(control: Control, stream: str, message: Event | None = None, **options: Any) -> Any:
    """BroadcastStream with options: its receipt."""
    request = pb.BroadcastStreamRequest(
        stream=stream, event=message or event(), options=pb.PublishOptions(**options)
    )
    return control.call("BroadcastStream", request).receipt


def to_stream_refused(control: Control, stream: str, message: Event | None = None, **options: Any) -> Any:
    """The same, insisting that it is refused."""
    options_message = pb.PublishOptions(**options)
    request = pb.BroadcastStreamRequest(stream=stream, event=message or event(), options=options_message)
    return control.refused("BroadcastStream", request)


def listed(control: Control, **target: str) -> list[str]:
    """The names of the events in a log."""
    answer = control.call("ListMessages", pb.ListMessagesRequest(**target))
    return [message.event for message in answer.messages]


def wait_until_gone(control: Control, stream: str, name: str) -> None:
    """Waits until the log does not give the event any more."""
    eventually(lambda: listed(control, stream=stream), lambda names: name not in names, "the log")


def heard(control: Control, browser: Browser) -> list[str]:
    """The events that reached a browser before now, without markers: a last one marks their end."""
    control.to_session(browser.session, event("end-of-test"))
    return [message["event"] for message in browser.receive_until("end-of-test") if message["event"] != "skip"]


def replayed(connect: Connect, stream: str, count: int, **query: str) -> tuple[list[str], dict[str, int]]:
    """What a new session is given of the whole log of a stream with `count` messages: the events, and the sums of the
    markers. Insists that together they account for every offset, in order."""
    browser = connect(with_query("/ws", streams=stream, recover=f"{stream}::0", **query))
    assert browser.welcome["logs"][stream]["reason"] == "ok"
    assert browser.welcome["logs"][stream]["top"] == count
    names: list[str] = []
    skipped: dict[str, int] = {}
    offset = 0
    while offset < count:
        message = browser.receive()
        if message["event"] == "skip":
            counts = counts_of(message)
            assert message["data"]["offset"] == offset + sum(counts.values())
            offset = message["data"]["offset"]
            for reason, number in counts.items():
                skipped[reason] = skipped.get(reason, 0) + number
        else:
            assert message["meta"]["offset"] == offset + 1
            offset += 1
            names.append(message["event"])
    return names, skipped


def counts_of(skip: dict[str, Any]) -> dict[str, int]:
    """A marker's counts by reason."""
    assert (skip["stream"], skip["event"]) == ("system", "skip"), skip
    reasons = ("filtered", "excluded", "expired", "conflated", "dropped")
    return {reason: skip["data"][reason] for reason in reasons if reason in skip["data"]}


def tab(connect: Connect, user: str, stream: str, path: str = "/ws", **claims: Any) -> Browser:
    return connect(with_query(path, token=token(user, **claims), streams=stream))


# --- request_id ---


def test_a_repeated_request_is_answered_and_not_sent_again(control: Control, connect: Connect, fresh: Fresh) -> None:
    """The first receipt again, with duplicate: the same message_id, sessions and position."""
    stream, request_id = fresh("log"), fresh("request")
    browser = connect(with_query("/ws", streams=stream))

    first = to_stream(control, stream, event("once", json="1", meta={"a": "1", "b": "2"}), request_id=request_id)
    control.to_stream(stream, event("between"))
    second = to_stream(control, stream, event("once", json="1", meta={"b": "2", "a": "1"}), request_id=request_id)

    assert (first.duplicate, second.duplicate) == (False, True)
    assert (second.message_id, second.position, second.sessions) == (first.message_id, first.position, 1)
    assert heard(control, browser) == ["once", "between"]
    assert listed(control, stream=stream) == ["once", "between"]


def test_a_repeated_request_without_a_log_has_no_position(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Idempotency needs no log."""
    stream = fresh("unlogged")
    browser = connect(with_query("/ws", streams=stream))

    first, second = (to_stream(control, stream, event("once"), request_id="1") for _ in range(2))

    assert (second.duplicate, second.message_id) == (True, first.message_id)
    assert not second.HasField("position")
    assert heard(control, browser) == ["once"]


@pytest.mark.parametrize(
    "other",
    [
        event("b", json="1"),
        event("a", json="2"),
        event("a"),
        event("a", binary=b"1"),
        event("a", json="1", meta={"m": ""}),
    ],
    ids=["name", "payload", "no payload", "bytes", "meta"],
)
def test_a_request_id_stands_for_one_message(
    control: Control, connect: Connect, fresh: Fresh, other: Event
) -> None:
    """Another message with it is ALREADY_EXISTS and is not sent; the first one can still be asked for."""
    stream = fresh("log")
    browser = connect(with_query("/ws", streams=stream))
    first = to_stream(control, stream, event("a", json="1"), request_id="id")

    refusal = to_stream_refused(control, stream, other, request_id="id")

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert to_stream(control, stream, event("a", json="1"), request_id="id").message_id == first.message_id
    assert heard(control, browser) == ["a"]


def test_request_ids_of_other_targets_are_others(control: Control, fresh: Fresh) -> None:
    """A stream, another one, a user of the same name, everyone: each has its own."""
    name, request_id = fresh("log"), fresh("request")
    options = pb.PublishOptions(request_id=request_id)

    receipts = [
        to_stream(control, name, event("a"), request_id=request_id),
        to_stream(control, fresh("log"), event("b"), request_id=request_id),
        control.to_user(name, event("c"), options=options),
        control.to_all(event("d"), options=options),
    ]

    assert [receipt.duplicate for receipt in receipts] == [False] * 4
    assert len({receipt.message_id for receipt in receipts}) == 4
    assert control.to_user(name, event("c"), options=options).duplicate


@pytest.mark.parametrize("kind", ["user", "session", "all"])
def test_every_target_knows_its_repetitions(control: Control, connect: Connect, fresh: Fresh, kind: str) -> None:
    """Not streams only."""
    user = fresh("user")
    browser = connect(with_query("/ws", token=token(user)))
    options = pb.PublishOptions(request_id=fresh("request"))
    send: Callable[[], Any] = {
        "user": lambda: control.to_user(user, event("once"), options=options),
        "session": lambda: control.to_session(browser.session, event("once"), options=options),
        "all": lambda: control.to_all(event("once"), options=options),
    }[kind]

    first, second = send(), send()

    assert (first.duplicate, second.duplicate, second.message_id) == (False, True, first.message_id)
    assert second.HasField("position") == (kind == "user")
    assert heard(control, browser) == ["once"]


def test_requests_at_the_same_time_are_one_message(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh
) -> None:
    """However many callers try at once, one is first and all get its receipt."""
    stream = fresh("log")
    browser = connect(with_query("/ws", streams=stream))
    call = control.channel.unary_unary(
        "/carillon.v1.ControlService/BroadcastStream",
        request_serializer=pb.BroadcastStreamRequest.SerializeToString,
        response_deserializer=pb.BroadcastStreamResponse.FromString,
    )
    request = pb.BroadcastStreamRequest(stream=stream, event=event("once"), options=pb.PublishOptions(request_id="id"))

    with gateway.rises("carillon_duplicates_total", 49):
        receipts = [each.result().receipt for each in [call.future(request, timeout=60) for _ in range(50)]]

    assert [receipt.duplicate for receipt in receipts].count(False) == 1
    assert len({receipt.message_id for receipt in receipts}) == 1
    assert heard(control, browser) == ["once"]


def test_publish_stream_knows_requests_too(control: Control, connect: Connect, fresh: Fresh) -> None:
    """A repetition is simply acknowledged, a conflict is the item's failure; both also of what a unary call sent."""
    stream = fresh("log")
    browser = connect(with_query("/ws", streams=stream))
    to_stream(control, stream, event("unary"), request_id="1")
    publisher = control.publisher()

    def item(name: str, request_id: str) -> Any:
        options = pb.PublishOptions(request_id=request_id)
        return pb.PublishItem(
            broadcast_stream=pb.BroadcastStreamRequest(stream=stream, event=event(name), options=options)
        )

    publisher.send([item("unary", "1"), item("streamed", "2"), item("streamed", "2"), item("other", "2")])
    publisher.send([item("other", "1"), item("last", "3")])
    failures = publisher.finish()

    assert [(failure.seq, failure.code) for failure in failures] == [(4, 6), (5, 6)]  # ALREADY_EXISTS
    assert all("request_id" in failure.message for failure in failures)
    assert heard(control, browser) == ["unary", "streamed", "last"]


def test_several_users_may_be_tried_again(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Those who were served are not served twice, and those who were not are, whoever else is named."""
    alice, bob, carol = fresh("alice"), fresh("bob"), fresh("carol")
    tabs = [connect(with_query("/ws", token=token(user))) for user in (alice, bob, carol)]
    options = pb.PublishOptions(request_id=fresh("request"))

    control.to_users([alice, bob], event("once"), options=options)
    control.to_users([alice, bob], event("once"), options=options)
    control.to_users([bob, carol], event("once"), options=options)

    assert [heard(control, each) for each in tabs] == [["once"]] * 3
    assert [listed(control, user_id=user) for user in (alice, bob, carol)] == [["once"]] * 3


# --- ttl ---


def test_an_expired_message_is_not_replayed(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Those who are there get it, those who come later a marker in its place that counts it."""
    stream = fresh("log")
    browser = connect(with_query("/ws", streams=stream))
    control.to_stream(stream, event("a"))
    to_stream(control, stream, event("short"), ttl=SOON)
    to_stream(control, stream, event("short"), ttl=SOON)
    to_stream(control, stream, event("long"), ttl=duration_pb2.Duration(seconds=3600))
    to_stream(control, stream, event("short"), ttl=SOON)
    wait_until_gone(control, stream, "short")

    assert heard(control, browser) == ["a", "short", "short", "long", "short"]
    assert replayed(connect, stream, 5) == (["a", "long"], {"expired": 3})


def test_an_expired_value_greets_nobody(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Of a latest stream: the marker comes, and the value does not."""
    stream = fresh("latest")
    receipt = to_stream(control, stream, event("short"), ttl=SOON)
    wait_until_gone(control, stream, "short")

    browser = connect(with_query("/ws", streams=stream))

    marker = browser.receive()
    assert counts_of(marker) == {"expired": 1}
    assert marker["data"]["offset"] == receipt.position.offset
    assert heard(control, browser) == []


# --- deliver_within ---


@pytest.mark.parametrize("kind", ["log", "unlogged"])
def test_what_became_stale_in_a_queue_is_not_delivered(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh, kind: str
) -> None:
    """A reader that was blocked meanwhile gets a marker with their number instead, before what follows them."""
    stream, clock = fresh(kind), fresh("log")
    keeps_up = connect(with_query("/ws", streams=stream))
    blocked = connect(with_query("/patient", streams=stream), receive_buffer=4096)
    filling = json.dumps("x" * 30_000)
    for _ in range(40):
        control.to_stream(stream, event("filling", json=filling))
        assert keeps_up.receive()["event"] == "filling"
    to_stream(control, stream, event("stale"), deliver_within=WHILE)
    to_stream(control, stream, event("stale"), deliver_within=WHILE)
    end = control.to_stream(stream, event("end"))
    to_stream(control, clock, event("stale"), deliver_within=WHILE)
    wait_until_gone(control, clock, "stale")

    with gateway.rises(LOST, 2, reason="expired"):
        assert [message["event"] for message in keeps_up.receive_until("end")] == ["stale", "stale"]
        received = blocked.receive_until("end")

    assert [message["event"] for message in received] == ["filling"] * 40 + ["skip"]
    assert counts_of(received[-1]) == {"expired": 2}
    assert received[-1]["data"]["stream"] == stream
    if kind == "log":
        assert received[-1]["data"]["offset"] == end.position.offset - 1
        assert received[-1]["data"]["epoch"] == end.position.epoch
    else:
        assert not {"offset", "epoch"} & set(received[-1]["data"])


def test_what_became_stale_is_not_replayed(control: Control, connect: Connect, fresh: Fresh) -> None:
    """As with ttl."""
    stream = fresh("log")
    control.to_stream(stream, event("a"))
    to_stream(control, stream, event("stale"), deliver_within=SOON, ttl=duration_pb2.Duration(seconds=3600))
    control.to_stream(stream, event("b"))
    wait_until_gone(control, stream, "stale")

    assert replayed(connect, stream, 3) == (["a", "b"], {"expired": 1})


# --- skip_history ---


def test_a_message_may_stay_out_of_the_log(control: Control, connect: Connect, fresh: Fresh) -> None:
    """It is delivered without a position, uses no offset, and is not there for those who come later."""
    stream = fresh("log")
    browser = connect(with_query("/ws", streams=stream))
    control.to_stream(stream, event("a"))
    receipt = to_stream(control, stream, event("typing"), skip_history=True)
    after = control.to_stream(stream, event("b"))

    assert not receipt.HasField("position")
    assert (receipt.sessions, after.position.offset) == (1, 2)
    received = [browser.receive() for _ in range(3)]
    assert [message["event"] for message in received] == ["a", "typing", "b"]
    assert not {"offset", "epoch"} & set(received[1]["meta"])
    assert listed(control, stream=stream) == ["a", "b"]
    assert replayed(connect, stream, 2) == (["a", "b"], {})


def test_a_value_may_be_passed_by(control: Control, connect: Connect, fresh: Fresh) -> None:
    """On a latest stream it is not the value; and in an inbox it does not stand."""
    stream, user = fresh("latest"), fresh("user")
    control.to_stream(stream, event("value"))
    to_stream(control, stream, event("passing"), skip_history=True)
    receipt = control.to_user(user, event("passing"), options=pb.PublishOptions(skip_history=True))

    browser = connect(with_query("/ws", token=token(user), streams=stream))

    assert not receipt.HasField("position")
    assert browser.welcome["logs"]["@user"]["top"] == 0
    assert browser.receive()["event"] == "value"
    assert heard(control, browser) == []


# --- expected_position ---


def test_a_message_may_be_published_only_at_a_place(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Compare and publish: where the log stands elsewhere it is ABORTED, saying where, and nothing is sent."""
    stream = fresh("log")
    browser = connect(with_query("/ws", streams=stream))
    empty = control.call("ListMessages", pb.ListMessagesRequest(stream=stream)).position

    first = to_stream(control, stream, event("a"), expected_position=empty)
    second = to_stream(control, stream, event("b"), expected_position=first.position)
    for wrong in (empty, first.position, position_of(empty.epoch, 3), position_of("another", 2)):
        refusal = to_stream_refused(control, stream, event("never"), expected_position=wrong)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "POSITION_MISMATCH")
        assert empty.epoch in refusal.message and "2" in refusal.message
    third = to_stream(control, stream, event("c"), expected_position=second.position)

    assert [receipt.position.offset for receipt in (first, second, third)] == [1, 2, 3]
    assert heard(control, browser) == ["a", "b", "c"]


def test_an_inbox_has_places_too(control: Control, fresh: Fresh) -> None:
    """BroadcastToUser, and BroadcastToUsers of one."""
    user = fresh("user")
    start = control.to_user(user, event("a")).position
    options = pb.PublishOptions(expected_position=start)

    second = control.to_users([user], event("b"), options=options)
    request = pb.BroadcastToUserRequest(user_id=user, event=event("c"), options=options)

    assert second.receipt.position.offset == 2
    assert control.refused("BroadcastToUser", request).reason == "POSITION_MISMATCH"


def test_of_many_at_one_place_one_is_published(gateway: Gateway, control: Control, fresh: Fresh) -> None:
    """Callers at the same time cannot both have been first."""
    stream = fresh("log")
    start = control.to_stream(stream).position
    outcomes: list[str] = []

    def try_it(name: str) -> None:
        with Control(gateway.control) as own:
            try:
                to_stream(own, stream, event(name), expected_position=start)
                outcomes.append("OK")
            except grpc.RpcError as error:
                outcomes.append(error.code().name)

    threads = [threading.Thread(target=try_it, args=(f"try-{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["ABORTED"] * 7 + ["OK"]
    assert len(listed(control, stream=stream)) == 2


def test_there_is_no_place_without_a_log(control: Control, connect: Connect, fresh: Fresh) -> None:
    """FAILED_PRECONDITION on an unlogged stream, which a setting could change; INVALID_ARGUMENT to a session and to
    everyone, which none can; nothing is sent."""
    stream = fresh("unlogged")
    browser = connect(with_query("/ws", streams=stream))
    options = pb.PublishOptions(expected_position=position_of("e", 1))
    to_session = pb.SendToSessionRequest(session_id=browser.session, event=event(), options=options)

    unlogged = to_stream_refused(control, stream, expected_position=position_of("e", 1))
    never = [
        control.refused("BroadcastAll", pb.BroadcastAllRequest(event=event(), options=options)),
        control.refused("SendToSession", to_session),
    ]

    assert (unlogged.code, unlogged.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_LOG")
    assert {each.code for each in never} == {grpc.StatusCode.INVALID_ARGUMENT}
    assert [each.fields for each in never] == [["options.expected_position"]] * 2
    assert heard(control, browser) == []


def test_publish_stream_knows_places_too(control: Control, fresh: Fresh) -> None:
    """ABORTED and FAILED_PRECONDITION are the item's failures."""
    stream = fresh("log")
    start = control.to_stream(stream).position
    options = pb.PublishOptions(expected_position=start)
    publisher = control.publisher()

    publisher.send([
        pb.PublishItem(broadcast_stream=pb.BroadcastStreamRequest(stream=each, event=event(), options=options))
        for each in (stream, stream, fresh("unlogged"))
    ])

    assert [(failure.seq, failure.code) for failure in publisher.finish()] == [(2, 10), (3, 9)]


def test_several_users_who_have_had_it_all_are_a_duplicate(control: Control, fresh: Fresh) -> None:
    """The receipt names the message that they have; with one more user, it names the new one's."""
    users = [fresh("user") for _ in range(3)]
    options = pb.PublishOptions(request_id="r")
    first = control.to_users(users[:2], event("x"), options=options).receipt

    again = control.to_users(users[:2], event("x"), options=options).receipt
    more = control.to_users(users, event("x"), options=options).receipt

    assert not first.duplicate
    assert (again.duplicate, again.message_id) == (True, first.message_id)
    assert not more.duplicate and more.message_id != first.message_id


def test_a_value_with_many_keys_is_the_same_message_each_time(control: Control, fresh: Fresh) -> None:
    """However protobuf orders them when it writes them."""
    stream = fresh("plain")
    value = {f"key-{i}": i for i in range(8)}
    for _ in range(50):
        message = event("x")
        message.value.struct_value.update(value)
        options = pb.PublishOptions(request_id="r")
        control.call("BroadcastStream", pb.BroadcastStreamRequest(stream=stream, event=message, options=options))


# --- Selectors ---

SELECTORS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a label": ({"labels": {"room": "5"}}, ["alice", "bob"]),
    "two labels": ({"labels": {"room": "5", "floor": "1"}}, ["alice"]),
    "a label that nobody has": ({"labels": {"room": "6"}}, []),
    "an empty label": ({"labels": {"room": ""}}, []),
    "a user": ({"user_ids": ["bob"]}, ["bob"]),
    "two users": ({"user_ids": ["bob", "carol", "nobody"]}, ["bob", "carol"]),
    "a role": ({"roles": ["admin"]}, ["bob", "carol"]),
    "one of two roles": ({"roles": ["admin", "editor"]}, ["alice", "bob", "carol"]),
    "a label and a role": ({"labels": {"room": "5"}, "roles": ["admin"]}, ["bob"]),
    "a user and a role": ({"user_ids": ["alice", "carol"], "roles": ["admin"]}, ["carol"]),
    "a user and a label that contradict each other": ({"user_ids": ["carol"], "labels": {"room": "5"}}, []),
    "all three": ({"user_ids": ["alice", "bob"], "labels": {"room": "5"}, "roles": ["editor"]}, ["alice"]),
}

PEOPLE: dict[str, dict[str, Any]] = {
    "alice": {"labels": {"room": "5", "floor": "1"}, "roles": ["editor"]},
    "bob": {"labels": {"room": "5"}, "roles": ["admin", "guest"]},
    "carol": {"labels": {"floor": "1"}, "roles": ["admin"]},
    "dave": {},
}


@pytest.mark.parametrize("case", SELECTORS)
def test_a_selector_says_for_whom_a_message_is(control: Control, connect: Connect, fresh: Fresh, case: str) -> None:
    """Every part of it must hold, live and on replay. Sessions without an identity match none."""
    parts, wanted = SELECTORS[case]
    stream = fresh("log")
    browsers = {user: tab(connect, user, stream, **claims) for user, claims in PEOPLE.items()}
    browsers["nobody in particular"] = connect(with_query("/ws", streams=stream))

    receipt = to_stream(control, stream, event("chosen"), selector=pb.Selector(**parts))
    control.to_stream(stream, event("all"))

    assert receipt.sessions == 5
    assert [user for user, browser in browsers.items() if heard(control, browser) == ["chosen", "all"]] == wanted
    for user, claims in PEOPLE.items():
        names, skipped = replayed(connect, stream, 2, token=token(user, **claims))
        given = (["chosen", "all"], {}) if user in wanted else (["all"], {"filtered": 1})
        assert (names, skipped) == given, user
    assert replayed(connect, stream, 2) == (["all"], {"filtered": 1})


def test_a_selector_narrows_everyone_and_a_user_too(control: Control, connect: Connect, fresh: Fresh) -> None:
    """BroadcastAll by role, BroadcastToUser by a label that only some of the user's tabs have."""
    user = fresh("user")
    phone = tab(connect, user, "", labels={"device": "phone"}, roles=["tester"])
    desk = tab(connect, user, "", labels={"device": "desk"})

    control.to_all(event("all"), options=pb.PublishOptions(selector=pb.Selector(roles=["tester"])))
    control.to_user(user, event("one"), options=pb.PublishOptions(selector=pb.Selector(labels={"device": "desk"})))

    assert heard(control, phone) == ["all"]
    assert heard(control, desk) == ["one"]


# --- Exclusions ---


def test_sessions_and_users_may_be_left_out(control: Control, connect: Connect, fresh: Fresh) -> None:
    """The sender's own tab, or all tabs of a user; everybody else hears it."""
    stream, alice, bob = fresh("log"), fresh("alice"), fresh("bob")
    alices = [tab(connect, alice, stream) for _ in range(2)]
    bobs = tab(connect, bob, stream)
    anonymous = connect(with_query("/ws", streams=stream))

    to_stream(control, stream, event("not this tab"), exclude_sessions=[alices[0].session, anonymous.session])
    to_stream(control, stream, event("not bob"), exclude_users=[bob, fresh("nobody")])
    to_stream(control, stream, event("not them"), exclude_users=[alice], exclude_sessions=[bobs.session])

    assert heard(control, alices[0]) == ["not bob"]
    assert heard(control, alices[1]) == ["not this tab", "not bob"]
    assert heard(control, bobs) == ["not this tab"]
    assert heard(control, anonymous) == ["not bob", "not them"]


def test_exclusions_hold_on_replay(control: Control, connect: Connect, fresh: Fresh) -> None:
    """A left-out user gets a marker in the message's place, in whatever session; so does a session that subscribes
    anew."""
    stream, alice = fresh("log"), fresh("alice")
    browser = tab(connect, alice, stream)
    position = control.to_stream(stream, event("a")).position
    to_stream(control, stream, event("not alice"), exclude_users=[alice])
    to_stream(control, stream, event("not this tab"), exclude_sessions=[browser.session])
    control.to_stream(stream, event("b"))
    live = heard(control, browser)

    reply = browser.ask("subscribe", streams=[stream], recover={stream: {"epoch": position.epoch, "offset": 1}})

    assert live == ["a", "b"]
    assert reply["data"]["logs"][stream]["reason"] == "ok"
    assert counts_of(browser.receive()) == {"excluded": 2}
    assert browser.receive()["event"] == "b"
    assert replayed(connect, stream, 4, token=token(alice)) == (["a", "not this tab", "b"], {"excluded": 1})
    assert replayed(connect, stream, 4) == (["a", "not alice", "not this tab", "b"], {})


def test_a_sender_that_comes_back_is_recognised(control: Control, connect: Connect, fresh: Fresh) -> None:
    """?resume= of the welcome's "resume": what its former self was left out of does not come on replay, twice in a row;
    nor live."""
    stream = fresh("log")
    first = connect(with_query("/ws", streams=stream))
    to_stream(control, stream, event("by the first"), exclude_sessions=[first.session])
    first.leave()
    second = connect(with_query("/ws", streams=stream, resume=first.welcome["resume"]))
    to_stream(control, stream, event("by the second"), exclude_sessions=[second.session])
    to_stream(control, stream, event("by the first, late"), exclude_sessions=[first.session])
    control.to_stream(stream, event("by another"))

    assert heard(control, second) == ["by another"]
    second.leave()
    resumed = replayed(connect, stream, 4, resume=second.welcome["resume"])
    assert resumed == (["by another"], {"excluded": 3})
    once = replayed(connect, stream, 4, resume=first.welcome["resume"])
    assert once == (["by the second", "by another"], {"excluded": 2})
    assert len(replayed(connect, stream, 4)[0]) == 4


def test_a_resume_names_the_session_itself(connect: Connect) -> None:
    """Without a former self it is the session's own id; with one, both."""
    first = connect()
    second = connect(with_query("/ws", resume=first.welcome["resume"]))

    assert first.session in first.welcome["resume"]
    assert first.session in second.welcome["resume"] and second.session in second.welcome["resume"]


# --- A subscriber's own filter ---

FILTERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a name": ({"events": ["a"]}, ["a"]),
    "two names": ({"events": ["a", "b.one"]}, ["a", "b.one"]),
    "a beginning": ({"events": ["b.*"]}, ["b.one", "b.two"]),
    "a name and a beginning": ({"events": ["a", "b.t*"]}, ["a", "b.two"]),
    "any name": ({"events": ["*"]}, ["a", "b.one", "b.two", "c"]),
    "a name that never comes": ({"events": ["b"]}, []),
    "meta": ({"meta": {"room": "5"}}, ["a", "b.one"]),
    "two annotations": ({"meta": {"room": "5", "floor": "1"}}, ["b.one"]),
    "an annotation that never comes": ({"meta": {"room": ""}}, []),
    "a beginning and meta": ({"events": ["b.*"], "meta": {"room": "5"}}, ["b.one"]),
    "nothing": ({}, ["a", "b.one", "b.two", "c"]),
    "empty parts": ({"events": [], "meta": {}}, ["a", "b.one", "b.two", "c"]),
}


def publish_for_filters(control: Control, stream: str) -> Any:
    """Returns the last receipt."""
    control.to_stream(stream, event("a", meta={"room": "5"}))
    control.to_stream(stream, event("b.one", meta={"room": "5", "floor": "1"}))
    control.to_stream(stream, event("b.two", meta={"room": "6"}))
    return control.to_stream(stream, event("c"))


@pytest.mark.parametrize("case", FILTERS)
def test_a_subscriber_may_filter(control: Control, connect: Connect, fresh: Fresh, case: str) -> None:
    """By name and by meta, both of which must hold; live and on replay it is given the same."""
    wish, wanted = FILTERS[case]
    stream = fresh("log")
    live, late = connect(), connect()
    live.ask("subscribe", streams=[stream], filter=wish)
    epoch = publish_for_filters(control, stream).position.epoch
    late.ask("subscribe", streams=[stream], filter=wish, recover={stream: {"epoch": epoch, "offset": 0}})
    end = control.to_stream(stream, event("end", meta={"room": "5", "floor": "1"})).position.offset

    for browser in (live, late):
        names: list[str] = []
        offset = 0
        while offset < end:
            message = browser.receive()
            if message["event"] == "skip":
                counts = counts_of(message)
                assert set(counts) == {"filtered"}
                assert message["data"]["offset"] == offset + counts["filtered"]
                offset = message["data"]["offset"]
            else:
                assert message["meta"]["offset"] == offset + 1
                offset += 1
                names.append(message["event"])
        assert [name for name in names if name != "end"] == wanted


def test_a_marker_stands_before_the_next_message(control: Control, connect: Connect, fresh: Fresh) -> None:
    """A client that has a message knows the fate of all before it."""
    stream = fresh("log")
    browser = connect()
    browser.ask("subscribe", streams=[stream], filter={"events": ["yes"]})
    for name in ("yes", "no", "no", "yes"):
        last = control.to_stream(stream, event(name))

    received = browser.receive_until("yes"), browser.receive_until("yes")

    assert received[0] == []
    assert sum(counts_of(marker)["filtered"] for marker in received[1]) == 2
    assert received[1][-1]["data"]["offset"] == last.position.offset - 1


def test_a_marker_comes_at_idle(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Nothing else has to happen: a client's position never falls far behind."""
    stream = fresh("log")
    browser = connect()
    browser.ask("subscribe", streams=[stream], filter={"events": ["yes"]})
    receipt = control.to_stream(stream, event("no"))

    marker = browser.receive()

    assert marker["data"] == {
        "stream": stream, "epoch": receipt.position.epoch, "offset": receipt.position.offset, "filtered": 1
    }


def test_what_is_filtered_without_a_log_leaves_nothing(control: Control, connect: Connect, fresh: Fresh) -> None:
    """There is no position that could have a hole."""
    stream = fresh("unlogged")
    browser = connect()
    browser.ask("subscribe", streams=[stream], filter={"events": ["yes"]})
    for name in ("no", "yes", "no", "yes"):
        control.to_stream(stream, event(name))

    received = [browser.receive(), browser.receive()]

    assert [message["event"] for message in received] == ["yes", "yes"]


def test_a_filter_is_of_one_subscription(control: Control, connect: Connect, fresh: Fresh) -> None:
    """It changes with the next filter, ends with the subscription, and touches no other stream."""
    stream, other = fresh("unlogged"), fresh("unlogged")
    browser = connect(with_query("/ws", streams=other))

    def publish_and_hear() -> list[str]:
        for name in ("a", "b"):
            control.to_stream(stream, event(name))
            control.to_stream(other, event("other"))
        return heard(control, browser)

    browser.ask("subscribe", streams=[stream], filter={"events": ["a"]})
    assert publish_and_hear() == ["a", "other", "other"]
    browser.ask("subscribe", streams=[stream], filter={"events": ["b"]})
    assert publish_and_hear() == ["other", "b", "other"]
    browser.unsubscribe(stream)
    browser.subscribe(stream)
    assert publish_and_hear() == ["a", "other", "b", "other"]


# --- report ---


def counted(report: Any) -> tuple[int, int, int, int]:
    assert not report.partial
    return report.queued, report.filtered, report.dropped, report.replaying


def test_a_report_counts_who_was_given_it(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Queued, and filtered by a selector, an exclusion or the subscriber itself; absent where nobody asked."""
    stream = fresh("log")
    browsers = [connect(with_query("/ws", streams=stream)) for _ in range(3)]
    filtering = connect()
    filtering.ask("subscribe", streams=[stream], filter={"events": ["other"]})
    tab(connect, "alice", stream, roles=["admin"])

    plain = to_stream(control, stream, report=True)
    excluded = to_stream(control, stream, event("other"), report=True, exclude_sessions=[browsers[0].session])
    selected = to_stream(control, stream, event("other"), report=True, selector=pb.Selector(roles=["admin"]))

    assert counted(plain.report) == (4, 1, 0, 0)
    assert counted(excluded.report) == (4, 1, 0, 0)
    assert counted(selected.report) == (1, 4, 0, 0)
    assert {receipt.sessions for receipt in (plain, excluded, selected)} == {5}
    assert not to_stream(control, stream).HasField("report")


def test_every_target_reports(control: Control, connect: Connect, fresh: Fresh) -> None:
    """A user's tabs, several users', one session; and nobody at all."""
    alice, bob, stream = fresh("alice"), fresh("bob"), fresh("stream")
    tabs = [tab(connect, alice, stream), tab(connect, alice, ""), tab(connect, bob, "")]
    options = pb.PublishOptions(report=True)

    assert counted(control.to_user(alice, options=options).report) == (2, 0, 0, 0)
    assert counted(control.to_user(alice, stream=stream, options=options).report) == (1, 1, 0, 0)
    assert counted(control.to_users([alice, bob], options=options).receipt.report) == (3, 0, 0, 0)
    assert counted(control.to_session(tabs[0].session, options=options).report) == (1, 0, 0, 0)
    assert control.to_all(options=options).report.queued >= 3
    for receipt in (
        control.to_user(fresh("nobody"), options=options),
        control.to_session("0" * 20, options=options),
        to_stream(control, fresh("stream"), report=True),
    ):
        assert receipt.HasField("report")
        assert counted(receipt.report) == (0, 0, 0, 0)


def test_a_report_counts_whom_a_message_was_dropped_for(control: Control, connect: Connect, fresh: Fresh) -> None:
    """A reader that does not read, where the newest messages are dropped; the others are given it."""
    stream = fresh("newest")
    keeps_up = connect(with_query("/ws", streams=stream))
    connect(with_query("/tight", streams=stream), receive_buffer=4096)
    filling = event("filling", json=json.dumps("x" * 100_000))

    def publish_and_look() -> tuple[int, int, int, int]:
        receipt = to_stream(control, stream, filling, report=True)
        assert keeps_up.receive()["event"] == "filling"
        return counted(receipt.report)

    assert publish_and_look() == (2, 0, 0, 0)
    eventually(publish_and_look, lambda counts: counts == (1, 0, 1, 0), "the report")


def test_a_report_counts_who_is_still_catching_up(control: Control, connect: Connect, fresh: Fresh) -> None:
    """They get it from the log, after what they missed."""
    stream = fresh("log")
    for number in range(60):
        control.to_stream(stream, event("old", json=json.dumps([number, "x" * 50_000])))
    keeps_up = connect(with_query("/ws", streams=stream))
    behind = connect(with_query("/patient", streams=stream, recover=f"{stream}::0"), receive_buffer=4096)

    receipt = to_stream(control, stream, event("new"), report=True)

    assert counted(receipt.report) == (1, 0, 0, 1)
    assert keeps_up.receive()["event"] == "new"
    assert [message["data"][0] for message in behind.receive_until("new")] == list(range(60))


def test_a_duplicate_reports_nothing(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Nothing was sent, so there is nothing to count; the answer comes all the same."""
    stream = fresh("log")
    connect(with_query("/ws", streams=stream))
    to_stream(control, stream, request_id="1", report=True)

    receipt = to_stream(control, stream, request_id="1", report=True)

    assert receipt.duplicate and not receipt.HasField("report")


def test_publish_stream_does_not_report(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Its answers have no place for it: the item fails, naming the field, and is not published."""
    stream = fresh("log")
    browser = connect(with_query("/ws", streams=stream))
    publisher = control.publisher()
    options = pb.PublishOptions(report=True)

    publisher.send([
        pb.PublishItem(broadcast_stream=pb.BroadcastStreamRequest(stream=stream, event=event("no"), options=options)),
        stream_item(stream, event("yes")),
    ])
    (failure,) = publisher.finish()

    assert (failure.seq, failure.code) == (1, 3)
    assert "options.report" in failure.message
    assert heard(control, browser) == ["yes"]


def test_a_refused_call_with_a_report_is_answered(control: Control, fresh: Fresh) -> None:
    """At once, with the refusal."""
    refusal = to_stream_refused(control, fresh("unlogged"), report=True, expected_position=position_of("e", 1))

    assert refusal.reason == "NO_LOG"


# --- What makes no sense ---


def duration(seconds: int = 0, nanos: int = 0) -> Any:
    return duration_pb2.Duration(seconds=seconds, nanos=nanos)


MONTH = 30 * 24 * 3600

BAD_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "a request_id of 129 bytes": ({"request_id": "r" * 129}, "options.request_id"),
    "a ttl of nothing": ({"ttl": duration()}, "options.ttl"),
    "a ttl below 1 ms": ({"ttl": duration(nanos=999_999)}, "options.ttl"),
    "a ttl below 0": ({"ttl": duration(seconds=-1)}, "options.ttl"),
    "a ttl above 30 days": ({"ttl": duration(seconds=MONTH, nanos=1)}, "options.ttl"),
    "an endless ttl": ({"ttl": duration(seconds=315_576_000_000)}, "options.ttl"),
    "deliver_within of nothing": ({"deliver_within": duration()}, "options.deliver_within"),
    "deliver_within below 0": ({"deliver_within": duration(nanos=-1)}, "options.deliver_within"),
    "deliver_within above 30 days": ({"deliver_within": duration(seconds=MONTH + 1)}, "options.deliver_within"),
    "a conflation_key of 129 bytes": ({"conflation_key": "k" * 129}, "options.conflation_key"),
    "a conflation_key of 65 umlauts": ({"conflation_key": "ü" * 65}, "options.conflation_key"),
    "a selector of nothing": ({"selector": pb.Selector()}, "options.selector"),
    "17 labels": ({"selector": pb.Selector(labels={str(n): "" for n in range(17)})}, "options.selector.labels"),
    "17 roles": ({"selector": pb.Selector(roles=["r"] * 17)}, "options.selector.roles"),
    "101 selected users": ({"selector": pb.Selector(user_ids=["u"] * 101)}, "options.selector.user_ids"),
    "a selected user without a name": ({"selector": pb.Selector(user_ids=["a", ""])}, "options.selector.user_ids"),
    "101 excluded sessions": ({"exclude_sessions": ["0" * 20] * 101}, "options.exclude_sessions"),
    "an excluded session that is none": ({"exclude_sessions": ["0" * 20, "me"]}, "options.exclude_sessions"),
    "101 excluded users": ({"exclude_users": ["u"] * 101}, "options.exclude_users"),
    "an excluded user of 257 bytes": ({"exclude_users": ["u" * 257]}, "options.exclude_users"),
    "a place without an epoch": ({"expected_position": position_of("", 1)}, "options.expected_position.epoch"),
    "a place of a long epoch": ({"expected_position": position_of("e" * 65, 1)}, "options.expected_position.epoch"),
    "a place and skip_history": (
        {"expected_position": position_of("e", 1), "skip_history": True}, "options.expected_position"
    ),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_a_bad_option_is_named(control: Control, connect: Connect, fresh: Fresh, case: str) -> None:
    """INVALID_ARGUMENT with the field, in a unary call and in PublishStream; nothing is sent."""
    fields, field = BAD_OPTIONS[case]
    stream = fresh("log")
    browser = connect(with_query("/ws", streams=stream))
    publisher = control.publisher()

    refusal = to_stream_refused(control, stream, **fields)
    options = pb.PublishOptions(**fields)
    publisher.send([
        pb.PublishItem(broadcast_stream=pb.BroadcastStreamRequest(stream=stream, event=event(), options=options))
    ])
    (failure,) = publisher.finish()

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert refusal.fields == [field]
    assert failure.code == 3 and failure.message.startswith(f"{field}:")
    assert heard(control, browser) == []


def test_several_users_have_no_common_place(control: Control, fresh: Fresh) -> None:
    """expected_position names one log."""
    options = pb.PublishOptions(expected_position=position_of("e", 1))
    request = pb.BroadcastToUsersRequest(user_ids=[fresh("a"), fresh("b")], event=event(), options=options)

    refusal = control.refused("BroadcastToUsers", request)

    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", ["options.expected_position"])


def test_just_within_the_bounds_is_taken(control: Control, fresh: Fresh) -> None:
    """Bounds are where they are said to be."""
    stream = fresh("log")

    to_stream(
        control, stream, request_id="r" * 128, ttl=duration(seconds=MONTH), deliver_within=duration(seconds=MONTH),
        conflation_key="k" * 128, exclude_sessions=["0" * 20] * 100, exclude_users=["u" * 256] * 100,
        selector=pb.Selector(
            labels={str(number): "x" for number in range(16)}, roles=["r"] * 16, user_ids=["u"] * 100
        ),
    )
    receipt = to_stream(control, stream, ttl=SOON, deliver_within=SOON)

    assert receipt.position.offset == 2
