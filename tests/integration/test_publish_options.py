"""How a message may be published: once, for a while, or at a place in the log."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2
from support.control import Control, Event, event, pb
from support.gateway import Gateway, token
from support.publishing import (
    LOST,
    PUBLISH_CONFIG,
    SOON,
    WHILE,
    Connect,
    Fresh,
    counts_of,
    heard,
    listed,
    position_of,
    replayed,
    to_stream,
    to_stream_refused,
    wait_until_gone,
)
from support.ws import with_query


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return PUBLISH_CONFIG


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
